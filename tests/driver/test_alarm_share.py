"""A worker's share of alarms says what it committed, and what is so now."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamproc.alarms.shares import EVENTS, AlarmPart, Share
from streamproc.core.privacy import mask
from streamproc.engine.life import State
from streamproc.metrics.worker import WorkerMetrics
from streamproc.worker.alarm_share import WorkerShare
from streamproc.worker.observing import WorkerObserver
from tests.support.quota_driver import DAY, HOUR, MINUTE, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
BOB = "8613800000004"


class Scene:
    """``delay_ms``: how much later a commit ends than its work."""

    def __init__(self, new_driver: NewDriver, **options: Any) -> None:
        self.delay_ms = 0
        self.lag_records = 0
        metrics = WorkerMetrics(CollectorRegistry())

        def now_ms() -> int:
            return self.driver.now_ms + self.delay_ms

        self.share: WorkerShare | None = None
        self.observer = WorkerObserver(metrics, now_ms)
        self.driver = new_driver(observer=self.observer, **options)
        self.share = WorkerShare(self.driver.topics, "app", "w1")
        self.observer._share = self.share

    def take(self, memory_share: float = 0.0, *, has_refused_rules: bool = False) -> Share:
        assert self.share is not None
        driver = self.driver
        running = [
            SimpleNamespace(number=number, state=State.RUNNING, opened=opened)
            for number, opened in driver.partitions.items()
        ]
        engine: Any = SimpleNamespace(
            partitions=running, settings=driver.settings, lag_records=lambda *_: self.lag_records
        )
        processor: Any = driver.processor
        return self.share.take(
            engine,
            processor,
            driver.now_ms,
            memory_share,
            has_refused_rules=has_refused_rules,
        )


@pytest.fixture
def scene(new_driver: NewDriver) -> Scene:
    return Scene(new_driver)


@pytest.mark.both_ways
def test_what_is_in_time_is_no_alarm(scene: Scene) -> None:
    scene.driver.activate(ALICE)
    scene.driver.use(ALICE, 600_000)

    found = scene.take()

    assert found.counts == {EVENTS: AlarmPart(2)}
    assert found.levels == {}
    assert (found.partitions, sum(found.rows.values())) == (0, 1)
    assert [one for some in found.some.values() for one in some] == [mask(ALICE)]


@pytest.mark.both_ways
def test_reminders_of_usage_are_late_after_ten_seconds(scene: Scene) -> None:
    for subscriber in (ALICE, BOB):
        scene.driver.activate(subscriber)
    scene.delay_ms = 10_000
    scene.driver.use(BOB, 600_000)
    assert "RemindersLate" not in scene.take().counts

    scene.delay_ms = 10_001
    scene.driver.use(ALICE, 600_000)

    assert scene.take().counts["RemindersLate"] == AlarmPart(1, [mask(ALICE)])
    assert scene.take().counts == {}


@pytest.mark.both_ways
def test_timed_reminders_are_late_after_a_minute(scene: Scene) -> None:
    scene.driver.activate(ALICE)
    scene.delay_ms = 40_000
    scene.driver.advance_wall_clock(2 * DAY, MINUTE // 4)
    assert "RemindersLate" not in scene.take().counts

    scene.delay_ms = 61_000
    scene.driver.advance_wall_clock(2 * DAY, MINUTE // 4)

    late = scene.take().counts["RemindersLate"]
    assert late.concerned > 0
    assert late.sample == [mask(ALICE)]


def test_messages_that_were_too_late_to_be_useful_are_missed(scene: Scene) -> None:
    scene.driver.activate(ALICE)
    scene.driver.advance_wall_clock(40 * DAY, 40 * DAY)

    assert scene.take().counts["RemindersMissed"].sample == [mask(ALICE)]


def test_rejects_and_records_of_another_partition_count(new_driver: NewDriver) -> None:
    scene = Scene(new_driver)
    scene.driver.pipe(ALICE.encode(), b"{")
    found = scene.take().counts
    assert (found["RejectsShare"], found[EVENTS]) == (AlarmPart(1), AlarmPart(1))

    forwarding = Scene(new_driver, wrong_partition="forward")
    forwarding.driver.activate(ALICE)
    right = next(number for number in range(2) if forwarding.driver.log.end("events", number))
    event = forwarding.driver.usage(ALICE, 10)
    forwarding.driver.event(event, partition=1 - right)

    assert forwarding.take().counts["WrongPartition"] == AlarmPart(1, [mask(ALICE)])


def test_commits_that_keep_failing_concern_all_rows(scene: Scene) -> None:
    scene.driver.activate(ALICE)
    for at in range(4):
        assert "TransactionsFailing" not in scene.take().levels, at
        scene.driver.fail_commit_at("3", OSError("gone"))
        scene.driver.use(ALICE, 100)
    found = scene.take()

    assert found.levels["TransactionsFailing"] == AlarmPart(1, [mask(ALICE)])
    scene.driver.advance_wall_clock(HOUR, HOUR)
    assert "TransactionsFailing" not in scene.take().levels


def test_input_and_due_work_behind_concern_the_rows_of_their_partitions(scene: Scene) -> None:
    driver = scene.driver
    driver.activate(ALICE)
    driver.now_ms += MINUTE
    scene.lag_records = 1
    assert scene.take().levels == {}

    driver.now_ms += 1
    assert scene.take().levels == {"InputBehind": AlarmPart(1, [mask(ALICE)])}

    scene.lag_records = 0
    driver.now_ms += 40 * DAY
    assert scene.take().levels == {"DueWorkBehind": AlarmPart(1, [mask(ALICE)])}


def test_memory_and_refused_rules_concern_all_rows(scene: Scene) -> None:
    scene.driver.activate(ALICE)

    assert scene.take(0.85).levels == {}
    assert scene.take(0.86).levels == {"MemoryNear": AlarmPart(1, [mask(ALICE)])}
    assert scene.take(has_refused_rules=True).levels == {
        "RulesRefused": AlarmPart(1, [mask(ALICE)])
    }
