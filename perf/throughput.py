"""Events per second of one worker with the full core, on a real broker, exactly once.

``python -m perf.throughput`` makes its own broker (Java 17+ and Maven, or Docker), fills the input
topic with a seeded month of usage, then starts a worker and measures from its first commit to the
last, by the offsets it commits.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient

from perf.machine import cpu_seconds, describe
from perf.progress import committed_of, end_of
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.broker import open_broker
from tests.support.cluster import Names, WorkerProcess, create_topic, produce

POLL_SECONDS = 0.05
LIMIT_SECONDS = 600.0


async def measure(bootstrap: str, settings: WorkloadSettings, directory: Path) -> dict[str, float]:
    """Fill a topic, run one worker over it; returns rates and CPU seconds."""
    names = Names(f"perf{uuid4().hex[:8]}")
    await create_topic(bootstrap, names.events)
    placed = await produce(bootstrap, names.events, generate(settings, default_rulebook()))
    print(f"{len(placed):,} records written, {settings.subscribers:,} subscribers", flush=True)
    total = len(placed)
    worker = WorkerProcess(bootstrap, names, directory, "worker").start()
    assert worker.process is not None
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        first: tuple[float, int, float] | None = None
        began = time.monotonic()
        while True:
            if time.monotonic() - began > LIMIT_SECONDS or not worker.is_alive:
                raise RuntimeError(f"the worker did not finish:\n{worker.tail()}")
            at = await committed_of(admin, names)
            now = time.monotonic()
            if at and first is None:
                first = (now, at, cpu_seconds(worker.process.pid))
            if at >= total:
                break
            await asyncio.sleep(POLL_SECONDS)
        assert first is not None
        seconds = now - first[0]
        used_seconds = cpu_seconds(worker.process.pid) - first[2]
        done = total - first[1]
    finally:
        await admin.close()
        worker.stop()
    reminders = await end_of(bootstrap, names.reminders)
    return {
        "events": done,
        "seconds": seconds,
        "events_per_second": done / seconds,
        "events_per_cpu_second": done / used_seconds,
        "reminders": reminders,
    }


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    settings = WorkloadSettings(
        seed=options.seed, events=options.events, subscribers=options.subscribers
    )
    with (
        tempfile.TemporaryDirectory() as directory,
        open_broker(options.broker, quick=False) as broker,
    ):
        found = asyncio.run(measure(broker.bootstrap, settings, Path(directory)))
    print(f"machine: {describe()}")
    print(
        f"{found['events']:,.0f} events in {found['seconds']:.2f} s: "
        f"{found['events_per_second']:,.0f} events/s, "
        f"{found['events_per_cpu_second']:,.0f} per CPU-second; "
        f"{found['reminders']:,.0f} reminder offsets (with transaction markers)"
    )


if __name__ == "__main__":
    main()
