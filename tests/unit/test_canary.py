"""The canary: what it sends crosses a threshold each time, and a missing stage is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamproc.canaries import canary_of
from streamproc.cli.canary import RULES
from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.subscribers import CANARY_PREFIX
from streamproc.metrics.canary import CanaryMetrics
from streamproc.tools.canary import watching
from streamproc.tools.canary.beats import STAGES, Beats, Stage, Verdict, stage_seconds, summary
from streamproc.tools.canary.canary_events import (
    beat_events,
    beat_mark,
    canaries_of,
    day_of,
    end_event,
    mark_of,
    timed_mark,
)
from streamproc.tools.canary.observing import CanaryObserver
from streamproc.tools.canary.watching import CanarySettings, CanaryWatch
from tests.support.quota_driver import DAY, MINUTE, SECOND, START, QuotaDriver
from tests.support.scheduler import reminder

T0 = to_ms(START)
DEADLINE_MS = 30_000
HEAD = "version: 1\ncurrency: EUR\ndefault_locale: en\n"
OTHERS = """
  - {id: low, kind: usage_percent, thresholds: [50, 80, 100], category: b, texts: {en: low}}
  - {id: summary, kind: usage_summary, every: day, at: 09:00, category: b, texts: {en: sum}}
alerts: {quiet_hours: {start: "00:00", end: "23:00"}, caps: [{messages: 1, window_hours: 24}]}
storms: {rate_per_second: 1, mandatory_window_seconds: 600, window_seconds: 600}
"""
"""Rules that must not keep a canary from its messages."""


# Beats.


def beats(until: Stage = "delivered") -> Beats:
    return Beats(DEADLINE_MS, until)


def passed(one: Beats, mark: str, stages: int) -> None:
    """Let a beat pass so many stages, each a second after the one before."""
    steps: list[Callable[[int], None]] = [
        lambda at: one.sent(mark, at),
        lambda at: one.readable(mark, f"r-{mark}", at),
        lambda at: one.receipt(f"r-{mark}", "accepted", at),
        lambda at: one.receipt(f"r-{mark}", "delivered", at),
    ]
    for number, step in enumerate(steps[:stages], 1):
        step(T0 + number * SECOND)


def test_a_beat_that_passed_all_stages_has_arrived() -> None:
    one = beats()
    one.begin("usage", 3, "m", T0)
    passed(one, "m", 4)

    (verdict,) = one.judge(T0 + 4 * SECOND)

    assert (verdict.beat.partition, verdict.broken) == (3, None)
    assert stage_seconds(verdict.beat) == dict.fromkeys(STAGES, 1.0)
    assert one.broken() == {}
    assert one.judge(T0 + 60 * SECOND) == []


@pytest.mark.parametrize(("stages", "broken"), list(enumerate(STAGES)))
def test_the_first_missing_stage_is_named_at_the_deadline(stages: int, broken: Stage) -> None:
    one = beats()
    one.begin("usage", 0, "m", T0)
    passed(one, "m", stages)
    assert one.judge(T0 + DEADLINE_MS - 1) == []

    (verdict,) = one.judge(T0 + DEADLINE_MS)

    assert verdict.broken == broken
    assert one.broken() == {("usage", broken): [0]}
    one.begin("usage", 0, "next", T0 + 60 * SECOND)
    assert one.broken() == {("usage", broken): [0]}, "until the next one has arrived"
    passed(one, "next", 4)
    one.judge(T0 + 61 * SECOND)
    assert one.broken() == {}


def test_a_timed_beat_needs_no_event() -> None:
    one = beats()
    one.begin("timed", 0, "t", T0)
    assert one.judge(T0 + DEADLINE_MS)[0].broken == "readable"


def test_what_is_not_to_be_proved_is_not_waited_for() -> None:
    one = beats("readable")
    one.begin("usage", 0, "m", T0)
    passed(one, "m", 2)

    assert one.judge(T0 + 3 * SECOND)[0].broken is None
    assert one.stages == ("sent", "readable")


def test_a_reminder_that_was_read_proves_that_its_event_was_sent() -> None:
    one = beats("readable")
    one.begin("usage", 0, "m", T0)
    one.readable("m", "r", T0 + SECOND)

    assert one.judge(T0 + SECOND)[0].broken is None


def test_receipts_of_failures_and_rejects_say_why() -> None:
    one = beats()
    one.begin("usage", 0, "m", T0)
    one.begin("usage", 1, "n", T0)
    passed(one, "m", 2)
    one.receipt("r-m", "expired", T0)
    one.hint("n", "rejected: unknown_plan")
    one.hint("of another run", "x")
    one.receipt("of a customer", "failed", T0)

    found = one.judge(T0 + DEADLINE_MS)

    assert [verdict.why for verdict in found] == [
        "the receipt says expired",
        "rejected: unknown_plan",
    ]
    assert summary(found) == "of 2: 1 usage not accepted, 1 usage not sent"


def test_recent_times_are_told_as_quantiles() -> None:
    one = beats()
    assert one.recent_seconds("usage", "sent", 0.99) == 0.0
    for number in range(100):
        one.begin("usage", 0, f"{number}", T0)
        one.sent(f"{number}", T0 + number)

    assert one.recent_seconds("usage", "sent", 0.5) == 0.05
    assert one.recent_seconds("usage", "sent", 0.99) == 0.099


# Events and rules.


@pytest.fixture(params=["on", "off"])
def driver(request: pytest.FixtureRequest) -> Iterator[QuotaDriver]:
    rules = load_rulebook(HEAD + RULES.read_text() + OTHERS, "rules.yaml")
    with QuotaDriver(rules, native=request.param) as found:
        yield found


def marks(driver: QuotaDriver) -> list[str]:
    return [mark for mark in map(mark_of, driver.reminders()) if mark is not None]


def beat(driver: QuotaDriver, number: int, *, is_first: bool) -> list[str]:
    """Send a beat to each partition; returns the marks."""
    found = []
    for partition, subscriber in enumerate(canaries_of(driver.now_ms, 2)):
        mark = beat_mark("run", number, partition)
        for event in beat_events(subscriber, mark, driver.now_ms, is_first=is_first):
            driver.send_event(event)
        found.append(mark)
    driver.process()
    driver.commit()
    return found


def test_each_beat_and_each_minute_has_its_message(driver: QuotaDriver) -> None:
    """Quiet hours, caps, storms and other rules of the file keep none of them."""
    expected: list[str] = []
    for number in range(5):
        driver.advance_wall_clock(20 * SECOND, SECOND)
        expected += beat(driver, number, is_first=number == 0)
        driver.advance_wall_clock(40 * SECOND, SECOND)
        canaries = canaries_of(driver.now_ms, 2)
        expected += [timed_mark(one, driver.now_ms) for one in canaries]
        driver.advance_wall_clock(2 * SECOND, SECOND)
        assert sorted(marks(driver)) == sorted(expected), number
        driver.now_ms -= 2 * SECOND
    assert driver.rejects() == []


def test_a_canary_that_lives_already_begins_again(driver: QuotaDriver) -> None:
    first = beat(driver, 0, is_first=True)
    driver.advance_wall_clock(7 * SECOND)
    second = beat(driver, 1, is_first=True)

    assert sorted(one for one in marks(driver) if "@" not in one) == first + second
    assert {one.reason for one in driver.rejects()} == {"already_active"}


def test_a_canary_that_was_ended_gets_nothing_more(driver: QuotaDriver) -> None:
    beat(driver, 0, is_first=True)
    for subscriber in canaries_of(driver.now_ms, 2):
        driver.event(end_event(subscriber, driver.now_ms + 1))
    before = len(driver.reminders())
    driver.advance_wall_clock(5 * MINUTE, SECOND)

    assert len(driver.reminders()) == before


def test_each_day_has_canaries_of_its_own() -> None:
    assert day_of(T0) == START.date()
    assert canaries_of(T0, 3) == [canary_of(START.date(), number, 3) for number in range(3)]
    assert not set(canaries_of(T0, 3)) & set(canaries_of(T0 + DAY, 3))


# What is told.


def verdict(broken: Stage | None, partition: int = 0) -> tuple[list[Verdict], Beats]:
    one = beats()
    one.begin("usage", partition, "m", T0)
    passed(one, "m", STAGES.index(broken) if broken else 4)
    return one.judge(T0 + DEADLINE_MS), one


def test_changes_are_logged_once_and_all_is_counted() -> None:
    metrics = CanaryMetrics(CollectorRegistry())
    observer = CanaryObserver(metrics)
    with capture_logs() as lines:
        for broken in (None, "accepted", "accepted", None):
            observer(*verdict(broken))

    assert [(one["event"], one["stage"]) for one in lines] == [
        ("the canary failed", "accepted"),
        ("the canary is well again", "accepted"),
    ]
    value: Any = metrics.registry.get_sample_value
    beats_of = "streamproc_canary_beats_total"
    assert value(beats_of, {"way": "usage", "outcome": "arrived"}) == 2
    assert value(beats_of, {"way": "usage", "outcome": "accepted"}) == 2
    broken_of = "streamproc_canary_broken_partitions"
    assert value(broken_of, {"way": "usage", "stage": "accepted"}) == 0
    observer(*verdict("readable"))
    assert value(broken_of, {"way": "usage", "stage": "readable"}) == 1
    recent = {"way": "usage", "stage": "sent", "quantile": "0.99"}
    assert value("streamproc_canary_recent_seconds", recent) == 1.0


# What others write.


def watch() -> tuple[CanaryWatch, list[bytes]]:
    """A canary of partition 0, and the keys of what it has sent."""
    settings = CanarySettings("b:1", "events", "reminders", "rejects", "receipts")
    one = CanaryWatch(settings, lambda verdicts, beats: None)
    one._living[0] = canary_of(day_of(T0), 0, 1)
    one._producer = producer = MagicMock()
    sent: list[bytes] = []
    producer.send.side_effect = lambda topic, **record: sent.append(record["key"])
    return one, sent


def take(one: CanaryWatch, key: str, subscriber: str) -> None:
    value = encode_effect(reminder(subscriber=subscriber))
    record = MagicMock(key=key.encode(), value=value, partition=0)
    one._take("reminders", record, T0)


def test_the_contract_of_a_customer_is_not_ended() -> None:
    """A user who may write reminders, but no events, must not close accounts."""
    one, sent = watch()
    other = canary_of(day_of(T0 - DAY), 0, 1)

    take(one, other, "34600000001")
    assert sent == []
    take(one, other, other)
    take(one, other, other)
    assert sent == [other.encode()]


def test_canaries_of_others_are_ended_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_ENDED", 3)
    one, sent = watch()
    for number in range(9):
        take(one, f"{CANARY_PREFIX}{number}", f"{CANARY_PREFIX}{number}")

    assert len(sent) == 3
