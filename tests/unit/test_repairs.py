"""Repairs: a cause that stays makes no storm, a refusal stops the worker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from streamproc.engine import repair
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.faust.brokers import Brokers
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
    """An owner of partition 0 whose every opening succeeds, and a group that trusts it."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.partitions: dict[int, Any] = {}
        self.cluster = Brokers(EngineSettings("", "app", ("in",)))
        self.settings = SimpleNamespace(input_topics=("in",))
        self.opened_at: list[float] = []
        self.crashes: list[BaseException] = []
        self.consumer: Any = mock.Mock(
            is_member=mock.AsyncMock(return_value=True), rewind=mock.AsyncMock()
        )
        self.reopen_now()

    def reopen_now(self) -> Any:
        partition: Any = mock.Mock(number=0, close=mock.AsyncMock())
        partition.start_offset = lambda topic: 0
        self.partitions[0] = partition
        return partition

    def lacks(self, number: int) -> bool:
        return number not in self.partitions

    async def reopen(self, number: int) -> Any:
        self.opened_at.append(self.time.now)
        return self.reopen_now()

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    time = FakeTime()
    monkeypatch.setattr(repair, "time", time)
    monkeypatch.setattr(repair, "asyncio", time)
    return World(time)


async def settled(repairs: Repairs) -> None:
    await asyncio.gather(*repairs._tasks.values())


async def pauses(world: World, seconds_between: float) -> list[float]:
    """How long the partition, failing so long after each repair, waited before it was opened."""
    owner: Any = world
    repairs = Repairs(owner, world.crash)
    found = []
    for _ in range(8):
        failed_at = world.time.now
        repairs.begin(world.partitions[0], RuntimeError("refused"), world.consumer)
        await settled(repairs)
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
    owner: Any = world
    repairs = Repairs(owner, world.crash)
    refusal = ForbiddenError(TopicAuthorizationFailedError({"out"}))
    repairs.begin(world.partitions[0], refusal, world.consumer)
    await settled(repairs)
    assert (world.crashes, world.opened_at) == ([refusal], [])
    assert "out" in str(refusal)
    assert "Write on its changelog" in str(refusal)
