"""A commit holds everything or nothing, and letting go of a writer never hangs."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from streamproc.engine.faust.producer import TransactionalProducer
from streamproc.engine.transaction import PartitionWriter
from tests.support.committed import read_committed

SMALL_BYTES = 1000


class Topics:
    """A changelog and an output that takes small batches only, of one partition."""

    def __init__(self) -> None:
        self.app_id = f"w{uuid4().hex[:8]}"
        self.changelog = f"{self.app_id}-changelog"
        self.output = f"{self.app_id}-output"

    async def make(self, bootstrap: str) -> None:
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            small = {"max.message.bytes": str(SMALL_BYTES)}
            await admin.create_topics(
                [
                    NewTopic(self.changelog, 1, 1),
                    NewTopic(self.output, 1, 1, topic_configs=small),
                ]
            )
        finally:
            await admin.close()


@pytest.fixture
async def topics(bootstrap: str) -> Topics:
    topics = Topics()
    await topics.make(bootstrap)
    return topics


async def test_a_batch_that_the_broker_refuses_fails_the_whole_commit(
    bootstrap: str, topics: Topics
) -> None:
    writer = PartitionWriter(TransactionalProducer(bootstrap, topics.app_id, 0))
    await writer.open()
    try:
        await writer.commit(topics.changelog, [(b"a", b"1")], {topics.output: [(b"a", b"small")]})
        large = b"x" * (2 * SMALL_BYTES)
        with pytest.raises(MessageSizeTooLargeError):
            await writer.commit(topics.changelog, [(b"a", b"2")], {topics.output: [(b"a", large)]})
    finally:
        await writer.close()
    # Whoever opens the partition next takes back what was left.
    writer = PartitionWriter(TransactionalProducer(bootstrap, topics.app_id, 0))
    await writer.open()
    try:
        outputs = {topics.output: [(b"a", b"next"), (b"b", b"with headers")]}
        headers = {topics.output: {1: (("traceparent", b"1"), ("tracestate", b"2"))}}
        await writer.commit(topics.changelog, [(b"a", b"3")], outputs, headers=headers)
    finally:
        await writer.close()
    changes = [record.value for record in await read_committed(bootstrap, topics.changelog, 1)]
    written = await read_committed(bootstrap, topics.output, 1)
    assert changes == [b"1", b"3"]
    assert [record.value for record in written] == [b"small", b"next", b"with headers"]
    assert [tuple(record.headers) for record in written] == [(), (), headers[topics.output][1]]


async def test_letting_go_does_not_wait_for_what_nobody_sends(
    bootstrap: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = TransactionalProducer(bootstrap, topics.app_id, 0)
    writer = PartitionWriter(producer)
    await writer.open()
    await writer.commit(topics.changelog, [(b"a", b"1")], {})
    # The broker is gone: nothing is sent or answered any more.
    asleep, asked = asyncio.Event(), asyncio.Event()

    async def silence(*_: Any, **__: Any) -> None:
        asked.set()
        await asleep.wait()

    monkeypatch.setattr(producer._producer.client, "send", silence)
    commit = asyncio.create_task(writer.commit(topics.changelog, [(b"a", b"2")], {}))
    await asyncio.wait_for(asked.wait(), 10)
    commit.cancel()
    await asyncio.wait([commit])
    async with asyncio.timeout(5):
        await writer.close()
    leftover = [
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and "aiokafka" in repr(task.get_coro())
    ]
    assert leftover == []
