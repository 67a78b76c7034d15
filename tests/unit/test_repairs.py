"""Repairs: a cause that stays makes no storm, a refusal stops the worker."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from streamproc.engine import repair
from streamproc.engine.advice import ForbiddenError
from streamproc.engine.repair import Repairs


class World:
    """An owner of partition 0 whose every opening succeeds, and a group that trusts it."""

    def __init__(self) -> None:
        self.partitions: dict[int, Any] = {}
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
        self.opened_at.append(time.monotonic())
        return self.reopen_now()

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)


@pytest.fixture
def world() -> World:
    return World()


async def settled(repairs: Repairs) -> None:
    await asyncio.gather(*repairs._tasks.values())


async def test_a_partition_that_fails_again_and_again_waits_longer_and_longer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "FIRST_PAUSE_SECONDS", 0.04)
    owner: Any = world
    repairs = Repairs(owner, world.crash)
    failed_at = []
    for _ in range(4):
        failed_at.append(time.monotonic())
        repairs.begin(world.partitions[0], RuntimeError("refused"), world.consumer)
        await settled(repairs)
    pauses = [opened - failed for failed, opened in zip(failed_at, world.opened_at, strict=True)]
    assert pauses[0] < 0.03
    assert pauses[1] >= 0.04
    assert pauses[2] >= 0.08
    assert pauses[3] >= 0.16


async def test_a_partition_that_worked_for_long_is_repaired_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "FIRST_PAUSE_SECONDS", 10.0)
    monkeypatch.setattr(repair, "RELAPSE_SECONDS", 0.05)
    owner: Any = world
    repairs = Repairs(owner, world.crash)
    for _ in range(2):
        repairs.begin(world.partitions[0], RuntimeError("refused"), world.consumer)
        await asyncio.wait_for(settled(repairs), 1)
        await asyncio.sleep(0.06)
    assert len(world.opened_at) == 2


async def test_what_the_broker_does_not_allow_stops_the_worker(world: World) -> None:
    owner: Any = world
    repairs = Repairs(owner, world.crash)
    refusal = ForbiddenError(TopicAuthorizationFailedError({"out"}))
    repairs.begin(world.partitions[0], refusal, world.consumer)
    await settled(repairs)
    assert (world.crashes, world.opened_at) == ([refusal], [])
    assert "out" in str(refusal)
    assert "Write on its changelog" in str(refusal)
