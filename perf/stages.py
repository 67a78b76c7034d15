"""Where a worker's time goes: ``python -m perf.stages`` (needs py-spy).

Runs one form of streamproc over the common task under py-spy and adds up its samples by stage.
Only threads that run are sampled, so the shares are shares of CPU time, of all threads together.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

from perf.compare_peers import streamproc
from perf.compare_run import (
    RUN_LIMIT_SECONDS,
    START_LIMIT_SECONDS,
    GroupOffsets,
    PeerError,
    PeerProcess,
)
from perf.compare_task import Input, create_topics, delete_topics, fill
from perf.machine import describe
from perf.preload import apply_all
from tests.support.broker import open_broker

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # The first stage with a part in the innermost frame that any stage knows; but see WHOLE.
    (
        "decode",
        (
            "decode_event",
            "usage = decode(",
            "contracts/records/codec.py",
            "contracts/records/cloudevents",
        ),
    ),
    ("waiting", ("selectors.py",)),
    ("network", ("self._sock.send", "csock.send", "recv")),
    ("rows", ("Rows.get (", "Rows.put (")),
    ("encode rows", ("take_changes", "_store (", "pack (", "engine/rows.py")),
    ("encode outputs", ("_encode(reminder)", "outbox.put", "Outbox.put")),
    ("append", ("_append (streamproc", "aiokafka/record", "message_accumulator.py")),
    ("commit", ("engine/transaction.py", "aiokafka/producer", "commit_transaction", "_take (")),
    ("apply", ("worker/quota_processor.py", "streamproc/core", "perf/bare/counter.py")),
    ("fetch", ("aiokafka/consumer", "whole_batches.py")),
    ("engine", ("streamproc/engine",)),
    ("network", ("aiokafka/conn.py", "aiokafka/client.py", "aiokafka/protocol", "_proto")),
    ("Faust and mode", ("faust/", "mode/")),
    ("event loop", ("asyncio/",)),
)
WHOLE = (("make reminders", "core/texts/reminding.py"), ("encode outputs", "encode_effect"))
"""Everything beneath such a frame belongs to the stage."""
RATE = 250
"""Samples per second."""


def stage_of(stack: list[str]) -> str:
    """The stage of a sample, whose stack begins with the outermost frame."""
    for stage, part in WHOLE:
        if any(part in frame for frame in stack):
            return stage
    for frame in reversed(stack):
        for stage, parts in STAGES:
            if any(part in frame for part in parts):
                return stage
    return "other"


def _with_source(frame: str) -> str:
    """A frame ``name (file:line)`` with the source line behind it, if it can be read."""
    place = frame.rpartition("(")[2].rstrip(")")
    file, _, line = place.rpartition(":")
    path = Path(file)
    if not line.isdecimal() or not path.is_file():
        return frame
    lines = path.read_text(errors="replace").splitlines()
    at = int(line) - 1
    return f"{frame} {lines[at].strip()}" if 0 <= at < len(lines) else frame


def add_up(raw: str) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Samples by stage, and within each stage by innermost frame, from py-spy's raw format."""
    stages: Counter[str] = Counter()
    leaves: dict[str, Counter[str]] = {}
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_with_source(frame) for frame in stack.split(";")]
        stage = stage_of(frames)
        stages[stage] += int(count)
        leaves.setdefault(stage, Counter())[frames[-1]] += int(count)
    return stages, leaves


def profile(bootstrap: str, form: str, given: Input, rest: list[str]) -> str:
    """py-spy's raw output, from soon after the first chunk to the last; raises PeerError."""
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        raise PeerError("py-spy is not installed: pip install py-spy")
    app_id = f"y{uuid4().hex[:8]}"
    output = f"{app_id}.reminders"
    create_topics(bootstrap, [output, f"{output}.audit", f"{output}.rejects"])
    if form == "full":
        apply_all(bootstrap, app_id, given, output)
    command = streamproc(form, *rest)
    offsets = GroupOffsets(bootstrap, app_id, given.topic)
    worker = PeerProcess(
        app_id, lambda state: command(bootstrap, app_id, given.topic, output, given.events, state)
    )
    raw = worker.directory / "raw"
    try:
        limit = time.monotonic() + START_LIMIT_SECONDS
        while worker.first is None:
            worker.check(limit)
            time.sleep(0.01)
        record = [
            spy,
            "record",
            "--pid",
            str(worker.process.pid),
            "--format",
            "raw",
            "--nonblocking",
        ]
        watcher = subprocess.Popen(
            [*record, "--full-filenames", "--rate", str(RATE), "--duration", "600", "-o", str(raw)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while offsets.committed() < given.events:
            worker.check(limit + RUN_LIMIT_SECONDS)
            time.sleep(0.1)
        watcher.send_signal(signal.SIGINT)
        watcher.wait(30)
        return raw.read_text()
    finally:
        worker.stop()
        delete_topics(bootstrap, app_id)


def main() -> None:
    """Print the shares by stage, and the heaviest innermost frames of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=("bare", "full"), default="full")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--option", action="append", default=[], help="of perf.bare.worker")
    parser.add_argument("--frames", type=int, default=4, help="innermost frames per stage")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    with open_broker(options.broker, quick=False) as broker:
        given = fill(broker.bootstrap, f"in{uuid4().hex[:6]}", options.events, options.events // 10)
        try:
            raw = profile(broker.bootstrap, options.form, given, options.option)
        except PeerError as error:
            sys.exit(f"FAILED: {error}")
    stages, leaves = add_up(raw)
    waiting = stages.pop("waiting", 0)  # for the broker, or on a busy machine for a core
    total = stages.total()
    print(f"machine: {describe()}\n\n| stage | share of CPU |\n|---|--:|")
    for stage, count in stages.most_common():
        print(f"| {stage} | {count / total:.1%} |")
    print(f"\n{waiting / (total + waiting):.0%} of all samples were waiting, and are left out.")
    for stage, _ in stages.most_common():
        print(f"\n{stage}")
        for frame, count in leaves[stage].most_common(options.frames):
            print(f"  {count / total:6.1%}  {frame}")


if __name__ == "__main__":
    main()
