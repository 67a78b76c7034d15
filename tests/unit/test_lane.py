"""What a lane does with chunks around a revocation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from faust.types import TP

from streamproc.engine.changelog import Progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.faust.consumer import BatchConsumer
from streamproc.engine.lane import Lane

INPUT = TP("in", 0)


class Applied:
    """A partition that notes the offsets it was given."""

    def __init__(self) -> None:
        self.progress = Progress(positions={"in": 5})
        self.offsets: list[int] = []
        self.commit_failure = None
        self.commit_if_due = mock.Mock()
        self.wait_if_behind = mock.AsyncMock()

    def apply(self, chunk: Chunk, ack: Any) -> None:
        self.offsets += [one.offset for one in chunk.records]
        self.progress.positions["in"] = self.offsets[-1] + 1


@pytest.fixture
def lane() -> Any:
    lane: Any = Lane.__new__(Lane)
    lane.owner = SimpleNamespace(partitions={0: Applied()})
    lane.applied_records = 0
    lane._finishing = False
    lane._input = SimpleNamespace(epoch=lambda *_: lane.epoch, is_rebalancing=True)
    lane.settings = SimpleNamespace(chunk_records=2)
    lane.epoch = 1
    return lane


def chunks(lane: Any, consumer: Any, *offsets: int) -> list[Any]:
    """A fetch of these offsets, as the stream hands it on."""
    records = [SimpleNamespace(offset=one, timestamp=0, timestamp_type=0) for one in offsets]
    return [SimpleNamespace(value=one, ack=None) for one in consumer._chunks(INPUT, records)]


@pytest.fixture
def consumer(lane: Any) -> Any:
    consumer: Any = BatchConsumer.__new__(BatchConsumer)
    consumer._lane, consumer._next, consumer._epochs = lane, {}, {INPUT: 1}
    return consumer


async def test_what_follows_a_dropped_chunk_is_dropped_until_the_rewind(
    lane: Any, consumer: Any
) -> None:
    partition = lane.owner.partitions[0]
    first, second, third = chunks(lane, consumer, 5, 6, 7, 8, 10)
    await lane.on_chunk(first)
    lane._finishing = True  # a revocation commits
    await lane.on_chunk(second)
    lane._finishing = False  # it is over, and the partition is not rewound yet
    await lane.on_chunk(third)
    for event in chunks(lane, consumer, 11, 12):
        await lane.on_chunk(event)
    assert partition.offsets == [5, 6]
    lane.epoch = consumer._epochs[INPUT] = 2
    consumer._next.clear()
    for event in chunks(lane, consumer, 7, 8, 10, 11):
        await lane.on_chunk(event)
    assert partition.offsets == [5, 6, 7, 8, 10, 11], "offsets that no record has are no matter"


async def test_missing_input_is_fetched_again_when_no_rebalance_will_do_it(
    lane: Any, consumer: Any
) -> None:
    lane._input.is_rebalancing = False
    partition = lane.owner.partitions[0]
    partition.start_offset = {"in": 4}.get
    rewind = lane._input.rewind = mock.AsyncMock()
    *_, after = chunks(lane, consumer, 3, 4, 5, 6, 7, 8)  # those before it have come nowhere
    await lane.on_chunk(after)
    rewind.assert_awaited_once_with(*INPUT, 4)
    assert partition.offsets == []


async def test_chunks_of_one_fetch_and_of_the_next_follow_each_other(
    lane: Any, consumer: Any
) -> None:
    for offsets in ((5, 6, 7), (8,), (12, 13)):
        for event in chunks(lane, consumer, *offsets):
            await lane.on_chunk(event)
    assert lane.owner.partitions[0].offsets == [5, 6, 7, 8, 12, 13]


@pytest.mark.parametrize(
    ("is_waiting", "clock_ms", "timers_ms"),
    [
        (True, 9_800, 9_800),
        (True, 10_200, 10_000),
        (False, 8_000, 9_000),
        (False, 9_800, 9_800),
        (False, 10_200, 10_000),
    ],
)
def test_timers_stay_behind_input_on_its_way_but_not_behind_what_is_applied(
    lane: Any, is_waiting: bool, clock_ms: int, timers_ms: int
) -> None:
    lane.settings = SimpleNamespace(input_topics=("in",), timer_margin_ms=1_000)
    lane._input.has_nothing_waiting = lambda *_: not is_waiting
    partition = SimpleNamespace(number=0, progress=Progress(clock_ms=clock_ms))
    assert lane._timers_ms(partition, now_ms=10_000) == timers_ms
