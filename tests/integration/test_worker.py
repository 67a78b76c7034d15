"""Workers on a real broker end in exact totals and exact reminders, whatever happens to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamproc.edges.workload import WorkloadSettings
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

SMALL = WorkloadSettings(seed=7, events=30_000, subscribers=1_500)
LARGE = WorkloadSettings(seed=11, events=120_000, subscribers=6_000)


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(bootstrap, tmp_path)
    yield scene
    for worker in scene.workers:
        if worker.is_alive:
            worker.kill()


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_end_to_end_with_every_compression(scene: Scene, compression: str) -> None:
    await scene.load(WorkloadSettings(seed=3, events=6_000, subscribers=300), compression)
    scene.worker("w1")
    expected = await scene.finish()
    assert expected.rejects


async def test_a_restarted_worker_goes_on_where_it_stopped(scene: Scene) -> None:
    await scene.load(SMALL)
    first = scene.worker("w1")
    wait_for_words(first, "input flows")
    await asyncio.sleep(1.0)
    assert first.stop() == 0, first.tail()
    scene.worker("w2")
    await scene.finish()


async def test_a_killed_worker_loses_and_doubles_nothing(scene: Scene) -> None:
    await scene.load(LARGE)
    chance = random.Random(1)
    for number in range(3):
        worker = scene.worker(f"w{number}", "--instance-id", "same")
        await asyncio.sleep(3.5 + chance.random() * 2)
        worker.kill()
    scene.worker("last", "--instance-id", "same")
    await scene.finish()


async def test_two_workers_share_the_partitions_and_one_is_killed(scene: Scene) -> None:
    await scene.load(LARGE)
    scene.worker("w1", "--standbys", "1")
    await asyncio.sleep(4.0)
    second = scene.worker("w2", "--standbys", "1")
    await asyncio.sleep(6.0)
    second.kill()
    await scene.finish()
