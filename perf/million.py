"""A million events on a real broker, the worker killed (-9) in their midst, and nothing wrong.

``python -m perf.million`` makes its own broker (Java 17+ and Maven, or Docker), writes a seeded
month of usage as billing systems send it, runs a worker over it that is killed at random points,
and compares everything a ``read_committed`` consumer sees with two independent computations: the
naive oracle (``streamproc.lab.oracle``), and the core applied to the log in this process, byte by
byte.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from perf.machine import describe
from perf.progress import committed_records
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.oracle import PlacedRecord, expect
from streamproc.lab.workload import WorkloadSettings
from tests.support.broker import open_broker
from tests.support.cluster import WorkerProcess
from tests.support.expectation import Result
from tests.support.oracle import assert_agrees
from tests.support.scene import Scene

LIMIT_SECONDS = 600.0


async def run(scene: Scene, settings: WorkloadSettings, kills: int) -> Result:
    """Produce, consume under kills, compare; raises AssertionError where anything differs."""
    chance = random.Random(settings.seed)
    await scene.load(settings)
    total = len(scene.placed)
    print(f"{total:,} records of {settings.subscribers:,} subscribers written", flush=True)
    began = time.monotonic()
    worker = scene.worker("w0", "--instance-id", "million")
    for number, share in enumerate(sorted(chance.uniform(0.03, 0.9) for _ in range(kills)), 1):
        at = await _wait_for(scene, worker, int(share * total))
        worker.kill()
        print(f"kill -9 number {number} after {at:,} records", flush=True)
        worker = scene.worker(f"w{number}", "--instance-id", "million")
    expected = await scene.finish()
    print(f"done in {time.monotonic() - began:.1f} s, comparing with the oracle", flush=True)
    return expected


async def _wait_for(scene: Scene, worker: WorkerProcess, count: int) -> int:
    """Wait until that many records are committed, then a random moment longer."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        assert worker.is_alive, worker.tail()
        done = await committed_records(scene.bootstrap, scene.names)
        if done >= count:
            return done
        await asyncio.sleep(0.05)
    raise AssertionError(f"no progress:\n{worker.tail()}")


def main() -> None:
    """Exit 0 if everything is equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    settings = WorkloadSettings(
        seed=options.seed, events=options.events, subscribers=options.subscribers
    )
    print(f"machine: {describe()}")
    with (
        tempfile.TemporaryDirectory() as directory,
        open_broker(options.broker, quick=False) as broker,
    ):
        scene = Scene(broker.bootstrap, Path(directory))
        try:
            result = asyncio.run(run(scene, settings, options.kills))
            records = (
                PlacedRecord(scene.names.events, partition, offset, *record)
                for partition, offset, record in scene.placed
            )
            expectation = expect(records, default_rulebook(), until_ms=scene.final_ms)
            assert_agrees(result, expectation)
        except AssertionError as error:
            sys.exit(f"DIFFERENT:\n{error}")
    print(
        f"equal: {len(result.states):,} states, {result.reminders.total():,} reminders, "
        f"{result.audit.total():,} audit records, {result.rejects.total():,} rejects; "
        f"{expectation.charged_bytes:,} bytes charged"
    )


if __name__ == "__main__":
    main()
