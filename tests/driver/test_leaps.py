"""A record that is stamped long after the one before it: its work is done in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.codec import encode_event
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import AccountActivated
from tests.driver.conftest import RULES
from tests.support.quota_driver import DAY, Everything, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE, BOB = "8613800000001", "8613800000002"
HOURLY = """
  - id: hourly
    kind: cron
    cron: "0 * * * *"
    category: summary
    texts: {en: "{used} used"}
"""
LIMIT = 150
DAYS = 24


@pytest.fixture
def rules() -> Rulebook:
    return load_rulebook(RULES + HOURLY, "rules.yaml")


def leaps(driver: QuotaDriver, days: int, *, event_ahead_ms: int = 0) -> Everything:
    """Two subscribers, and the clock of a producer that is wrong by days for both."""
    send_leaps(driver, days, event_ahead_ms)
    driver.process()
    driver.commit()
    return driver.everything()


def send_leaps(driver: QuotaDriver, days: int, event_ahead_ms: int = 0) -> None:
    driver.activate(ALICE)
    driver.activate(BOB)
    driver.use(ALICE, 600_000, "first")
    real_ms = driver.now_ms
    driver.now_ms += days * DAY
    for number, name in enumerate((ALICE, BOB, ALICE)):
        event = driver.usage(name, 100_000, f"late-{number}")
        stamp_ms = driver.now_ms - event_ahead_ms
        driver.send(name.encode(), encode_event(event), timestamp_ms=stamp_ms)
    driver.now_ms = real_ms


@pytest.mark.both_ways
@pytest.mark.parametrize("clock", ["wall", "event"])
def test_parts_give_the_same_as_one_step(new_driver: NewDriver, clock: Any) -> None:
    whole = leaps(new_driver(clock=clock, max_outbox_records=1 << 40), DAYS)
    driver = new_driver(clock=clock, max_outbox_records=LIMIT)
    begun = driver.log.end("changelog", driver.partition_of(ALICE.encode()))
    assert leaps(driver, DAYS) == whole
    assert len(driver.reminders()) > 2 * DAYS * 24
    commits = driver.log.end("changelog", driver.partition_of(ALICE.encode())) - begun
    assert commits > DAYS * 24 / LIMIT
    assert not driver.rejects()


@pytest.mark.parametrize("clock", ["wall", "event"])
def test_a_part_is_bounded_and_a_worker_that_dies_between_two_goes_on(
    new_driver: NewDriver, clock: Any
) -> None:
    expected = leaps(new_driver(clock=clock), DAYS)
    driver = new_driver(clock=clock, max_outbox_records=LIMIT)
    send_leaps(driver, DAYS)
    for count in (1, 2, 3):
        with driver.crash_at("commit", "4", count):
            driver.process()
        driver.start()
        # The position is before the record, and a part of what is due before it is done.
        assert len(driver.reminders()) < DAYS * 24
    driver.process()
    driver.commit()
    assert driver.everything() == expected


def test_a_refused_event_makes_nothing_due(new_driver: NewDriver) -> None:
    """The timestamp is so far ahead that the event in the record is too old for it."""
    driver = new_driver(max_outbox_records=1)
    leaps(driver, DAYS, event_ahead_ms=-50 * DAY)
    assert [one.reason for one in driver.rejects()] == ["time_in_past"] * 3
    assert not any(one.rule == "hourly" for one in driver.reminders())


def test_it_is_told_once_an_hour(new_driver: NewDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        leaps(new_driver(), DAYS)
    assert not [one for one in logs if "years after" in one["event"]]
    monkeypatch.setattr("streamproc.worker.catching_up.WARNED_MS", (DAYS - 1) * DAY)
    with capture_logs() as logs:
        leaps(new_driver(), DAYS)
    told = [one for one in logs if "years after" in one["event"]]
    assert [one["topic"] for one in told] == ["events"]


@pytest.mark.both_ways
def test_a_wrong_clock_does_not_take_the_ids_of_others(new_driver: NewDriver) -> None:
    """No time passes for the memory of events, so nobody else's events are too late for it."""
    driver = new_driver(partitions=1)
    driver.activate(ALICE)
    driver.activate(BOB)
    driver.use(BOB, 100_000, "first")
    real_ms = driver.now_ms
    driver.now_ms += 60 * DAY
    event = driver.usage(ALICE, 100_000, "ahead")
    driver.send(ALICE.encode(), encode_event(event), timestamp_ms=driver.now_ms)
    driver.now_ms = real_ms
    driver.process()
    driver.use(BOB, 100_000, "second")
    first = driver.usage(BOB, 100_000, "first")
    driver.event(first)
    driver.event(event, timestamp_ms=real_ms + 60 * DAY)
    driver.commit()
    assert not driver.rejects()
    told = [one.subscriber for one in driver.audits() if one.decision == "duplicate"]
    assert told == [BOB, ALICE]
    bob = driver.account(BOB)
    assert bob is not None
    assert bob.charged_bytes == 200_000


def test_a_wrong_clock_in_the_first_record_does_not_refuse_all_others(
    new_driver: NewDriver,
) -> None:
    driver = new_driver(partitions=1)
    real_ms = driver.now_ms
    driver.now_ms += 60 * DAY
    ahead = AccountActivated("ahead", "crm", ALICE, driver.now, "basic", "UTC", 1)
    driver.send_event(ahead, timestamp_ms=driver.now_ms)
    driver.now_ms = real_ms
    driver.process()
    driver.activate(BOB)
    driver.use(BOB, 100_000, "first")
    driver.commit()
    assert not driver.rejects()
    bob = driver.account(BOB)
    assert bob is not None
    assert bob.charged_bytes == 100_000


def test_the_memory_of_events_forgets_as_time_passes(new_driver: NewDriver) -> None:
    driver = new_driver()
    driver.activate(ALICE)
    for number in range(100):
        driver.use(ALICE, 1, f"daily-{number}")
        driver.advance_wall_clock(DAY)
    opened = driver.partitions[driver.partition_of(ALICE.encode())]
    assert 40 <= len(opened.rows.ids) <= 43
