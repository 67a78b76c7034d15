"""Repairs: a cause that stays makes no storm, a refusal stops the worker."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from streamproc.engine import partitions, repair
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.faust.brokers import Brokers
from streamproc.engine.life import State
from streamproc.engine.partitions import Partitions
from streamproc.engine.repair import Repairs
from streamproc.engine.settings import EngineSettings


class FakeTime:
    """Stands for ``time`` and, in sleeping, for ``asyncio`` in the module: no real time passes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


class World:
    """A partition whose every opening succeeds, in a group that trusts this worker."""

    def __init__(self, time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = time
        settings = EngineSettings("", "app", ("in",))
        self.partitions: Partitions[Any] = Partitions(settings, mock.Mock(), Brokers(settings))
        self.opened_at: list[float] = []
        self.crashes: list[BaseException] = []
        self.input: Any = mock.Mock(
            is_member=mock.AsyncMock(return_value=True), rewind=mock.AsyncMock(return_value=True)
        )
        monkeypatch.setattr(self.partitions, "_load", self._load)
        self.partition = self.partitions[0]
        self.repairs = Repairs(self.partitions, self.crash)

    async def start(self) -> None:
        await self.partitions.own({0}, set(), "changelog")
        self.partition.run()
        self.opened_at.clear()

    async def _load(self, partition: Any, _: float) -> Any:
        self.opened_at.append(self.time.now)
        return mock.Mock(number=0, close=mock.AsyncMock(), start_offset=lambda topic: 0)

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)

    def breaks(self, why: BaseException) -> None:
        opened = self.partition.opened
        assert opened is not None
        self.repairs.begin(self.partition, opened, why, self.input)

    async def settled(self) -> None:
        assert self.partition.repair is not None
        await self.partition.repair


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    time = FakeTime()
    monkeypatch.setattr(partitions, "give_memory_back", lambda: None)
    monkeypatch.setattr(repair, "time", time)
    monkeypatch.setattr(repair, "asyncio", time)
    world = World(time, monkeypatch)
    await world.start()
    return world


async def pauses(world: World, seconds_between: float) -> list[float]:
    """How long the partition, failing so long after each repair, waited before it was opened."""
    found: list[float] = []
    for _ in range(8):
        failed_at = world.time.now
        world.breaks(RuntimeError("refused"))
        assert world.partitions.states == {0: State.BROKEN}
        await world.settled()
        assert world.partitions.states == {0: State.RUNNING}
        found.append(round(world.opened_at[-1] - failed_at, 3))
        world.time.now += seconds_between
    assert len(world.opened_at) == 8
    return found


async def test_a_partition_that_fails_again_and_again_waits_longer_and_longer(
    world: World,
) -> None:
    assert await pauses(world, 0.0) == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_partition_that_worked_for_long_is_repaired_at_once(world: World) -> None:
    assert await pauses(world, repair.RELAPSE_SECONDS) == [0.0] * 8


async def test_what_the_broker_does_not_allow_stops_the_worker(world: World) -> None:
    refusal = ForbiddenError(TopicAuthorizationFailedError({"out"}), "localhost:9092", "Write")
    world.breaks(refusal)
    await world.settled()
    assert (world.crashes, world.opened_at) == ([refusal], [])
    assert "out" in str(refusal)
    assert "no right to Write the topic out at localhost:9092" in str(refusal)
