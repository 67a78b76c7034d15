"""How soon a reminder can be read: ``python -m perf.latency``.

Full semantics, exactly once, one worker. For reminders of thresholds the time runs from the
broker's append of the causing event (its LogAppendTime) until a ``read_committed`` consumer in
another process has the reminder in hand, under a steady load of half of what worker, broker, load
and reader manage together on the machine, which is measured first. For timed reminders it runs from
the due instant, with a thousand due in every second, all of them at its beginning, beside the same
kind of load.

The seconds of the worker's start are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from perf.compare_peers import streamproc
from perf.compare_run import GroupOffsets, PeerError, PeerProcess
from perf.compare_task import (
    Input,
    activations,
    create_topics,
    delete_topics,
    difference,
    fired_by,
    instant,
    morning_offset_hours,
    produce,
    subscriber,
)
from perf.live import Background, append_times, load, read
from perf.machine import describe
from perf.plot import draw_latency
from perf.preload import apply_all
from streamproc.worker.settings import WorkerSettings
from tests.support.broker import open_broker

INTERVALS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
USUAL_SECONDS = WorkerSettings.commit_interval_seconds
WARM_UP_SECONDS = 3.0
SETTLE_LIMIT_SECONDS = 60.0
DUE_PER_SECOND = 1000
FLAT_OUT_EVENTS = 600_000
"""Of the run that finds the maximum."""
SHARES = (50.0, 99.0, 99.9)


@dataclass(frozen=True)
class Found:
    """Latencies of one run, in ms, in no order."""

    per_second: float
    """The load that was reached."""
    threshold_ms: list[int]
    timed_ms: list[int]


def percentile(values: Sequence[int], share: float) -> int:
    """The least value that ``share`` percent are at or below; 0 without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share / 100) - 1, 0)] if ordered else 0


def live_input(bootstrap: str, name: str, subscribers: int, due: int, start: int) -> Input:
    """Topics for a load of now, activated subscribers, and ``due`` more with a pack that expires.

    The time zone is one where it is morning at ``start`` (epoch seconds), so that no day ends in
    the middle of a run.
    """
    hours = morning_offset_hours(start)
    zone = f"Etc/GMT{-hours:+d}"  # these zones count westwards
    day = datetime.fromtimestamp(start + hours * 3600, UTC).day
    at_ms = int(time.time() * 1000) - 1000
    accounts = f"{name}.accounts"
    create_topics(bootstrap, [name], **{"message.timestamp.type": "LogAppendTime"})
    create_topics(bootstrap, [accounts])
    records = list(activations(subscribers + due, at_ms, zone, day))
    expires = instant(at_ms + 12 * 3_600_000)
    for number in range(subscribers, subscribers + due):
        key = subscriber(number)
        value = (
            f'{{"type":"account.topped_up","id":"t{number}","source":"crm","subscriber":"{key}",'
            f'"time":"{instant(at_ms)}","granted_bytes":1000000,"expires_time":"{expires}"}}'
        )
        records.append((key, value.encode(), at_ms))
    produce(bootstrap, accounts, records)
    return Input(name, accounts, 0, len(records), Counter())


@dataclass
class _Live:
    """A worker that waits for input, with what makes that and what reads what comes of it."""

    app_id: str
    given: Input
    worker: PeerProcess
    source: Background
    reader: Background
    start: int
    """Epoch seconds of the first instant at which timed reminders are due."""


@contextmanager
def _live(
    bootstrap: str, commit_seconds: float, per_second: int, seconds: float, due_seconds: int = 0
) -> Iterator[_Live]:
    """Everything but the load has started; raises PeerError."""
    app_id = f"l{uuid4().hex[:8]}"
    output = f"{app_id}.reminders"
    create_topics(bootstrap, [output, f"{output}.audit", f"{output}.rejects"])
    events = int(per_second * seconds)
    subscribers = max(events // 10, 1)
    # Long enough from now for the preload and for making the events; the rules must be the same
    # from the beginning.
    start = int(time.time()) + 30 + subscribers // 4000 + events // 20_000
    due = DUE_PER_SECOND if due_seconds else 0
    given = live_input(bootstrap, f"{app_id}.events", subscribers, due, start)
    timed = f"{start}:{due_seconds}"
    apply_all(bootstrap, app_id, given, output, f"timed={timed}", "clock=wall")
    command = streamproc("full", f"commit={commit_seconds}", "clock=wall", f"timed={timed}")
    reader = Background(read, bootstrap, output)
    source = Background(load, bootstrap, given.topic, per_second, seconds, subscribers)
    worker = PeerProcess(
        app_id,
        lambda directory: command(bootstrap, app_id, given.topic, output, 0, directory),
    )
    try:
        reader.wait()
        source.wait()
        time.sleep(6.0)  # the worker starts and joins
        yield _Live(app_id, given, worker, source, reader, start)
    finally:
        worker.stop()
        source.end()
        reader.end()
    delete_topics(bootstrap, app_id)


def sustained(bootstrap: str) -> float:
    """Events per second that all of them together manage, when the load does not wait.

    That the load is made, read and answered on the same machine is a part of the maximum, as it is
    of what is measured at half of it.
    """
    with _live(bootstrap, USUAL_SECONDS, FLAT_OUT_EVENTS, 1.0) as live:
        began = time.monotonic()
        live.source.go_on()
        _await_end(bootstrap, live, FLAT_OUT_EVENTS)
        return FLAT_OUT_EVENTS / (time.monotonic() - began)


def observe(
    bootstrap: str, commit_seconds: float, per_second: int, seconds: float, due_seconds: int = 0
) -> Found:
    """One run; raises PeerError if a reminder is missing or doubled."""
    with _live(bootstrap, commit_seconds, per_second, seconds, due_seconds) as live:
        start, topic = live.start, live.given.topic
        if due_seconds:
            time.sleep(max(start - 1 - time.time(), 0))
        began_ms = time.time() * 1000
        live.source.go_on()
        fired, reached = live.source.wait()
        live.source.finish()
        _await_end(bootstrap, live, int(per_second * seconds))
        time.sleep(max(start + due_seconds + 2 - time.time(), 1.0) if due_seconds else 1.0)
        found = live.reader.finish()
        result = _latencies(found, append_times(bootstrap, topic), began_ms)
    timed_values = [value for _, value in found if b'"due_time"' in value]
    others = [value for _, value in found if b'"due_time"' not in value]
    wrong = difference(fired_by(others), fired)
    due = DUE_PER_SECOND * due_seconds
    if wrong or len(timed_values) != due:
        raise PeerError(f"{wrong}; {len(timed_values)} of {due} timed reminders")
    return Found(reached, *result)


def _await_end(bootstrap: str, live: _Live, events: int) -> None:
    offsets = GroupOffsets(bootstrap, live.app_id, live.given.topic)
    limit = time.monotonic() + SETTLE_LIMIT_SECONDS
    while offsets.committed() < events:
        live.worker.check(limit)
        time.sleep(0.05)


def _latencies(
    found: list[tuple[int, bytes]], appended: dict[tuple[int, int], int], began_ms: float
) -> tuple[list[int], list[int]]:
    thresholds, timed = [], []
    for arrived_ms, value in found:
        cause: dict[str, Any] = msgspec.json.decode(value)["cause"]
        if "due_time" in cause:
            due_ms = datetime.fromisoformat(cause["due_time"]).timestamp() * 1000
            timed.append(arrived_ms - round(due_ms))
            continue
        at_ms = appended[cause["partition"], cause["offset"]]
        if at_ms >= began_ms + WARM_UP_SECONDS * 1000:
            thresholds.append(arrived_ms - at_ms)
    return thresholds, timed


def main() -> None:
    """Print and write percentiles and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=int, help="load; default: half of the maximum")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--due-seconds", type=int, default=15, help="0 leaves timed ones out")
    parser.add_argument(
        "--intervals", default=",".join(map(str, INTERVALS_SECONDS)), help="commit intervals, s"
    )
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.seconds <= WARM_UP_SECONDS:
        parser.error(f"--seconds: the first {WARM_UP_SECONDS} s are left out")
    intervals = [float(one) for one in options.intervals.split(",")]
    with open_broker(options.broker, quick=False) as broker:
        try:
            content = run_all(broker.bootstrap, options, intervals)
        except PeerError as error:
            sys.exit(f"FAILED: {error}")
    samples = content.pop("samples_ms")
    options.results.mkdir(parents=True, exist_ok=True)
    curve = [(one["commit_ms"], one["p50"], one["p99"]) for one in content["curve"]]
    draw_latency(options.results / "latency.png", content["machine"], samples, curve)
    (options.results / "latency.json").write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(content, indent=1))


def run_all(bootstrap: str, options: argparse.Namespace, intervals: list[float]) -> dict[str, Any]:
    """Every run; the usual interval gives the distribution, and the timed reminders."""
    maximum = 0.0
    if not options.per_second:
        maximum = sustained(bootstrap)
        print(f"maximum: {maximum:,.0f} events/s", flush=True)
    per_second = options.per_second or int(maximum / 2)
    # A broker that has just started is not the one that runs for months: its JVM still compiles.
    observe(bootstrap, USUAL_SECONDS, per_second, WARM_UP_SECONDS)
    curve: list[dict[str, float]] = []
    samples: list[int] = []
    timed: dict[str, float] = {}
    for interval in intervals:
        found = observe(bootstrap, interval, per_second, options.seconds)
        curve.append({"commit_ms": interval * 1000, **_summary(found.threshold_ms)})
        print(f"{found.per_second:,.0f} events/s, {curve[-1]}", flush=True)
        if interval == USUAL_SECONDS or not samples:
            samples = found.threshold_ms
    if options.due_seconds:
        found = observe(bootstrap, USUAL_SECONDS, per_second, options.seconds, options.due_seconds)
        timed = {"due_per_second": DUE_PER_SECOND, **_summary(found.timed_ms)}
        print(f"timed: {timed}", flush=True)
    return {
        "machine": describe(),
        "maximum_per_second": round(maximum),
        "load_per_second": per_second,
        "curve": curve,
        "timed": timed,
        "samples_ms": samples,
    }


def _summary(values: list[int]) -> dict[str, float]:
    return {
        **{f"p{share:g}": percentile(values, share) for share in SHARES},
        "max": max(values, default=0),
        "count": len(values),
    }


if __name__ == "__main__":
    main()
