"""A real Prometheus with the configuration of ops/ reads the pages of a worker and a dispatcher:
every record has a value, and every query of every panel returns data.

The processes are in this one: their registries, filled by a worker in memory and a scheduler. What
broker and gateways do to them is tested elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamproc.cli.tool_pages import served
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, ErrorClass, Refused
from streamproc.dispatch.observing import DispatchObserver
from streamproc.engine.life import State
from streamproc.metrics.canary import CanaryMetrics
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.process import register_process
from streamproc.metrics.serving import MetricsServer
from streamproc.metrics.worker import WorkerMetrics
from streamproc.tools.canary.beats import Beats
from streamproc.tools.canary.observing import CanaryObserver
from streamproc.worker.observing import WorkerFacts, WorkerObserver
from tests.driver.conftest import RULES
from tests.support import boards, ops
from tests.support.debian_parts import debian_program
from tests.support.ports import free_port
from tests.support.prometheus import SECONDS, Prometheus
from tests.support.quota_driver import HOUR, QuotaDriver
from tests.support.scheduler import Table, reminder

EMPTY = frozenset(
    f"streamproc:{name}:concerned" for name in ("gateway_slow", "gateway_down", "canary_failed")
)
"""Records that have no value while nothing is wrong."""
LIMIT_SECONDS = 60.0


class Worker:
    """A worker in memory, with its page."""

    def __init__(self) -> None:
        self.metrics = WorkerMetrics(CollectorRegistry())
        register_process(self.metrics.registry)
        self.observer = WorkerObserver(self.metrics)
        rules = load_rulebook(RULES, "rules.yaml")
        self.driver = QuotaDriver(rules, partitions=1, observer=self.observer)
        self.used = 0
        opened = self.driver.partitions[0]
        partition = SimpleNamespace(number=0, state=State.RUNNING, opened=opened)
        partitions = _Partitions([partition])
        partitions.opened, partitions.states = [opened], {0: State.RUNNING}
        settings = SimpleNamespace(input_topics=("events",), partitions=1)
        self.engine: Any = SimpleNamespace(
            partitions=partitions, settings=settings, lag_records=lambda *_: 3
        )
        self.observer.opened(10, 0.5)

    def work(self) -> None:
        """Usage of a new subscriber that causes a reminder, a reject, and some time."""
        self.used += 1
        subscriber = f"8613800{self.used:06}"
        self.driver.activate(subscriber)
        self.driver.use(subscriber, 600_000)
        self.driver.pipe(subscriber.encode(), b"{")
        self.driver.advance_wall_clock(6 * HOUR, HOUR)
        self.observer.assigned()

    def refresh(self) -> None:
        """Before each reading."""
        processor: Any = self.driver.processor
        facts = WorkerFacts(0.0, 1 << 30, revealed={"explain": 1})
        self.observer.refresh(self.engine, processor, 5_000, facts)


class _Partitions(list[Any]):
    """Stands for the partitions of an engine."""

    opened: list[Any]
    states: dict[int, State]


class Dispatcher:
    """A scheduler, with its page."""

    def __init__(self) -> None:
        self.metrics = DispatchMetrics(CollectorRegistry())
        register_process(self.metrics.registry)
        self.observer = DispatchObserver(self.metrics)
        self.table = Table()
        self.sent = 0

    def refresh(self) -> None:
        """Before each reading."""
        self.observer.refresh(self.table.scheduler, self.table.now_ms)

    def work(self) -> None:
        """Send a message, and fail to send another."""
        for outcome in (Accepted(), Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR")):
            self.sent += 1
            self.table.put(reminder(self.sent))
            self.table.run(outcome)
            self.observer.answered("main", 0, outcome, 0.02)
        batch = JournalTransaction()
        batch.receipts, self.table.receipts = self.table.receipts, []
        batch.dead_letters, self.table.dead_letters = self.table.dead_letters, []
        self.observer.committed(batch)
        with self.observer.incoming("main"):
            pass


def beat(metrics: CanaryMetrics) -> None:
    """One message of a canary that arrives."""
    beats = Beats(1_000, "readable")
    beats.begin("usage", 0, "m", 0)
    beats.readable("m", "r", 200)
    CanaryObserver(metrics)(beats.judge(500), beats)


def page(registry: CollectorRegistry, refresh: Callable[[], None], port: int) -> MetricsServer:
    return MetricsServer("127.0.0.1", port, registry, refresh, lambda: "", lambda: "")


@pytest.mark.timeout(120)
def test_every_record_and_every_panel_has_data(tmp_path: Path) -> None:
    debian_program("prometheus")  # or the test is skipped
    worker, dispatcher = Worker(), Dispatcher()
    canary = CanaryMetrics(CollectorRegistry())
    beat(canary)
    jobs = {f"streamproc-{one}": free_port() for one in ("worker", "dispatcher", "canary")}
    records = {rule["record"] for rule in ops.rules() if "record" in rule}
    missing = {f"record {name}": name for name in records - EMPTY}
    missing |= {f"{one.dashboard}: {one.title}: {one.query}": one.query for one in ops.panels()}
    with (
        served(page(worker.metrics.registry, worker.refresh, jobs["streamproc-worker"])),
        served(
            page(dispatcher.metrics.registry, dispatcher.refresh, jobs["streamproc-dispatcher"])
        ),
        served(page(canary.registry, lambda: None, jobs["streamproc-canary"])),
        closing(Prometheus(tmp_path, {job: [port] for job, port in jobs.items()})) as prometheus,
    ):
        deadline = time.monotonic() + LIMIT_SECONDS
        while missing and time.monotonic() < deadline:
            worker.work()
            dispatcher.work()
            # A rate needs several readings, which come each second.
            time.sleep(SECONDS / 2)
            for name, query in list(missing.items()):
                if prometheus.ask(query):
                    del missing[name]
        assert sorted(missing) == []
        ended = time.time()
        for file in ops.DASHBOARDS:
            drawn = tmp_path / f"{file.stem}.png"
            spans = [boards.Span("a fault", ended - 5, ended - 2, ended - 3)]
            boards.draw_board(file.stem, prometheus, ended - 10, ended, spans, drawn)
            assert drawn.stat().st_size > 20_000
        shown = [(spans[0], boards.panel_of("service", "Clock, against Prometheus"))]
        boards.draw_faults(shown, prometheus, tmp_path / "faults.png")
