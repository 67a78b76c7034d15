"""What an event costs by the number of events that its subscriber has had.

``python -m perf.remembering`` measures CPU time (the best round) and bytes for the changelog, in
one process without Kafka, with one event in each commit (the worst case) and with a hundred. Each
subscriber has had so many events before, all within ``max_age``. It also measures what an id takes
in memory and how fast ids are loaded.

``python perf/remembering.py ROOT`` measures the sources of another commit, with the Python of
that tree. Compare the ratios of one machine only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SUBSCRIBERS = 20
EVENTS = 400
START_MS = 1_767_600_000_000
"""2026-01-05T08:00:00Z"""
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances:
      - {id: home, granted_bytes: 900_000_000_000}
      - {id: more, granted_bytes: 900_000_000_000}
rules:
  - {id: low, kind: usage_percent, thresholds: [80], category: usage, texts: {en: "{percent}%"}}
"""


class Record(NamedTuple):
    """As the consumer hands it on."""

    key: bytes
    value: bytes
    timestamp: int
    offset: int
    headers: tuple[()] = ()


def usage(count: int, first: int) -> Iterator[Record]:
    """Events of all subscribers in turn, a millisecond apart."""
    for number in range(first, first + count):
        at_ms = START_MS + 1_000 + number
        second, milli = divmod(at_ms, 1_000)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{milli:03}Z"
        key = f"86138{number % SUBSCRIBERS:08}"
        value = {
            "type": "usage.recorded",
            "id": f"ocs1-{number:012x}",
            "source": "ocs-1",
            "subscriber": key,
            "time": when,
            "total_bytes": 1_000,
        }
        yield Record(key.encode(), json.dumps(value).encode(), at_ms, number)


def activations() -> Iterator[Record]:
    for number in range(SUBSCRIBERS):
        key = f"86138{number:08}"
        value = {
            "type": "account.activated",
            "id": f"a{number}",
            "source": "crm",
            "subscriber": key,
            "time": "2026-01-05T08:00:00Z",
            "plan": "basic",
            "time_zone": "UTC",
            "billing_anchor_day": 1,
        }
        yield Record(key.encode(), json.dumps(value).encode(), START_MS, number)


def cost(ids: int, native: str, rounds: int, each: int) -> tuple[float, float, float]:
    """CPU microseconds and bytes per event, and all memory of the ids per id (0: not known).

    ``each``: events in a commit.
    """
    from streamproc.contracts.rules_file.load import load_rulebook
    from streamproc.contracts.topics import WorkerTopics
    from streamproc.engine.processor import Outbox
    from streamproc.worker.quota_processor import QuotaProcessor

    rules = load_rulebook(RULES, "rules.yaml")
    processor: Any = QuotaProcessor(rules, WorkerTopics(), "event", native)  # type: ignore[arg-type]
    rows, outbox = processor.new_rows(), Outbox()
    clock_ms = processor.apply("events", 0, list(activations()), rows, outbox, 0)
    before = list(usage(ids * SUBSCRIBERS, 0))
    for at in range(0, len(before), 1_000):
        chunk = before[at : at + 1_000]
        clock_ms = processor.apply("events", 0, chunk, rows, outbox, clock_ms)
        rows.take_changes()
    seconds: list[float] = []
    written = 0
    # The first round is not counted: with it, what was remembered before is written to its end.
    for number in range(rounds + 1):
        records = list(usage(EVENTS, ids * SUBSCRIBERS + number * EVENTS))
        if number == 1:
            seconds, written = [], 0
        began = time.process_time()
        for at in range(0, EVENTS, each):
            chunk = records[at : at + each]
            clock_ms = processor.apply("events", 0, chunk, rows, outbox, clock_ms)
            for key, value in rows.take_changes():
                written += len(key) + len(value or b"")
        seconds.append(time.process_time() - began)
    remembered = getattr(rows, "ids", None)
    memory = remembered.memory_bytes() / len(remembered) if remembered is not None else 0.0
    return min(seconds) / EVENTS * 1e6, written / rounds / EVENTS, memory


def loading(count: int, native: bool) -> float:
    """Ids per CPU second that are loaded from a changelog."""
    from streamproc.engine.ids import DAY_MS, snapshot
    from streamproc.worker.native_bridge.loading import new_ids

    ids = new_ids(native)
    ids.begin(bytes(16))
    for number in range(count):
        received_ms = START_MS + number % 30 * DAY_MS
        ids.remember(number.to_bytes(8, "big"), START_MS, received_ms)
    records = snapshot(ids)
    again = new_ids(native)
    began = time.process_time()
    for key, value in records.items():
        again.load(key, value)
    again.loaded()
    return count / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", nargs="?", type=Path, help="the tree to measure; default: this one")
    parser.add_argument("--ids", default="10,1000,7500,16000", help="events before, by subscriber")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--commits", default="1,100", help="events in a commit")
    options = parser.parse_args()
    if options.root is not None:
        sys.path.insert(0, str(options.root))
    print(f"{'ids':>7} {'':9} {'commit':>6} {'µs/event':>9} {'bytes/event':>12} {'bytes/id':>9}")
    for native in ("on", "off"):
        form = "compiled" if native == "on" else "Python"
        for each in map(int, options.commits.split(",")):
            for ids in map(int, options.ids.split(",")):
                micros, written, memory = cost(ids, native, options.rounds, each)
                figures = f"{micros:>9.1f} {written:>12,.0f} {memory:>9.1f}"
                print(f"{ids:>7} {form:9} {each:>6} {figures}", flush=True)
    if options.root is None:
        for is_native in (True, False):
            rate = loading(1_000_000 if is_native else 100_000, is_native)
            print(f"loads {rate:,.0f} ids/s, {'compiled' if is_native else 'Python'}")


if __name__ == "__main__":
    main()
