"""Canaries are applied as all others, and nothing counts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from streamproc.canaries import CANARY_KEY, canary_of
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.state.events import AccountActivated, AccountClosed
from streamproc.metrics.worker import WorkerMetrics
from streamproc.partitioner import partition_of
from streamproc.worker.alarm_share import WorkerShare
from streamproc.worker.observing import WorkerObserver
from streamproc.worker.report import write_report
from tests.support.quota_driver import DAY, HOUR, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
TODAY = date(2026, 1, 5)
CANARY = canary_of(TODAY, 0, 2)


OF_TIME = ("_created", "commit_", "opening_")


def counters(metrics: WorkerMetrics) -> dict[str, float]:
    """All figures that are not 0, without times of commits."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.value and not any(one in sample.name for one in OF_TIME)
    }


def life(driver: QuotaDriver, subscriber: str) -> None:
    """Usage that crosses a threshold, a duplicate, a reject, and timed messages."""
    driver.activate(subscriber)
    driver.use(subscriber, 600_000, id="first")
    driver.use(subscriber, 600_000, id="first")
    driver.now_ms += 1
    driver.activate(subscriber)
    driver.use(subscriber, 390_000)
    driver.advance_wall_clock(3 * DAY, HOUR)


@pytest.mark.both_ways
def test_a_canary_gets_its_messages_and_no_figure_counts_it(new_driver: NewDriver) -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    share = WorkerShare(WorkerTopics.under(""), "app", "w1")
    driver = new_driver(observer=WorkerObserver(metrics, share=share))
    before = counters(metrics)

    life(driver, CANARY)

    told = driver.reminders()
    assert {one.subscriber for one in told} == {CANARY}
    assert {one.kind for one in told} >= {"usage_percent", "usage_summary"}
    assert [one.reason for one in driver.rejects()] == ["already_active"]
    assert counters(metrics) == before
    assert share.counts.take() == {}


@pytest.mark.both_ways
def test_customers_beside_a_canary_count_as_ever(new_driver: NewDriver) -> None:
    alone, beside = (WorkerMetrics(CollectorRegistry()) for _ in range(2))
    driver = new_driver(observer=WorkerObserver(alone, lambda: 0))
    driver.activate(ALICE)
    driver.send_event(driver.usage(ALICE, 600_000))
    driver.send_event(driver.usage(ALICE, 390_000))
    driver.process()
    driver.commit()

    driver = new_driver(observer=WorkerObserver(beside, lambda: 0))
    canary = canary_of(TODAY, partition_of(ALICE.encode(), 2), 2)
    driver.activate(canary)
    driver.activate(ALICE)
    driver.send_event(driver.usage(canary, 600_000))
    driver.send_event(driver.usage(ALICE, 600_000))
    driver.send_event(driver.usage(canary, 390_000))
    driver.send_event(driver.usage(ALICE, 390_000))
    driver.process()
    driver.commit()

    assert counters(beside) == counters(alone)


def test_a_report_leaves_canaries_out(new_driver: NewDriver, tmp_path: Path) -> None:
    driver = new_driver()
    driver.activate(ALICE)
    driver.use(ALICE, 700)
    driver.activate(CANARY)
    driver.use(CANARY, 600_000)  # as all its usage: it crosses a threshold
    opened = SimpleNamespace(opened=list(driver.partitions.values()))
    engine: Any = SimpleNamespace(partitions=opened)
    processor: Any = driver.processor

    write_report(tmp_path / "report.json", processor, engine)

    found = orjson.loads((tmp_path / "report.json").read_bytes())
    assert found == {"events": 2, "accounts": 1, "charged_bytes": 700}


def test_rows_of_canaries_are_not_rows_of_customers(new_driver: NewDriver) -> None:
    driver = new_driver()
    for subscriber in (ALICE, CANARY):
        driver.activate(subscriber)

    def customers() -> int:
        processor: Any = driver.processor
        return sum(processor.customers_in(opened.rows) for opened in driver.partitions.values())

    assert customers() == 1
    driver.activate(f"{CANARY}-later")
    assert customers() == 1
    driver.restart()
    assert customers() == 1


def test_each_partition_has_a_canary_a_day() -> None:
    keys = [canary_of(TODAY, number, 7).encode() for number in range(7)]
    keys += [canary_of(day, 3, 7).encode() for day in (TODAY, TODAY - timedelta(days=1))]

    assert [partition_of(one, 7) for one in keys] == [*range(7), 3, 3]
    assert all(one.startswith(CANARY_KEY) for one in keys)
    assert len(set(keys)) == 8


def test_the_state_of_a_canary_stays_small(new_driver: NewDriver) -> None:
    """A day of beats: closed, active again, used. Then it is forgotten."""
    driver = new_driver()
    driver.activate(CANARY)
    sizes = []
    for minute in range(120):
        driver.advance_wall_clock(60_000)
        at = driver.now
        driver.send_event(AccountClosed(f"c{minute}", "canary", CANARY, at))
        driver.send_event(AccountActivated(f"a{minute}", "canary", CANARY, at, "basic", "UTC", 1))
        driver.send_event(driver.usage(CANARY, 600_000, id=f"u{minute}"))
        driver.process()
        driver.commit()
        sizes.append(sum(map(len, driver.stored().values())))
    assert len(driver.reminders()) >= 120, "each beat crosses the threshold"
    assert sizes[-1] - sizes[-61] < 60 * 8 * 3 + 10, "an id of eight bytes for each event"
    driver.event(AccountClosed("end", "canary", CANARY, driver.now))
    driver.advance_wall_clock(120 * DAY, DAY)
    assert driver.stored() == {}
