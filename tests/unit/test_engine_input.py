"""What a engine does with chunks around a revocation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from faust.types import TP

from streamproc.engine.changelog import Progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.engine import Engine
from streamproc.engine.faust.consumer import BatchConsumer

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
def engine() -> Any:
    engine: Any = Engine.__new__(Engine)
    engine.owner = SimpleNamespace(partitions={0: Applied()})
    engine.applied_records = 0
    engine._finishing = False
    engine._input = SimpleNamespace(epoch=lambda *_: engine.epoch, is_rebalancing=True)
    engine.settings = SimpleNamespace(chunk_records=2)
    engine.epoch = 1
    return engine


def chunks(engine: Any, consumer: Any, *offsets: int) -> list[Any]:
    """A fetch of these offsets, as the stream hands it on."""
    records = [SimpleNamespace(offset=one, timestamp=0, timestamp_type=0) for one in offsets]
    return [SimpleNamespace(value=one, ack=None) for one in consumer._chunks(INPUT, records)]


@pytest.fixture
def consumer(engine: Any) -> Any:
    consumer: Any = BatchConsumer.__new__(BatchConsumer)
    consumer._engine, consumer._next, consumer._epochs = engine, {}, {INPUT: 1}
    return consumer


async def test_what_follows_a_dropped_chunk_is_dropped_until_the_rewind(
    engine: Any, consumer: Any
) -> None:
    partition = engine.owner.partitions[0]
    first, second, third = chunks(engine, consumer, 5, 6, 7, 8, 10)
    await engine.on_chunk(first)
    engine._finishing = True  # a revocation commits
    await engine.on_chunk(second)
    engine._finishing = False  # it is over, and the partition is not rewound yet
    await engine.on_chunk(third)
    for event in chunks(engine, consumer, 11, 12):
        await engine.on_chunk(event)
    assert partition.offsets == [5, 6]
    engine.epoch = consumer._epochs[INPUT] = 2
    consumer._next.clear()
    for event in chunks(engine, consumer, 7, 8, 10, 11):
        await engine.on_chunk(event)
    assert partition.offsets == [5, 6, 7, 8, 10, 11], "offsets that no record has are no matter"


async def test_missing_input_is_fetched_again_when_no_rebalance_will_do_it(
    engine: Any, consumer: Any
) -> None:
    engine._input.is_rebalancing = False
    partition = engine.owner.partitions[0]
    partition.start_offset = {"in": 4}.get
    rewind = engine._input.rewind = mock.AsyncMock()
    *_, after = chunks(engine, consumer, 3, 4, 5, 6, 7, 8)  # those before it have come nowhere
    await engine.on_chunk(after)
    rewind.assert_awaited_once_with(*INPUT, 4)
    assert partition.offsets == []


async def test_chunks_of_one_fetch_and_of_the_next_follow_each_other(
    engine: Any, consumer: Any
) -> None:
    for offsets in ((5, 6, 7), (8,), (12, 13)):
        for event in chunks(engine, consumer, *offsets):
            await engine.on_chunk(event)
    assert engine.owner.partitions[0].offsets == [5, 6, 7, 8, 12, 13]


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
    engine: Any, is_waiting: bool, clock_ms: int, timers_ms: int
) -> None:
    engine.settings = SimpleNamespace(input_topics=("in",), timer_margin_ms=1_000)
    engine._input.has_nothing_waiting = lambda *_: not is_waiting
    partition = SimpleNamespace(number=0, progress=Progress(clock_ms=clock_ms))
    assert engine._timers_ms(partition, now_ms=10_000) == timers_ms
