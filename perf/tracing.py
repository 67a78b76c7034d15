"""What a traced event costs a worker: ``python -m perf.tracing``.

CPU time of a worker's work on its rows, in one process without Kafka, with spans for one event in a
hundred and without any, in turn. The spans are made, encoded and sent by OTLP to a receiver in a
process of its own; all of that but the receiver counts. Unlike ``perf.watching --what traces`` it
says something on a machine that is busy with other work, too.

A worker traces at most ``--traces-per-second`` events. That times the cost of one is the share of a
core that tracing can take. Exit 1 if it is more than the limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from unittest import mock

from perf.machine import describe
from perf.native import CHUNK_RECORDS, tasks
from perf.watching import LIMIT, SAMPLED
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.engine.processor import Outbox
from streamproc.tracing.options import (
    ENDPOINTS,
    PER_SECOND,
    SAMPLER_ARG,
    TracedProcess,
    TraceSettings,
    open_tracer,
)
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.traced import CommitSpans
from streamproc.worker.virtual import InputRecord

CHUNKS_PER_COMMIT = 10
"""A partition commits ten times a second, and takes several chunks in between."""
UNBOUNDED = TraceSettings("on", 1_000_000_000)
ORIGIN = TracedProcess("perf", "perf", "perf")


@contextmanager
def collector() -> Iterator[None]:
    """A collector in a process of its own, named by the variables."""
    command = [sys.executable, "-m", "tests.support.otlp_receiver"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        variables = {ENDPOINTS[0]: process.stdout.readline().strip(), SAMPLER_ARG: str(SAMPLED)}
        with mock.patch.dict("os.environ", variables):
            yield
        said, _ = process.communicate()
        assert int(said) > 0, "no span arrived"


def micros(rules: Rulebook, records: list[InputRecord], is_traced: bool) -> float:
    """CPU microseconds per record."""
    tracer = open_tracer(UNBOUNDED, ORIGIN) if is_traced else None
    processor = QuotaProcessor(rules, WorkerTopics(), "event", tracer=tracer)
    commits = None if tracer is None else CommitSpans(tracer)
    rows, clock_ms, outbox = processor.new_rows(), 0, Outbox()
    began = time.process_time()
    for number, start in enumerate(range(0, len(records), CHUNK_RECORDS), 1):
        chunk = records[start : start + CHUNK_RECORDS]
        clock_ms = processor.apply("events", 0, chunk, rows, outbox, clock_ms)
        processor.tick(rows, outbox, clock_ms, clock_ms, CHUNK_RECORDS)
        if number % CHUNKS_PER_COMMIT == 0:
            rows.take_changes()
            if commits is not None:
                commits.ended(0.0, outbox)
            outbox = Outbox()
    if tracer is not None:
        tracer.close()
    return (time.process_time() - began) / len(records) * 1e6


def main() -> None:
    """Exit 1 if tracing can take more of a core than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    print(f"Machine: {describe()}.", flush=True)
    _, rules, records = next(iter(tasks(options.events)))
    found = []
    with collector():
        for number in range(options.rounds + 1):
            traced, plain = (micros(rules, records, is_traced) for is_traced in (True, False))
            if number:  # the first one warms up
                found.append((traced - plain) / SAMPLED)
                print(f"{plain:.2f} us, {traced:.2f} us: {found[-1]:.0f} us a traced event")
    cost = median(found) * PER_SECOND / 1e6
    print(f"at most {cost:.2%} of a core, with --traces-per-second {PER_SECOND}")
    sys.exit(int(cost > LIMIT))


if __name__ == "__main__":
    main()
