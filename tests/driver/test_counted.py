"""What a worker counts is what it committed: no more after a failure, no less for the compiled
part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
import yaml
from msgspec import UNSET
from prometheus_client import CollectorRegistry

from streamproc.cli.canary import RULES as CANARY
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.events import ToppedUp
from streamproc.metrics.worker import WorkerMetrics
from streamproc.worker.observing import WorkerObserver
from tests.driver.conftest import RULES
from tests.support.quota_driver import DAY, HOUR, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
BOB = "8613800000004"
CAROL = "8613800000002"


def counted(metrics: WorkerMetrics, name: str) -> Counter[tuple[str, ...]]:
    """Values of a counter by its labels, without those that are 0."""
    found: Counter[tuple[str, ...]] = Counter()
    for metric in metrics.registry.collect():
        for sample in metric.samples:
            if sample.name == f"streamproc_worker_{name}_total" and sample.value:
                found[tuple(sample.labels.values())] = int(sample.value)
    return found


class Scene:
    def __init__(self, new_driver: NewDriver) -> None:
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.driver = new_driver(observer=WorkerObserver(self.metrics, lambda: self.driver.now_ms))

    def check(self) -> None:
        """Counters and output topics say the same."""
        driver = self.driver
        reminders = Counter(
            (one.kind, "mandatory" if one.mandatory else f"priority_{one.priority}", one.severity)
            for one in driver.reminders()
        )
        rejects = Counter((one.reason,) for one in driver.rejects())
        assert counted(self.metrics, "reminders") == reminders
        assert counted(self.metrics, "rejects") == rejects
        sent = sum(driver.log.end("events", n) for n in range(driver.log.partitions))
        assert sum(counted(self.metrics, "events").values()) == sent
        assert sum(counted(self.metrics, "applied").values()) == sent
        decisions = Counter((one.decision,) for one in driver.audits())
        assert counted(self.metrics, "decisions") == decisions
        timed = sum(one.cause.due_time is not UNSET for one in driver.reminders())
        assert self.times("timed_lateness")[0] == timed
        assert self.times("arrival_to_reminder")[0] == sum(reminders.values()) - timed

    def times(self, name: str) -> tuple[float, float]:
        """Number and sum (seconds) of a histogram."""
        name = f"streamproc_worker_{name}_seconds"
        value = self.metrics.registry.get_sample_value
        return value(f"{name}_count") or 0.0, value(f"{name}_sum") or 0.0


@pytest.fixture
def scene(new_driver: NewDriver) -> Scene:
    return Scene(new_driver)


@pytest.mark.both_ways
def test_events_are_counted_as_what_became_of_them(scene: Scene) -> None:
    driver = scene.driver
    driver.activate(ALICE)
    driver.use(ALICE, 100)
    driver.use(ALICE, 600_000, id="same")  # crosses 50 %
    driver.use(ALICE, 600_000, id="same")
    driver.use(BOB, 100)  # nobody knows Bob: it waits, then it is rejected
    driver.pipe(CAROL.encode(), b"{")
    driver.pipe(b"", None)
    later = driver.now + timedelta(minutes=2)
    driver.event(ToppedUp("ahead", "shop", ALICE, later, pack="day"))
    driver.advance_wall_clock(2 * HOUR)

    assert counted(scene.metrics, "events") == {
        ("applied",): 3,
        ("duplicate",): 1,
        ("held",): 2,
        ("rejected",): 2,
    }
    assert counted(scene.metrics, "reminders") == {("usage_percent", "priority_5", "info"): 1}
    assert counted(scene.metrics, "rejects")["unknown_subscriber",] == 1
    scene.check()


@pytest.mark.both_ways
def test_reminders_of_usage_and_of_time_are_counted(scene: Scene) -> None:
    driver = scene.driver
    for subscriber in (ALICE, BOB, CAROL):
        driver.activate(subscriber)
        for _ in range(4):
            driver.use(subscriber, 260_000)
    driver.advance_wall_clock(2 * DAY, HOUR)

    found = counted(scene.metrics, "reminders")
    assert found["usage_percent", "priority_5", "info"] == 6
    summaries = [count for (kind, *_), count in found.items() if kind == "usage_summary"]
    assert sum(summaries) >= 3
    scene.check()


@pytest.mark.both_ways
@pytest.mark.parametrize("step", ["2", "3", "4", "5"])
def test_a_failed_transaction_counts_nothing_and_is_counted(scene: Scene, step: str) -> None:
    driver = scene.driver
    driver.activate(ALICE)
    driver.fail_commit_at(step, OSError("gone"))
    driver.use(ALICE, 600_000)
    driver.fail_commit_at(step, OSError("gone"))
    driver.pipe(ALICE.encode(), b"{")

    assert counted(scene.metrics, "transactions_failed") == {(): 2}
    assert counted(scene.metrics, "reminders") == {("usage_percent", "priority_5", "info"): 1}
    scene.check()
    commits = scene.metrics.registry.get_sample_value(
        "streamproc_worker_commit_duration_seconds_count"
    )
    assert commits is not None
    assert commits >= 3


@pytest.mark.both_ways
def test_the_way_of_an_event_to_its_reminder_is_measured(scene: Scene) -> None:
    driver = scene.driver
    driver.activate(ALICE)
    before = scene.times("event_to_arrival")
    late = msgspec.structs.replace(driver.usage(ALICE, 600_000), time=driver.now)
    driver.now_ms += 7_000  # on its way to Kafka
    driver.event(late)
    count, seconds = scene.times("event_to_arrival")
    assert (count - before[0], seconds - before[1]) == (1, 7.0)
    assert scene.times("arrival_to_reminder") == (1, 0.0)

    # The worker looks at the clock once in 50 minutes only.
    step_ms = 5 * HOUR // 6
    driver.advance_wall_clock(2 * DAY, step_ms)
    count, seconds = scene.times("timed_lateness")
    assert count > 0
    assert 0 < seconds / count < step_ms / 1000
    scene.check()


def test_a_replay_is_never_late_so_no_times_are_measured(new_driver: NewDriver) -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    driver = new_driver(clock="event", observer=WorkerObserver(metrics))
    driver.activate(ALICE)
    driver.use(ALICE, 600_000)

    assert sum(counted(metrics, "reminders").values()) == 1
    for name in ("event_to_arrival", "arrival_to_reminder", "timed_lateness"):
        name = f"streamproc_worker_{name}_seconds_count"
        assert metrics.registry.get_sample_value(name) == 0.0


def test_what_the_compiled_part_leaves_to_the_core_is_counted(new_driver: NewDriver) -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    driver = new_driver(native="on", observer=WorkerObserver(metrics))
    driver.activate(ALICE)
    for _ in range(3):
        driver.use(ALICE, 100)

    assert counted(metrics, "applied") == {("compiled",): 3, ("core",): 1}


def test_the_rules_of_the_canary_leave_no_usage_of_others_to_the_core(
    new_driver: NewDriver,
) -> None:
    """A plan without limits once left every crossed threshold of all other plans to the core."""
    carrier, canary = (yaml.safe_load(one) for one in (RULES, CANARY.read_text("utf-8")))
    joined = {name: carrier[name] + canary[name] for name in ("plans", "rules")}
    rules = load_rulebook(yaml.safe_dump({**carrier, **joined}), "r.yaml")
    metrics = WorkerMetrics(CollectorRegistry())
    driver = new_driver(rules=rules, native="on", observer=WorkerObserver(metrics))
    for subscriber in (ALICE, BOB, CAROL):
        driver.activate(subscriber)
        driver.use(subscriber, 600_000)

    assert counted(metrics, "applied") == {("compiled",): 3, ("core",): 3}
