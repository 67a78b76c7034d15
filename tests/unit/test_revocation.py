"""A revocation goes on, whatever becomes of the group's offsets."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamproc.engine.changelog import Progress
from streamproc.engine.faust import consumer as delivery
from streamproc.engine.faust.consumer import BatchConsumer
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings
from tests.support.waiting import let_run, until

REVOKED = {TP("in", 0)}


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A consumer whose commits are the test's; what Faust does then is noted in ``revoked``."""
    consumer: Any = BatchConsumer.__new__(BatchConsumer)
    consumer._engine = mock.Mock()
    consumer._engine.partitions.finish = mock.AsyncMock()
    consumer.revoked = mock.AsyncMock()
    monkeypatch.setattr(
        driver.Consumer, "on_partitions_revoked", lambda _, revoked: consumer.revoked()
    )
    monkeypatch.setattr(delivery, "GROUP_OFFSETS_SECONDS", 0.05)
    return consumer


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RuntimeError("broker gone")])
async def test_a_failed_commit_of_group_offsets_is_no_obstacle(
    consumer: Any, error: BaseException
) -> None:
    consumer.force_commit = mock.AsyncMock(side_effect=error)
    await consumer.on_partitions_revoked(REVOKED)
    consumer._engine.partitions.finish.assert_awaited_once_with({0})
    consumer.revoked.assert_awaited_once_with()


async def test_a_commit_that_is_never_answered_is_given_up(consumer: Any) -> None:
    async def silence() -> None:
        await asyncio.Event().wait()

    consumer.force_commit = silence
    await asyncio.wait_for(consumer.on_partitions_revoked(REVOKED), 5)
    consumer.revoked.assert_awaited_once_with()


async def test_who_cancels_the_revocation_itself_is_obeyed(consumer: Any) -> None:
    asked = asyncio.Event()

    async def silence() -> None:
        asked.set()
        await asyncio.Event().wait()

    consumer.force_commit = silence
    task = asyncio.create_task(consumer.on_partitions_revoked(REVOKED))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    consumer.revoked.assert_not_awaited()


class SlowWriter:
    """Commits when it is told to."""

    def __init__(self) -> None:
        self.commits = 0
        self.may_end = asyncio.Event()

    async def commit(self, *_: Any) -> None:
        self.commits += 1
        await self.may_end.wait()

    async def close(self) -> None:
        """Nothing ends the commit of a writer that is closed: who closes must have waited."""


def changed_partition(writer: Any) -> OpenPartition[Any]:
    processor: Any = mock.Mock(epoch=1)
    settings = EngineSettings(broker="", app_id="app", input_topics=("in",))
    partition = OpenPartition(0, Rows(processor), Progress(), writer, processor, "log", settings)
    partition.outbox.put("out", b"k", b"v")
    return partition


async def test_a_stop_waits_for_the_commit_of_a_revocation() -> None:
    """Otherwise it closed the writer under it, and the revocation waited for half a minute."""
    writer: Any = SlowWriter()
    partition = changed_partition(writer)
    revocation = asyncio.create_task(partition.finish())
    await asyncio.sleep(0)
    stop = asyncio.create_task(partition.finish())
    await asyncio.sleep(0.05)  # it must not end
    assert not stop.done()
    writer.may_end.set()
    await asyncio.gather(revocation, stop)
    assert writer.commits == 1


async def test_a_stop_waits_for_what_is_committed_after_the_commit_under_way() -> None:
    """Both ends waited for one commit; the second did not see the next, and closed its writer."""
    writer: Any = SlowWriter()
    partition = changed_partition(writer)
    partition.commit_if_due(1e9)
    partition.outbox.put("out", b"k", b"another")
    ends = [asyncio.create_task(partition.finish()) for _ in range(2)]
    await let_run()
    writer.may_end.set()
    writer.may_end = asyncio.Event()
    await let_run()
    assert (writer.commits, [end.done() for end in ends]) == (2, [False, False])
    writer.may_end.set()
    await asyncio.gather(*ends)
    assert writer.commits == 2


async def test_a_partition_closed_in_mid_commit_keeps_nobody_waiting() -> None:
    writer: Any = SlowWriter()
    partition = changed_partition(writer)
    revocation = asyncio.create_task(partition.finish())
    await until(lambda: writer.commits)
    await partition.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(revocation, 5)
