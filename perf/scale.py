"""What size costs: ``python -m perf.scale``.

For each number of subscribers one worker starts on a state of that size and applies the same
number of usage events, spread evenly over all subscribers: cost per event, resident memory, time
to load. Then one, two and four workers share one input. Full semantics, exactly once.

The states are written to the changelog in bulk, not by the worker: rows that the core made for
some thousand subscribers (activation, then ``--ids`` usage events each), repeated under other keys.
A worker cannot tell the difference, for a row does not contain its key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaException, Producer

from perf.bare.worker import RULES
from perf.compare_peers import streamproc
from perf.compare_run import GroupOffsets, PeerError, PeerProcess, measure
from perf.compare_task import (
    CLIENT,
    LARGEST_EVENT_BYTES,
    START_MS,
    Fired,
    Input,
    activations,
    admin_of,
    create_topics,
    delete_topics,
    produce,
    subscriber,
    usage,
    usage_event,
)
from perf.country import Cluster, cluster
from perf.machine import describe
from perf.plot import draw_scale
from perf.progress import end_of
from streamproc.contracts.topics import TABLE, WorkerTopics
from streamproc.engine.changelog import is_row
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.rules import RulesFile
from streamproc.worker.virtual import InputRecord
from tests.support.broker import open_broker

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
TEMPLATES = 2000
WORKERS = (1, 2, 4)
STABLE_LIMIT_SECONDS = 120.0
GATE_TIMEOUT_MS = 600_000
NO_COORDINATOR_YET = (
    "NOT_COORDINATOR",
    "COORDINATOR_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
)
"""Answers of a broker that only just started."""


def typical_rows(ids: int, start_ms: int = START_MS) -> list[bytes]:
    """Rows as the core makes them: an activation and ``ids`` events, below half of the allowance.

    All of it is a second before ``start_ms``: of rows of long ago many cycles would be due at once.

    Half of all event sizes stay below it, so the events of a run meet every threshold later.
    """
    processor = QuotaProcessor(RulesFile(RULES).rulebook, WorkerTopics(), "event", "off")
    rows: Rows[Any] = Rows(processor)
    records = list(activations(TEMPLATES, start_ms - 1000))
    for number in range(TEMPLATES * ids):
        name = subscriber(number % TEMPLATES)
        size = (number * 7919) % (LARGEST_EVENT_BYTES // max(ids, 1)) + 1
        at_ms = start_ms - 500
        records.append((name, usage_event(f"s{number}", name, at_ms, size), at_ms))
    fetched = [
        InputRecord("", 0, offset, name.encode(), value, at_ms)
        for offset, (name, value, at_ms) in enumerate(records)
    ]
    processor.apply("", 0, fetched, rows, Outbox(), 0)
    made = [value for key, value in rows.take_changes() if value is not None and is_row(key)]
    assert len(made) == TEMPLATES, len(made)
    return made


def write_state(bootstrap: str, app_id: str, subscribers: int, rows: list[bytes]) -> None:
    """Fill an app's changelog with a row for each subscriber."""
    changelog = f"{app_id}-{TABLE}-changelog"
    create_topics(bootstrap, [changelog], **{"cleanup.policy": "compact"})

    def records() -> Iterator[tuple[str, bytes, int]]:
        for number in range(subscribers):
            yield subscriber(number), rows[number % len(rows)], START_MS

    produce(bootstrap, changelog, records(), compression="none")


def at_size(bootstrap: str, subscribers: int, events: int, rows: list[bytes]) -> dict[str, Any]:
    """One worker on a state of a size; raises PeerError."""
    app_id = f"s{uuid4().hex[:8]}"
    given = _filled(bootstrap, f"{app_id}.events", subscribers, events)
    write_state(bootstrap, app_id, subscribers, rows)
    command = streamproc("full")

    def start(directory: Path) -> list[str]:
        return list(command(bootstrap, app_id, given.topic, given.accounts, events, directory))

    opened: list[float] = []
    run = measure(bootstrap, app_id, given, start, lambda log: opened.extend(_opened(log)))
    written = asyncio.run(end_of(bootstrap, f"{app_id}-{TABLE}-changelog")) - subscribers
    delete_topics(bootstrap, app_id)
    load_seconds = max(opened)
    return {
        "subscribers": subscribers,
        "cpu_us_per_event": run.cpu_seconds / events * 1e6,
        # Of several events between two commits one row: of few subscribers fewer are written.
        "rows_per_event": written / events,
        "load_seconds": load_seconds,
        "load_records_per_second": subscribers / load_seconds,
        **asdict(run),
    }


def _opened(log: str) -> list[float]:
    """Seconds each partition took to open."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    return [
        float(found)
        for line in plain.splitlines()
        if "partition opened" in line
        for found in re.findall(r"\bseconds=([0-9.]+)", line)
    ]


def _filled(bootstrap: str, topic: str, subscribers: int, events: int) -> Input:
    given = Input(topic, f"{topic}.reminders", events, subscribers, _no_fired())
    extra = [f"{given.accounts}.audit", f"{given.accounts}.rejects"]
    create_topics(bootstrap, [topic, given.accounts, *extra])
    produce(bootstrap, topic, usage(events, subscribers, given.expected))
    return given


def with_workers(
    bootstrap: str, workers: int, subscribers: int, events: int, rows: list[bytes]
) -> dict[str, Any]:
    """Several workers on one input, which is held back by an open transaction until all wait.

    So no worker has a start the others do not have. Raises PeerError.
    """
    app_id = f"w{uuid4().hex[:8]}"
    given = Input(f"{app_id}.events", f"{app_id}.out", events, subscribers, _no_fired())
    names = [given.topic, given.accounts, f"{given.accounts}.audit", f"{given.accounts}.rejects"]
    create_topics(bootstrap, names)
    write_state(bootstrap, app_id, subscribers, rows)
    gate = _gate(bootstrap, given)
    command = streamproc("full")
    started = [
        PeerProcess(
            f"{app_id}-{number}",
            lambda directory: command(
                bootstrap, app_id, given.topic, given.accounts, events, directory
            ),
        )
        for number in range(workers)
    ]
    try:
        await_stable(bootstrap, app_id, started)
        offsets = GroupOffsets(bootstrap, app_id, given.topic)
        cpu = sum(worker.cpu_seconds() for worker in started)
        gate.commit_transaction()
        began = time.monotonic()
        while offsets.committed() < events:
            for worker in started:
                worker.check(began + STABLE_LIMIT_SECONDS)
            time.sleep(0.02)
        seconds = time.monotonic() - began
        cpu = sum(worker.cpu_seconds() for worker in started) - cpu
    finally:
        for worker in started:
            worker.stop()
    delete_topics(bootstrap, app_id)
    return {
        "workers": workers,
        "events_per_second": events / seconds,
        "events_per_cpu_second": events / cpu,
    }


def _no_fired() -> Fired:
    return Counter()


def _gate(bootstrap: str, given: Input) -> Producer:
    """Write the input in a transaction that is still open."""
    producer = Producer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "partitioner": "murmur2",
            "transactional.id": f"{given.topic}-gate",
            "transaction.timeout.ms": GATE_TIMEOUT_MS,
            "queue.buffering.max.messages": 200_000,
        }
    )
    producer.init_transactions()
    producer.begin_transaction()
    for key, value, at_ms in usage(given.events, given.subscribers, _no_fired()):
        while True:
            try:
                producer.produce(given.topic, value, key, timestamp=at_ms)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(60):
        raise PeerError("the gated input could not be written")
    return producer


def await_stable(bootstrap: str, group: str, workers: list[PeerProcess]) -> None:
    """Until every worker is a member of a stable group, and for some seconds more."""
    admin = admin_of(bootstrap)
    limit = time.monotonic() + STABLE_LIMIT_SECONDS
    since = time.monotonic()
    while time.monotonic() - since < 5.0:
        for worker in workers:
            worker.check(limit)
        try:
            found = admin.describe_consumer_groups([group])[group].result(10)
        except KafkaException as error:
            if error.args[0].name() not in NO_COORDINATOR_YET:
                raise
            since = time.monotonic()
        else:
            owners = [one for one in found.members if one.assignment.topic_partitions]
            if found.state.name != "STABLE" or len(owners) != len(workers):
                since = time.monotonic()
        time.sleep(0.25)


def bytes_per_subscriber(results: list[dict[str, Any]], when: str) -> float:
    """Resident memory the greatest state takes beyond the smallest one, per subscriber.

    ``when`` is ``loaded_bytes``, of the typical state itself, or ``resident_bytes``, of what the
    events have made of it.
    """
    least, most = results[0], results[-1]
    more = most["subscribers"] - least["subscribers"]
    return float(most[when] - least[when]) / more if more else 0.0


def run_all(bootstrap: str, options: argparse.Namespace) -> dict[str, Any]:
    """Every size, every number of workers, and the calculation."""
    rows = typical_rows(options.ids)
    sizes = [int(one) for one in options.sizes.split(",")]
    results = []
    for size in sizes:
        result = at_size(bootstrap, size, options.events, rows)
        results.append(result)
        loaded, resident = (result[one] / 2**20 for one in ("loaded_bytes", "resident_bytes"))
        print(
            f"{size:,} subscribers: {result['cpu_us_per_event']:.2f} CPU µs and "
            f"{result['rows_per_event']:.2f} written rows per event, loaded in "
            f"{result['load_seconds']:.2f} s ({result['load_records_per_second']:,.0f}/s), "
            f"{loaded:,.0f} MiB, then {resident:,.0f}",
            flush=True,
        )
    workers = []
    for count in (int(one) for one in options.workers.split(",") if one):
        workers.append(with_workers(bootstrap, count, 100_000, options.events, rows))
        print(workers[-1], flush=True)
    memory = bytes_per_subscriber(results, "resident_bytes")
    loaded = bytes_per_subscriber(results, "loaded_bytes")
    cost_us = max(result["cpu_us_per_event"] for result in results)
    plan: Cluster = cluster(cost_us, memory or 400.0)
    print(
        f"{loaded:.0f} resident bytes per subscriber of this state, {memory:.0f} after the events, "
        f"rows of {_mean(rows):.0f} bytes"
    )
    print(plan.text())
    return {
        "machine": describe(),
        "ids_per_subscriber": options.ids,
        "row_bytes": _mean(rows),
        "sizes": results,
        "bytes_per_subscriber": loaded,
        "bytes_per_subscriber_after_events": memory,
        "workers": workers,
        "country": asdict(plan),
    }


def _mean(rows: list[bytes]) -> float:
    return sum(map(len, rows)) / len(rows)


def main() -> None:
    """Print and write figures and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--ids", type=int, default=10, help="usage events in a subscriber's state")
    parser.add_argument("--workers", default=",".join(map(str, WORKERS)), help="empty: none")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with open_broker(options.broker, quick=False) as broker:
        try:
            content = run_all(broker.bootstrap, options)
        except PeerError as error:
            sys.exit(f"FAILED: {error}")
    options.results.mkdir(parents=True, exist_ok=True)
    draw_scale(
        options.results / "scale.png",
        content["machine"],
        [(one["subscribers"], one["cpu_us_per_event"]) for one in content["sizes"]],
        [(one["subscribers"], one["load_seconds"]) for one in content["sizes"]],
    )
    (options.results / "scale.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
