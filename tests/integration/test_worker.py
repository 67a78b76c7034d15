"""Workers on a real broker end in exact totals and exact reminders, whatever happens to them."""

from __future__ import annotations

import asyncio
import random

import pytest

from streamproc.lab.workload import WorkloadSettings
from tests.support.cluster import PARTITIONS, create_topic, grown
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

SMALL = WorkloadSettings(seed=7, events=30_000, subscribers=1_500)
LARGE = WorkloadSettings(seed=11, events=120_000, subscribers=6_000)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_end_to_end_with_every_compression(scene: Scene, compression: str) -> None:
    await scene.load(WorkloadSettings(seed=3, events=6_000, subscribers=300), compression)
    worker = scene.worker("w1", "--http-port", "0")
    expected = await scene.finish()
    assert expected.rejects
    figures = scene.pages["w1"]
    assert figures["streamproc_worker_reminders_total"].total() == expected.reminders.total()
    assert figures["streamproc_worker_rejects_total"].total() == expected.rejects.total()
    events = figures["streamproc_worker_events_total"]
    assert events.total() == len(scene.placed) + PARTITIONS, worker.tail()
    assert figures["streamproc_worker_partitions"]["running",] == PARTITIONS
    assert figures["streamproc_worker_lag_records"].total() == 0
    assert figures["streamproc_worker_commit_duration_seconds_count"].total() > 0
    assert figures["process_resident_memory_bytes"].total() > 10_000_000


async def test_a_restarted_worker_goes_on_where_it_stopped(scene: Scene) -> None:
    await scene.load(SMALL)
    first = scene.worker("w1")
    wait_for_words(first, "input flows")
    await asyncio.sleep(1.0)  # into the midst of its work
    assert first.stop() == 0, first.tail()
    scene.worker("w2")
    await scene.finish()


async def test_a_killed_worker_loses_and_doubles_nothing(scene: Scene) -> None:
    await scene.load(LARGE)
    await create_topic(scene.bootstrap, scene.names.audit)
    chance = random.Random(1)
    written = 0
    for number in range(3):
        worker = scene.worker(f"w{number}", "--instance-id", "same")
        written = await grown(scene.bootstrap, scene.names.audit, chance.randrange(500, 12_000))
        worker.kill()
    scene.worker("last", "--instance-id", "same")
    expected = await scene.finish()
    assert written < expected.audit.total(), "the kills came too late to prove anything"


async def test_two_workers_share_the_partitions_and_one_is_killed(scene: Scene) -> None:
    for topic in (scene.names.events, scene.names.audit):
        await create_topic(scene.bootstrap, topic)
    workers = [
        scene.worker(name, "--standbys", "1", "--instance-id", name) for name in ("w1", "w2")
    ]
    for worker in workers:
        wait_for_words(worker, "partition opened")
    loading = asyncio.create_task(scene.load(LARGE))
    written = await grown(scene.bootstrap, scene.names.audit, 5_000)
    workers[1].kill()
    await loading
    wait_for_words(workers[0], "left=['w2']")
    expected = await scene.finish()
    said = workers[0].log.read_text(errors="replace")
    assert "worker starts" in said.splitlines()[0]
    assert "partitions revoked" in said
    assert "is rebalancing" not in said, "that is what every rebalance begins with"
    assert written < expected.audit.total(), "the kill came too late to prove anything"
