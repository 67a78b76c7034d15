"""Metrics: how they are declared, who counts them, how they are served."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, ErrorClass, Refused, Unknown
from streamproc.dispatch.observing import DispatchObserver
from streamproc.dispatch.shaping import Shaper
from streamproc.metrics.declaring import Metrics
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.figure_line import FigureLine
from streamproc.metrics.homes import HOMES
from streamproc.metrics.serving import MetricsServer, PortError
from tests.support.scheduler import START_MS, Table, line, reminder

ROOT = Path(__file__).parents[2]


class _Free(Metrics):
    subsystem = "worker"


@pytest.fixture
def metrics() -> Metrics:
    return _Free(CollectorRegistry())


# Declarations.


@pytest.mark.parametrize("home", HOMES)
def test_every_home_can_be_made_with_a_registry_of_its_own(home: type[Metrics]) -> None:
    one, other = home(CollectorRegistry()), home(CollectorRegistry())

    assert [each.name for each in one.declared] == [each.name for each in other.declared]
    assert len({each.name for each in one.declared}) == len(one.declared)
    assert all(each.says.endswith(".") for each in one.declared)


@pytest.mark.parametrize("home", HOMES)
def test_names_in_the_figure_line_are_unique(home: type[Metrics]) -> None:
    names = [each.line for each in home(CollectorRegistry()).declared if each.line]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "labels", "why"),
    [
        ("worker_events_total", {}, "must be streamproc_worker_"),
        ("streamproc_dispatch_events_total", {}, "must be streamproc_worker_"),
        ("streamproc_worker_Events_total", {}, "small letters"),
        ("streamproc_worker_events", {}, "ends in _total"),
        ("streamproc_worker_events_total", {"subscriber": "who"}, "subscriber have no bound"),
        ("streamproc_worker_events_total", {"id": "which"}, "id have no bound"),
    ],
)
def test_a_counter_against_the_conventions_is_refused(
    metrics: Metrics, name: str, labels: dict[str, str], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        metrics.counter(name, "It counts.", labels)


@pytest.mark.parametrize("name", ["lag_ms", "lag", "commit_time", "memory_mb"])
def test_a_gauge_or_histogram_must_name_a_base_unit(metrics: Metrics, name: str) -> None:
    with pytest.raises(ValueError, match="must end in one of"):
        metrics.gauge(f"streamproc_worker_{name}", "It goes up and down.")
    with pytest.raises(ValueError, match="must end in one of"):
        metrics.histogram(f"streamproc_worker_{name}", "It is spread.", (1.0,))


def _used_attributes(path: Path) -> set[str]:
    """Names of attributes in a module, as in ``metrics.NAME``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("home", HOMES)
def test_every_metric_is_counted_by_the_part_that_declares_it(home: type[Metrics]) -> None:
    made = home(CollectorRegistry())
    declared = {name for name in vars(made) if name not in ("registry", "declared")}

    assert len(declared) == len(made.declared), "each metric is an attribute of its own"
    module = ROOT / "streamproc" / home.counted_in
    assert declared - _used_attributes(module) == set()


def test_a_distribution_takes_many_equal_values_at_once_and_reads_as_the_librarys(
    metrics: Metrics,
) -> None:
    bounds = (0.1, 1.0, 10.0)
    ours = metrics.distribution("streamproc_worker_ours_seconds", "Ours.", bounds, line="ours")
    theirs = metrics.histogram("streamproc_worker_theirs_seconds", "Theirs.", bounds)
    for value, count in ((0.1, 3), (0.5, 1), (10.0, 2), (99.0, 4), (0.0, 1)):
        ours.add(value, count)
        for _ in range(count):
            theirs.observe(value)

    text = generate_latest(metrics.registry).decode()
    samples = {
        name: [
            line.split("_seconds", 1)[1]
            for line in text.splitlines()
            if line.startswith(f"streamproc_worker_{name}_seconds")
        ]
        for name in ("ours", "theirs")
    }
    assert len(samples["ours"]) == 6
    assert samples["ours"] == [one for one in samples["theirs"] if "_created" not in one]
    assert FigureLine(metrics).take() == {"ours_mean_ms": 37_890.9}


def test_counters_that_alerts_need_begin_at_0(metrics: Metrics) -> None:
    metrics.counter("streamproc_worker_x_total", "X.", {"why": "which"}, zero=[("a",), ("b",)])

    values = metrics.registry.get_sample_value
    assert values("streamproc_worker_x_total", {"why": "a"}) == 0.0
    assert values("streamproc_worker_x_total", {"why": "b"}) == 0.0


# The figure line.


def test_the_line_has_increases_values_and_means(metrics: Metrics) -> None:
    events = metrics.counter(
        "streamproc_worker_events_total", "Events.", {"outcome": "which"}, line="events"
    )
    lag = metrics.gauge("streamproc_worker_lag_records", "Lag.", {"topic": "which"}, line="lag")
    seconds = metrics.histogram(
        "streamproc_worker_commit_duration_seconds", "Time.", (1.0,), line="commit"
    )
    metrics.counter("streamproc_worker_untold_total", "Not in the line.").inc()
    figures = FigureLine(metrics)
    events.labels("applied").inc(3)
    events.labels("held").inc()
    lag.labels("a").set(2)
    lag.labels("b").set(5)
    seconds.observe(0.1)
    seconds.observe(0.3)

    assert figures.take() == {"events": 4, "lag": 7, "commit_mean_ms": 200.0}
    assert figures.take() == {"lag": 7}
    events.labels("held").inc()
    assert figures.take() == {"events": 1, "lag": 7}


def test_the_line_has_the_parts_of_a_figure_beside_its_sum(metrics: Metrics) -> None:
    events = metrics.counter(
        "streamproc_worker_events_total",
        "Events.",
        {"topic": "which", "outcome": "which"},
        line="events",
        by="outcome",
    )
    figures = FigureLine(metrics)
    events.labels("a", "applied").inc(3)
    events.labels("b", "applied").inc()
    events.labels("b", "held").inc()
    assert figures.take() == {"events": 5, "events_applied": 4, "events_held": 1}
    assert figures.take() == {}
    events.labels("a", "held").inc()
    assert figures.take() == {"events": 1, "events_held": 1}


def test_gauges_are_set_before_the_line_is_taken(metrics: Metrics) -> None:
    lag = metrics.gauge("streamproc_worker_lag_records", "Lag.", line="lag")

    assert FigureLine(metrics, lambda: lag.set(9)).take() == {"lag": 9}


# The endpoints.


async def _get(port: int, path: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_metrics_and_probes_are_served(metrics: Metrics) -> None:
    rows = metrics.gauge("streamproc_worker_rows", "Rows.")
    trouble = {"failing": "", "unready": "loading", "waiting": "resting"}
    server = MetricsServer(
        "127.0.0.1",
        0,
        metrics.registry,
        lambda: rows.set(7),
        lambda: trouble["failing"],
        lambda: trouble["unready"],
        lambda: trouble["waiting"],
    )
    port = await server.start()
    try:
        status, text = await _get(port, "/metrics")
        samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert (status, samples["streamproc_worker_rows"]) == (200, 7.0)
        assert await _get(port, "/livez") == (200, "ok: resting\n")
        assert await _get(port, "/readyz") == (503, "loading\n")
        trouble.update(waiting="")
        trouble.update(failing="stuck", unready="")
        assert await _get(port, "/livez") == (503, "stuck\n")
        assert await _get(port, "/readyz") == (200, "ok\n")
        assert (await _get(port, "/elsewhere"))[0] == 404

        second = MetricsServer(
            "127.0.0.1", port, metrics.registry, lambda: None, lambda: "", lambda: ""
        )
        with pytest.raises(PortError, match=rf"127\.0\.0\.1:{port}.*choose another --http-port"):
            await second.start()
    finally:
        await server.close()


# The dispatcher.


class Counted:
    """A scheduler, what it commits counted."""

    def __init__(self, *lines: Any, **table: Any) -> None:
        self.metrics = DispatchMetrics(CollectorRegistry())
        self.observer = DispatchObserver(self.metrics)
        self.table = Table(*lines, **table)

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        self.observer.refresh(self.table.scheduler, self.table.now_ms)
        return {
            tuple(sample.labels.values()): sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == f"streamproc_dispatch_{name}" and sample.value
        }

    def commit(self) -> None:
        """What the table committed so far, as one batch."""
        batch = JournalTransaction()
        batch.receipts = self.table.receipts
        batch.dead_letters = self.table.dead_letters
        self.observer.committed(batch)
        self.table.receipts, self.table.dead_letters = [], []


def test_what_waits_is_counted_by_gateway_and_lane_with_the_oldest() -> None:
    slow = line(shaper=Shaper(0.001, 1, 1, START_MS))
    counted = Counted(slow)
    summary = reminder(3, "8613800000003", kind="usage_summary")
    counted.table.put(reminder(1), reminder(2, "8613800000002"), summary)
    counted.table.step()
    counted.table.now_ms += 30_000

    assert counted.values("in_flight_messages") == {("main",): 1}
    assert counted.values("window_messages") == {("main",): 1}
    assert counted.values("waiting_messages") == {("main", "urgent"): 1, ("main", "bulk"): 1}
    assert counted.values("oldest_waiting_seconds") == {
        ("main", "urgent"): 30.0,
        ("main", "bulk"): 30.0,
    }


def test_what_is_not_due_does_not_wait() -> None:
    counted = Counted()
    later = reminder(1).not_before + timedelta(hours=1)
    counted.table.put(reminder(1, not_before=later))

    assert counted.values("waiting_messages") == {}


def test_receipts_and_dead_letters_count_when_they_are_committed() -> None:
    counted = Counted()
    counted.table.put(reminder(1), reminder(2, "8613800000002"))
    counted.table.run(Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR"))
    counted.table.put(reminder(3, "8613800000003"))
    counted.table.run()
    assert counted.values("receipts_total") == {}
    counted.commit()

    assert counted.values("receipts_total") == {("main", "failed"): 2, ("main", "accepted"): 1}
    assert counted.values("dead_letters_total") == {("permanent",): 2}
    assert counted.values("since_event_seconds_count") == {("accepted",): 1}


def test_answers_are_counted_as_what_they_are() -> None:
    counted = Counted()
    for outcome in (Accepted(), Unknown("lost"), Refused(ErrorClass.THROTTLED, "x"), Accepted()):
        counted.observer.answered("main", 0, outcome, 0.02)

    assert counted.values("submits_total") == {
        ("main", "accepted"): 2,
        ("main", "unknown"): 1,
        ("main", "throttled"): 1,
    }
    assert counted.values("submit_duration_seconds_count") == {("main",): 4}


def test_a_gateway_that_asks_for_less_is_shown_as_throttled() -> None:
    counted = Counted(line(shaper=Shaper(100, 1, 10, START_MS)))
    counted.table.put(reminder(1))
    counted.table.run(Refused(ErrorClass.THROTTLED, "ESME_RTHROTTLED", retry_after_ms=5_000))

    assert counted.values("throttled_state") == {("main",): 1}
    counted.table.now_ms += 60_000
    assert counted.values("throttled_state") == {}


def test_a_breaker_that_opens_and_a_connection_that_is_lost_are_seen() -> None:
    counted = Counted()
    assert counted.values("breaker_state") == {("main", "closed"): 1}
    assert counted.values("connected_state") == {("main",): 1}
    counted.table.router.set_up("main", False, counted.table.now_ms)
    for _ in range(5):
        counted.table.router.answered("main", Unknown("lost"), counted.table.now_ms, 0.5)

    assert counted.values("breaker_state") == {("main", "open"): 1}
    assert counted.values("breaker_openings_total") == {("main",): 1}
    assert counted.values("breaker_openings_total") == {("main",): 1}, "once, however often read"
    assert counted.values("connected_state") == {}
