"""Workers on a real broker end in exact totals and exact reminders, whatever happens to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streamproc.contracts.rulesfile import default_rulebook
from streamproc.edges.workload import WorkloadSettings, clock_records, generate
from tests.support.cluster import (
    PARTITIONS,
    Names,
    Record,
    WorkerProcess,
    create_topic,
    produce,
    produce_to_partitions,
    wait_until_consumed,
)
from tests.support.expectation import Result, assert_same, expect, observe, wait_for_reminders

SMALL = WorkloadSettings(seed=7, events=30_000, subscribers=1_500)
LARGE = WorkloadSettings(seed=11, events=120_000, subscribers=6_000)


class Scene:
    """One app on the shared broker: its topics, its workers, its input so far."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.names = Names(f"t{uuid4().hex[:8]}")
        self.workers: list[WorkerProcess] = []
        self.placed: list[tuple[int, int, Record]] = []
        self.settings = SMALL

    def worker(self, name: str, *options: str) -> WorkerProcess:
        worker = WorkerProcess(self.bootstrap, self.names, self.directory, name, *options)
        self.workers.append(worker)
        return worker.start()

    async def load(self, settings: WorkloadSettings, compression: str | None = "lz4") -> None:
        self.settings = settings
        await create_topic(self.bootstrap, self.names.events)
        records = generate(settings, default_rulebook())
        self.placed = await produce(self.bootstrap, self.names.events, records, compression)

    async def finish(self) -> Result:
        """Let the simulated month end, wait for its last reminder, stop the workers."""
        clocks = [(number, tuple(one)) for number, one in clock_records(self.settings, PARTITIONS)]
        final_ms = max(record[2] for _, record in clocks)
        await produce_to_partitions(self.bootstrap, self.names.events, clocks)
        alive = [worker for worker in self.workers if worker.is_alive]
        await wait_until_consumed(self.bootstrap, self.names, alive)
        expected = expect(self.placed, self.names.events, final_clock_ms=final_ms)
        assert expected.reminders, "the workload must cause reminders"
        await wait_for_reminders(self.bootstrap, self.names, expected.reminders.total(), alive)
        await asyncio.sleep(1.0)
        for worker in alive:
            assert worker.stop() == 0, worker.tail()
        assert_same(await observe(self.bootstrap, self.names), expected)
        return expected


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
    await asyncio.sleep(5.0)
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
