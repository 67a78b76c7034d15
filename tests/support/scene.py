"""One app on a broker, from its input to the comparison of all its output."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.workload import WorkloadSettings, clock_records, generate
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
from tests.support.expectation import Result, assert_same, expect, observe, wait_for_records
from tests.support.metrics_page import page


class Scene:
    """One app on the shared broker: its topics, its workers, its input so far."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.names = Names(f"t{uuid4().hex[:8]}")
        self.workers: list[WorkerProcess] = []
        self.placed: list[tuple[int, int, Record]] = []
        self.settings = WorkloadSettings()
        self.final_ms = 0
        self.pages: dict[str, dict[str, Counter[tuple[str, ...]]]] = {}
        """Metrics of workers that serve them, by name, read before the workers are stopped."""

    def worker(self, name: str, *options: str) -> WorkerProcess:
        worker = WorkerProcess(self.bootstrap, self.names, self.directory, name, *options)
        self.workers.append(worker)
        return worker.start()

    async def load(self, settings: WorkloadSettings, compression: str | None = "lz4") -> None:
        self.settings = settings
        await create_topic(self.bootstrap, self.names.events)
        self.placed = await produce(
            self.bootstrap, self.names.events, _month(settings), compression
        )

    async def finish(self) -> Result:
        """Let the simulated month end, wait for its last reminder, stop the workers."""
        clocks = list(clock_records(self.settings, PARTITIONS))
        self.final_ms = max(record.timestamp_ms for _, record in clocks)
        await produce_to_partitions(self.bootstrap, self.names.events, clocks)
        alive = [worker for worker in self.workers if worker.is_alive]
        expected, _ = await asyncio.gather(
            asyncio.to_thread(expect, self.placed, self.names.events, final_clock_ms=self.final_ms),
            wait_until_consumed(self.bootstrap, self.names, alive),
        )
        assert expected.reminders, "the workload must cause reminders"
        await wait_for_records(
            self.bootstrap, self.names.reminders, expected.reminders.total(), alive
        )
        await asyncio.sleep(1.0)  # nothing more may come
        for worker in (one for one in alive if "--http-port" in one.command):
            self.pages[worker.name] = await asyncio.to_thread(page, worker.log)
        for worker in alive:
            assert worker.stop() == 0, worker.tail()
        assert_same(await observe(self.bootstrap, self.names), expected)
        return expected


@lru_cache(maxsize=2)
def _month(settings: WorkloadSettings) -> list[Record]:
    return list(generate(settings, default_rulebook()))
