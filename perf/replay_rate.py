"""Records per second from a recording to a real broker, flat out and exactly once.

``python -m perf.replay_rate`` makes its own broker (Java 17+ and Maven, or Docker), writes a seeded
month to a recording and replays it several times into new topics. The best run counts: what else
the machine does can only slow a run down.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from perf.machine import describe
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.kafka.recording import LogRecord, RecordingWriter
from streamproc.kafka.topics import topic_facts
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.tools.replay.pace import Control
from streamproc.tools.replay.replayer import Replay, ReplayPlan
from streamproc.tools.replay.sources import FileSource
from tests.support.broker import open_broker


def record(path: Path, settings: WorkloadSettings) -> None:
    """The month as a recording."""
    with RecordingWriter(path) as writer:
        writer.write_all(LogRecord(*one) for one in generate(settings, default_rulebook()))


def replay(bootstrap: str, path: Path, partitions: int, compression: str) -> tuple[float, float]:
    """One replay into a new topic; returns wall and CPU seconds of this process."""
    topic = f"perf-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=partitions)
    cpu, began = _cpu_seconds(), time.monotonic()
    source = FileSource(path)
    with ExactlyOnceProducer(
        bootstrap, topic, f"replay-{topic}", partitions=partitions, compression=compression
    ) as producer:
        assert Replay(source, producer, ReplayPlan(), Control()).run()
    return time.monotonic() - began, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def main() -> None:
    """Print the figures of several runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--compression", default="zstd")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    settings = WorkloadSettings(events=options.events, subscribers=options.subscribers)
    print(f"machine: {describe()}, load {os.getloadavg()[0]:.1f} at the start")
    with (
        tempfile.TemporaryDirectory() as directory,
        open_broker(options.broker, quick=False) as broker,
    ):
        path = Path(directory) / "month.ndjson.zst"
        record(path, settings)
        best = 0.0
        for _ in range(options.runs):
            seconds, cpu = replay(broker.bootstrap, path, options.partitions, options.compression)
            best = max(best, options.events / seconds)
            print(
                f"{options.events:,} in {seconds:.2f} s: {options.events / seconds:,.0f}/s, "
                f"{options.events / cpu:,.0f} per CPU-second of the replay",
                flush=True,
            )
    print(f"best: {best:,.0f} records/s")


if __name__ == "__main__":
    main()
