"""What the compiled part is worth: ``python -m perf.native``.

CPU time per record of a worker's work on fetched batches (unpack, decode, charge, tell, pack,
timers), in one process without Kafka, with and without the compiled part, in turn. A worker does
more: requests, commits and the event loop cost it some 3 µs a record, nearly the same in both.

What it is worth depends on how many records the compiled part applies, and on how much work of
messages and timers, which is the core's, comes on each record:

- ``common``: the task of ``perf.compare``: usage under three thresholds, no timers;
- ``many``: the demo's month, a hundred records a subscriber, the packaged rules;
- ``every kind``: the same month under rules of every kind;
- ``few``: the demo's month with twelve records a subscriber, so most of the cost is its timers'.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from perf import compare_task
from perf.fetches import Fetch, fetches_of, read
from perf.machine import describe
from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.engine.processor import Outbox
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.native_bridge.loading import walker
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from streamproc.worker.virtual import InputRecord

CHUNK_RECORDS = 1000
COMMON = Path(__file__).with_name("bare") / "common.yaml"


def micros(rules: Rulebook, fetches: list[Fetch], native: Native) -> float:
    """CPU microseconds per record."""
    processor = QuotaProcessor(rules, WorkerTopics(), "event", native)
    walks = walker(processor.is_native)
    rows, clock_ms, count = processor.new_rows(), 0, 0
    began = time.process_time()
    for fetch in fetches:
        records = read(fetch, walks)
        count += len(records)
        for start in range(0, len(records), CHUNK_RECORDS):
            chunk, outbox = records[start : start + CHUNK_RECORDS], Outbox()
            clock_ms = processor.apply("events", 0, chunk, rows, outbox, clock_ms)
            processor.tick(rows, outbox, clock_ms, clock_ms, CHUNK_RECORDS)
            rows.take_changes()
    return (time.process_time() - began) / count * 1e6


def tasks(events: int) -> Iterable[tuple[str, Rulebook, list[InputRecord]]]:
    """Name, rules and records of each task."""
    common = load_rulebook(COMMON.read_bytes(), str(COMMON))
    subscribers = events // compare_task.EVENTS_PER_SUBSCRIBER
    usage = compare_task.usage(events, subscribers, Counter())
    yield "common", common, _placed((*compare_task.activations(subscribers), *usage))
    packaged, showcase = packaged_rulebook("default.yaml"), packaged_rulebook("showcase.yaml")
    for name, rules, share in (
        ("many", packaged, 100),
        ("every kind", showcase, 100),
        ("few", packaged, 12),
    ):
        settings = WorkloadSettings(seed=3, events=events, subscribers=events // share)
        yield (
            name,
            rules,
            _placed((one.key, one.value, one.timestamp_ms) for one in generate(settings, rules)),
        )


def _placed(records: Iterable[tuple[str | bytes | None, bytes | None, int]]) -> list[InputRecord]:
    return [
        InputRecord("events", 0, offset, key.encode() if isinstance(key, str) else key, value, at)
        for offset, (key, value, at) in enumerate(records)
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"Machine: {describe()}.\n")
    print("| task | with, µs | without, µs | ratio |")
    print("|---|--:|--:|--:|")
    for name, rules, records in tasks(options.events):
        fetches = fetches_of(records)
        rounds = [
            (micros(rules, fetches, "on"), micros(rules, fetches, "off"))
            for _ in range(options.rounds)
        ]
        compiled, pure = (median(each) for each in zip(*rounds, strict=True))
        print(f"| {name} | {compiled:.1f} | {pure:.1f} | {pure / compiled:.1f} |", flush=True)


if __name__ == "__main__":
    main()
