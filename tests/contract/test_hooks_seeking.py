"""Why seeks run in the client's thread, and that input which is skipped anyway is fetched again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.consumer.subscription_state import SubscriptionState

from streamproc.engine.changelog import Progress
from streamproc.engine.cluster import FetchedBatch
from streamproc.engine.faust import consumer as delivery
from streamproc.engine.faust.consumer import BatchConsumer
from streamproc.engine.faust.consumer_thread import BatchConsumerThread
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.rows import Rows
from tests.contract.conftest import CHANGELOG, INPUT, Record


class Fetched:
    """A fetch of offsets 10 to 14; something happens while its records are handed on."""

    def __init__(self, meanwhile: Any) -> None:
        self.next_fetch_offset = 10
        self._meanwhile = meanwhile

    def __iter__(self) -> Any:
        for offset in range(10, 15):
            self.next_fetch_offset = offset + 1
            if offset == 12:
                self._meanwhile()
            yield Record(offset)


async def test_a_seek_from_another_thread_can_be_undone_by_a_fetch() -> None:
    """The defect: ``getall`` sets the position behind its records, whatever was sought."""
    tp = TopicPartition("t", 0)
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user([tp])
    assignment = subscriptions.subscription.assignment
    state = assignment.state_value(tp)
    state.seek(10)
    result = FetchResult(
        tp, assignment=assignment, partition_records=Fetched(lambda: state.seek(3)), backoff=0.1
    )
    assert [record.offset for record in result.getall()] == [10, 11, 12, 13, 14]
    assert state.position == 15, "offsets 3 to 9 would never be fetched"


async def test_seeks_run_in_the_thread_of_the_client() -> None:
    called: list[Any] = []
    thread = SimpleNamespace(
        _ensure_consumer=lambda: SimpleNamespace(seek=lambda tp, at: called.append((tp, at)))
    )

    async def call_thread(fun: Any, *args: Any) -> Any:
        called.append("thread")
        return await fun(*args)

    thread.call_thread = call_thread
    await BatchConsumerThread.seek_in_thread(thread, INPUT, 5)  # type: ignore[arg-type]
    assert called == ["thread", (INPUT, 5)]


@pytest.fixture
def reading(consumer: Any, app: Any) -> Any:
    """A consumer whose state has the input up to offset 7, of which it is to see the last again.

    ``fetch(asked, offsets, then)`` is its next fetch, ``told(first)`` how many records it tells to
    be lost if the topic begins at ``first``.
    """
    nothing: Any = None
    progress = Progress(positions={INPUT.topic: 8}, marks={INPUT.topic: 1})
    app.engine.partitions[0].begin_opening()
    app.engine.partitions[0].take_over(
        OpenPartition(
            0, Rows(nothing), progress, nothing, nothing, CHANGELOG.topic, app.engine.settings
        )
    )

    async def fetch(asked: int, offsets: range, then: int | None) -> list[int]:
        async def getmany(active_partitions: Any, timeout: float) -> Any:
            return {INPUT: [FetchedBatch(asked, [Record(offset) for offset in offsets])]}

        consumer._thread.getmany = getmany
        consumer._thread.next_fetch_offset = lambda tp: then
        found = await BatchConsumer._getmany(consumer, {INPUT}, 0.0)
        return [record.offset for chunk in found.get(INPUT, ()) for record in chunk.records]

    async def told(first: int) -> list[int]:
        lost: list[int] = []
        consumer.earliest_offsets = mock.AsyncMock(return_value={INPUT: first})
        with mock.patch.object(
            delivery, "tell_deleted_input", lambda topic, number, records: lost.append(records)
        ):
            await consumer._tell_deleted_input()
        return lost

    consumer.fetch, consumer.told = fetch, told
    return consumer


async def test_input_skipped_by_a_fetch_is_fetched_again(reading: Any) -> None:
    await reading.rewind(INPUT, 7)
    epoch = reading._intake(INPUT).epoch
    assert await reading.fetch(15, range(15, 20), 20) == [], "7 to 14 are missing"
    assert reading.sought == [(INPUT, 7), (INPUT, 7)]
    assert reading._intake(INPUT).epoch == epoch + 1
    assert await reading.fetch(7, range(7, 15), 15) == list(range(7, 15))
    assert await reading.fetch(15, range(15, 20), 20) == list(range(15, 20))


async def test_markers_between_two_fetches_are_no_hole(reading: Any) -> None:
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 10), 12) == [7, 8, 9]
    assert await reading.fetch(12, range(13, 15), 15) == [13, 14]
    assert len(reading.sought) == 1


async def test_what_was_aborted_between_two_fetches_is_no_hole(reading: Any) -> None:
    """The client passed by 10 to 14 and 15 to 19: two fetches without any record."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 10), 10) == [7, 8, 9]
    reading._thread.passed.extend([(INPUT, 10, 15), (INPUT, 15, 20)])
    assert await reading.fetch(20, range(20, 22), 22) == [20, 21]
    assert len(reading.sought) == 1
    assert await reading.told(22) == []


@pytest.mark.parametrize("passed", [[(10, 15)], [(15, 20)], [(10, 14), (15, 20)], [(5, 19)]])
async def test_a_lost_fetch_beside_what_was_aborted_is_fetched_again(
    reading: Any, passed: list[tuple[int, int]]
) -> None:
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 10), 10) == [7, 8, 9]
    reading._thread.passed.extend([(INPUT, *one) for one in passed])
    assert await reading.fetch(20, range(20, 22), 22) == []
    assert reading.sought == [(INPUT, 7), (INPUT, 7)]


async def test_offsets_that_the_log_leaves_out_are_told_once(reading: Any) -> None:
    told: list[Any] = []
    ours, changelog = (INPUT, 8, 10), (CHANGELOG, 3, 4)
    await reading.rewind(INPUT, 7)
    for _ in range(2):
        reading._thread.missing.extend([ours, changelog])
        await reading.fetch(7, range(7, 8), 10)
        with mock.patch.object(delivery, "tell_compacted_input", lambda *one: told.append(one)):
            reading._tell_missing_input()
    assert told == [(*INPUT, 2, 8)]


async def test_a_client_that_was_reset_is_believed_the_second_time(reading: Any) -> None:
    """Offsets 7 to 99 are deleted: it begins at 100 however often it is asked for 7."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(100, range(100, 103), 103) == []
    assert await reading.fetch(100, range(100, 103), 103) == [100, 101, 102]
    assert await reading.fetch(103, range(103, 105), 105) == [103, 104]
    assert reading.sought == [(INPUT, 7), (INPUT, 7)]
    assert await reading.told(100) == [92], "7 was applied: it was to be recognised, no more"
    assert await reading.told(100) == []


async def test_a_record_that_was_only_to_be_recognised_is_no_loss(reading: Any) -> None:
    """All that the state contains is deleted, and nothing else."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(8, range(8, 10), 10) == []
    assert await reading.fetch(8, range(8, 10), 10) == [8, 9]
    assert await reading.told(8) == []


async def test_what_was_read_is_no_loss_when_it_is_deleted_before_the_loss_is_told(
    reading: Any,
) -> None:
    """Two holes, 20 to 99 and 120 to 199; the topic begins at 250 when that is asked for."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 20), 20) == list(range(7, 20))
    reading.app.engine.partitions[0].opened.progress.positions[INPUT.topic] = 20
    for first in (100, 200):
        await reading.fetch(first, range(first, first + 20), first + 20)
        await reading.fetch(first, range(first, first + 20), first + 20)
        reading.app.engine.partitions[0].opened.progress.positions[INPUT.topic] = first + 20
    assert await reading.told(250) == [80 + 80]


async def test_a_hole_seen_by_the_records_alone_is_told_once(reading: Any) -> None:
    """The client had lost its position when it was asked for it: it was being reset."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 20), None) == list(range(7, 20))
    assert await reading.fetch(100, range(100, 103), 103) == [100, 101, 102]
    assert await reading.told(100) == [80]


async def test_markers_that_are_deleted_later_are_no_loss(reading: Any) -> None:
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 10), 12) == [7, 8, 9]
    assert await reading.fetch(12, range(13, 15), 15) == [13, 14]
    assert await reading.told(15) == []


async def test_what_begins_before_is_handed_on_to_be_recognised(reading: Any) -> None:
    """A topic was created again: a partition recognises by its records that it is another one."""
    await reading.rewind(INPUT, 7)
    assert await reading.fetch(7, range(7, 10), 10) == [7, 8, 9]
    assert await reading.fetch(0, range(3), 3) == [0, 1, 2]
    assert reading.sought == [(INPUT, 7)]
