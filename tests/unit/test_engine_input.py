"""What a engine does with chunks around a revocation."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from streamproc.engine.changelog import Progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.settings import EngineSettings


class Applied:
    """An open partition that notes the offsets it was given, and ends when it is let."""

    def __init__(self) -> None:
        self.progress = Progress(positions={"in": 5})
        self.offsets: list[int] = []
        self.ticks = 0
        self.commit_failure = None
        self.commit_if_due = mock.Mock()
        self.wait_if_behind = mock.AsyncMock()
        self.start_offset = {"in": 4}.get
        self.committed = asyncio.Event()
        self.fits = 1 << 30
        """How many records fit into the outbox."""
        self.make_room = mock.AsyncMock()

    def apply(self, chunk: Chunk, ack: Any) -> int:
        position = self.progress.positions["in"]
        records = [one for one in chunk.records if one.offset >= position]
        self.offsets += [one.offset for one in records[: self.fits]]
        self.progress.positions["in"] = self.offsets[-1] + 1
        return max(len(records) - self.fits, 0)

    def tick(self, now_ms: int) -> None:
        self.ticks += 1

    async def finish(self) -> None:
        await self.committed.wait()

    async def close(self) -> None: ...


class Scene:
    """An engine whose partition 0 runs, with the input up to offset 4 in its state."""

    def __init__(self) -> None:
        settings = EngineSettings("", "app", ("in",), chunk_records=2)
        self.engine: Engine[Any] = Engine(settings, mock.Mock(), mock.Mock())
        self.input: Any = mock.Mock(is_rebalancing=True, rewind=mock.AsyncMock())
        self.engine.attach(self.input)
        self.partition = self.engine.partitions[0]
        self.applied = Applied()
        opened: Any = self.applied
        self.partition.begin_opening()
        self.partition.take_over(opened)
        self.partition.intake("in").begin_epoch(4)
        self.engine.input_is_sought({0})

    def fetch(self, *offsets: int) -> list[Any]:
        """A fetch of these offsets, as the stream hands it on."""
        records = [SimpleNamespace(offset=one, timestamp=0, timestamp_type=0) for one in offsets]
        chunks = self.partition.intake("in").chunks(records, 2)
        return [SimpleNamespace(value=one, ack=None) for one in chunks]

    async def deliver(self, *offsets: int) -> None:
        for event in self.fetch(*offsets):
            await self.engine.on_chunk(event)


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_what_follows_a_dropped_chunk_is_dropped_until_the_rewind(scene: Scene) -> None:
    first, second, third = scene.fetch(5, 6, 7, 8, 10)
    await scene.engine.on_chunk(first)
    revocation = asyncio.create_task(scene.engine.partitions.finish({0}))
    await asyncio.sleep(0)
    assert scene.engine.partitions.states == {0: State.FINISHING}
    await scene.engine.on_chunk(second)
    scene.applied.committed.set()
    await revocation
    assert scene.engine.partitions.states == {0: State.SUSPENDED}  # and not rewound yet
    await scene.engine.on_chunk(third)
    scene.partition.give_back()
    scene.engine.input_is_sought({0})
    await scene.deliver(11, 12)
    assert scene.applied.offsets == [5, 6]
    scene.partition.intake("in").begin_epoch(6)
    await scene.deliver(7, 8, 10, 11)
    assert scene.applied.offsets == [5, 6, 7, 8, 10, 11], "offsets that no record has do not matter"


@pytest.mark.parametrize("state", [State.SUSPENDED, State.READY, State.CLOSED])
async def test_a_chunk_that_would_fit_is_applied_in_no_other_state_than_running(
    scene: Scene, state: State
) -> None:
    scene.applied.committed.set()
    await scene.engine.partitions.finish({0})
    if state is State.READY:
        scene.partition.give_back()
    elif state is State.CLOSED:
        await scene.partition.close()
    assert scene.partition.state is state
    await scene.deliver(5, 6)
    await scene.engine.on_tick()
    scene.input.is_rebalancing = False
    await scene.engine.on_tick()
    assert (scene.applied.offsets, scene.applied.ticks) == ([], 0)


async def test_what_was_fetched_before_a_rewind_is_dropped(scene: Scene) -> None:
    fetched = scene.fetch(5, 6)
    scene.partition.intake("in").is_read_out = True
    assert scene.partition.intake("in").has_nothing_waiting(7)
    scene.partition.intake("in").begin_epoch(5)
    assert not scene.partition.intake("in").has_nothing_waiting(7)
    for event in fetched:
        await scene.engine.on_chunk(event)
    assert scene.applied.offsets == []


async def test_the_rest_of_a_chunk_is_applied_when_a_commit_has_made_room(scene: Scene) -> None:
    scene.applied.fits = 1
    await scene.deliver(5, 6, 7)
    assert scene.applied.offsets == [5, 6, 7]
    assert scene.applied.make_room.await_count == 1
    assert scene.engine.applied_records == 3


@pytest.mark.parametrize("happens", ["revoked", "rewound", "failed"])
async def test_the_rest_of_a_chunk_is_dropped_if_the_partition_is_away_by_then(
    scene: Scene, happens: str
) -> None:
    scene.applied.fits = 1
    scene.applied.committed.set()

    async def make_room() -> None:
        if happens == "revoked":
            await scene.engine.partitions.finish({0})
        elif happens == "rewound":
            scene.partition.intake("in").begin_epoch(6)
        else:
            scene.applied.commit_failure = error

    error: Any = OSError("no")
    scene.applied.make_room.side_effect = make_room
    with mock.patch.object(scene.engine._repairs, "begin") as begin:
        await scene.deliver(5, 6)
    assert scene.applied.offsets == [5]
    assert scene.engine.applied_records == 0
    assert begin.called == (happens == "failed")


async def test_missing_input_is_fetched_again_when_no_rebalance_will_do_it(scene: Scene) -> None:
    scene.input.is_rebalancing = False
    *_, after = scene.fetch(3, 4, 5, 6, 7, 8)  # those before it have come nowhere
    await scene.engine.on_chunk(after)
    scene.input.rewind.assert_awaited_once_with("in", 0, 4)
    assert scene.applied.offsets == []


async def test_chunks_of_one_fetch_and_of_the_next_follow_each_other(scene: Scene) -> None:
    for offsets in ((5, 6, 7), (8,), (12, 13)):
        await scene.deliver(*offsets)
    assert scene.applied.offsets == [5, 6, 7, 8, 12, 13]


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
async def test_timers_stay_behind_input_on_its_way_but_not_behind_what_is_applied(
    scene: Scene, is_waiting: bool, clock_ms: int, timers_ms: int
) -> None:
    scene.partition.intake("in").is_read_out = not is_waiting
    scene.applied.progress.clock_ms = clock_ms
    opened: Any = scene.applied
    assert scene.engine._timers_ms(scene.partition, opened, now_ms=10_000) == timers_ms
