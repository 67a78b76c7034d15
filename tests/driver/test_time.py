"""Timed reminders: by the wall clock with down times and storms, by the event clock for replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.state.events import UsageRecorded
from tests.driver.conftest import RULES
from tests.support.quota_driver import DAY, HOUR, MINUTE, SECOND, START, QuotaDriver
from tests.support.rules import edited

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
CAROL = "8613800000002"
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""The first instant at which the rule ``morning`` is due in UTC."""


def mornings(driver: QuotaDriver) -> list[tuple[str, datetime]]:
    return [(one.subscriber, one.as_of) for one in driver.reminders() if one.rule == "morning"]


def missed(driver: QuotaDriver) -> list[datetime]:
    return [one.time for one in driver.audits() if one.decision == "missed"]


# The wall clock.


def test_a_reminder_comes_at_its_instant_and_once(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(9 * HOUR - 1)
    assert mornings(driver) == []
    driver.advance_wall_clock(1)
    assert mornings(driver) == [(ALICE, NINE)]
    driver.restart()
    driver.advance_wall_clock(DAY - 1)
    assert len(mornings(driver)) == 1
    driver.advance_wall_clock(1)
    assert mornings(driver)[1:] == [(ALICE, NINE.replace(day=6))]


def test_nine_o_clock_is_the_subscribers_own(driver: QuotaDriver) -> None:
    driver.activate(ALICE, zone="America/New_York")
    driver.activate(CAROL, zone="Asia/Kolkata")
    driver.advance_wall_clock(DAY, step_ms=15 * MINUTE)
    assert sorted(mornings(driver)) == [
        (ALICE, datetime(2026, 1, 5, 14, 0, tzinfo=UTC)),
        (CAROL, datetime(2026, 1, 5, 3, 30, tzinfo=UTC)),
    ]


def test_after_a_short_down_time_what_was_due_goes_out_as_of_its_instant(
    driver: QuotaDriver,
) -> None:
    driver.activate(ALICE)
    driver.stop()
    driver.advance_wall_clock(11 * HOUR)  # two hours late: the rule's grace
    driver.start()
    driver.tick()
    driver.commit()
    assert mornings(driver) == [(ALICE, NINE)]
    assert missed(driver) == []


def test_after_a_long_down_time_what_was_due_is_audited(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.stop()
    driver.advance_wall_clock(11 * HOUR + 1)
    driver.start()
    driver.tick()
    driver.commit()
    assert mornings(driver) == []
    (audit,) = (one for one in driver.audits() if one.decision == "missed")
    assert (audit.rule, audit.time) == ("morning", NINE)
    assert audit.figures == {"lateness_ms": 2 * HOUR + 1}
    driver.advance_wall_clock(DAY, step_ms=HOUR)
    assert mornings(driver) == [(ALICE, NINE.replace(day=6))]


def test_of_many_missed_days_only_the_last_is_still_news(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(4 * DAY + 10 * HOUR)
    assert missed(driver) == [NINE.replace(day=day) for day in (5, 6, 7, 8)]
    assert mornings(driver) == [(ALICE, NINE.replace(day=9))]


def test_of_several_mornings_that_are_still_in_time_the_last_alone_is_news(
    new_driver: NewDriver,
) -> None:
    """``misfire: latest``: nobody wants three days' summaries at once."""
    late = "misfire_grace_seconds: 500_000\n    ttl_seconds: 500_000"
    wanted = {late: [8], late + "\n    misfire: each": [5, 6, 7, 8]}
    for field, days in wanted.items():
        text = edited(RULES, ("misfire_grace_seconds: 7200", field))
        driver = new_driver(rules=load_rulebook(text, "r.yaml"))
        driver.activate(ALICE)
        driver.stop()
        driver.advance_wall_clock(3 * DAY + 10 * HOUR)
        driver.start()
        driver.tick()
        driver.commit()
        assert mornings(driver) == [(ALICE, NINE.replace(day=day)) for day in days]
        superseded = [one.time for one in driver.audits() if one.decision == "superseded"]
        assert superseded == [NINE.replace(day=day) for day in (5, 6, 7) if day not in days]


def test_a_month_that_nobody_worked_in_is_closed_when_somebody_does(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.use(ALICE, 400_000)
    driver.advance_wall_clock(40 * DAY)
    account = driver.account(ALICE)
    assert account is not None
    assert [(one.used_bytes, one.expired_bytes) for one in account.history] == [(400_000, 600_000)]
    assert from_ms(account.cycle_start_ms) == datetime(2026, 2, 1, tzinfo=UTC)
    assert [bucket.used_bytes for bucket in account.buckets] == [0]


@pytest.mark.parametrize("native", ["off", "on"])
def test_what_waits_for_its_time_outlives_a_restart_and_is_let_go_of_by_the_timer(
    new_driver: NewDriver, native: str
) -> None:
    driver = new_driver(native=native)
    driver.activate(ALICE)
    end_ms = to_ms(datetime(2026, 2, 1, tzinfo=UTC))
    driver.advance_wall_clock(end_ms - MINUTE - driver.now_ms)
    ahead = from_ms(end_ms + 2 * MINUTE)
    driver.event(UsageRecorded("x", "ocs", ALICE, ahead, total_bytes=600_000))
    driver.use(ALICE, 300_000)
    driver.restart()  # the state is read from its changelog, the due queue made of it
    account = driver.account(ALICE)
    assert account is not None
    assert [bucket.used_bytes for bucket in account.buckets] == [300_000]
    assert [held.event.id for held in account.held] == ["x"]
    driver.advance_wall_clock(2 * MINUTE)
    driver.use(ALICE, 1)  # of before it: does not wait
    driver.advance_wall_clock(2 * MINUTE)
    account = driver.account(ALICE)
    assert account is not None
    assert [one.used_bytes for one in account.history] == [300_000]
    assert [bucket.used_bytes for bucket in account.buckets] == [600_001]
    assert account.held == []
    (low,) = (one for one in driver.reminders() if one.cause.event_id == "x")
    assert low.as_of == ahead


def test_it_does_not_matter_whether_the_timer_or_the_event_comes_first(
    new_driver: NewDriver,
) -> None:
    timer_first, event_first = new_driver(), new_driver()
    for one in (timer_first, event_first):
        one.activate(ALICE)
        one.advance_wall_clock(9 * HOUR - SECOND)
        one.now_ms += SECOND
    timer_first.tick()
    for one in (timer_first, event_first):
        one.send_event(one.usage(ALICE, 600_000, "u"))
        one.process()
    event_first.tick()
    for one in (timer_first, event_first):
        one.commit()
    assert timer_first.everything() == event_first.everything()
    assert mornings(timer_first) == [(ALICE, NINE)]


def test_a_clock_that_is_set_back_doubles_nothing(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(10 * HOUR)
    driver.now_ms -= 3 * HOUR
    driver.restart()
    driver.advance_wall_clock(5 * HOUR, step_ms=MINUTE)
    assert mornings(driver) == [(ALICE, NINE)]


def test_a_clock_ahead_holds_the_messages_of_those_whose_work_was_done_ahead_and_loses_none(
    driver: QuotaDriver,
) -> None:
    """An account that lived until 09:01 sends nothing as of 09:00; others are not concerned."""
    driver.activate(ALICE)
    driver.activate(CAROL, zone="Europe/Berlin")
    driver.advance_wall_clock(9 * HOUR - MINUTE)
    driver.now_ms += 90 * SECOND
    driver.tick()
    driver.commit()
    ahead_ms, driver.now_ms = driver.now_ms, driver.now_ms - 90 * SECOND
    for subscriber in (ALICE, CAROL):
        driver.use(subscriber, 600_000)

    held = {one.subscriber: one.not_before for one in driver.reminders() if one.rule == "low"}
    assert held.keys() == {ALICE, CAROL}
    assert driver.now < held[ALICE] <= from_ms(ahead_ms)
    assert held[CAROL] == driver.now


def test_a_storm_is_done_bit_by_bit_and_input_goes_on_in_between(new_driver: NewDriver) -> None:
    driver = new_driver(due_per_tick=10, partitions=1)
    names = [f"8613800{number:06d}" for number in range(45)]
    for name in names:
        driver.activate(name)
    driver.now_ms = to_ms(NINE)
    done = []
    for number in range(5):
        driver.tick()
        driver.send_event(driver.usage(names[0], 1, f"u{number}"))
        driver.process()
        driver.commit()
        done.append(len(mornings(driver)))
    assert done == [10, 20, 30, 40, 45]
    assert driver.account(names[0]).charged_bytes == 5  # type: ignore[union-attr]
    while driver.tick():
        driver.commit()
    assert sorted(mornings(driver)) == [(name, NINE) for name in names]


@pytest.mark.parametrize("step", ["1", "4", "6", "7"])
def test_a_crash_in_the_middle_of_a_storm(new_driver: NewDriver, step: str) -> None:
    driver = new_driver(due_per_tick=10, partitions=1)
    names = [f"8613800{number:06d}" for number in range(45)]
    for name in names:
        driver.activate(name)
    with driver.crash_at("commit", step, count=3):
        driver.advance_wall_clock(9 * HOUR)
    assert 20 <= len(mornings(driver)) <= 30
    driver.start()
    while driver.tick():
        driver.commit()
    assert sorted(mornings(driver)) == [(name, NINE) for name in names]


def test_what_is_due_earliest_is_done_first(new_driver: NewDriver) -> None:
    driver = new_driver(due_per_tick=1, partitions=1)
    zones = ["Europe/Berlin", "Asia/Karachi", "UTC", "Asia/Kolkata"]
    for number, zone in enumerate(zones):
        driver.activate(f"861380000000{number}", zone=zone)
    driver.advance_wall_clock(10 * HOUR)
    instants = [as_of for _, as_of in mornings(driver)]
    assert instants == sorted(instants)
    assert len(missed(driver)) == 2, "Karachi and Kolkata are beyond their grace"


# The event clock.


def clock(driver: QuotaDriver, partition: int, at: datetime) -> None:
    """Time passes in a partition, as replay says at its end."""
    event = {"type": "clock.advanced", "id": "c", "source": "replay", "time": at.isoformat()}
    driver.pipe(None, msgspec.json.encode(event), partition=partition, timestamp_ms=to_ms(at))


@pytest.fixture
def replay(new_driver: NewDriver) -> QuotaDriver:
    return new_driver(clock="event")


def test_records_move_the_event_clock_and_the_wall_does_not(replay: QuotaDriver) -> None:
    replay.activate(ALICE)
    replay.advance_wall_clock(365 * DAY)
    assert mornings(replay) == []
    just_before = to_ms(NINE) - 1
    replay.event(
        UsageRecorded("u", "ocs", ALICE, from_ms(just_before), total_bytes=5),
        timestamp_ms=just_before,
    )
    replay.tick()
    replay.commit()
    assert mornings(replay) == []
    clock(replay, replay.partition_of(ALICE.encode()), NINE)
    replay.tick()
    replay.commit()
    assert mornings(replay) == [(ALICE, NINE)]


def test_each_partition_has_a_clock_of_its_own(replay: QuotaDriver) -> None:
    replay.activate(ALICE)
    replay.activate(CAROL)
    clock(replay, replay.partition_of(ALICE.encode()), NINE)
    replay.advance_wall_clock(1)
    assert mornings(replay) == [(ALICE, NINE)]
    clock(replay, replay.partition_of(CAROL.encode()), NINE)
    replay.advance_wall_clock(1)
    assert sorted(mornings(replay)) == [(ALICE, NINE), (CAROL, NINE)]


def test_a_replay_is_never_late(replay: QuotaDriver) -> None:
    replay.activate(ALICE)
    clock(replay, replay.partition_of(ALICE.encode()), NINE.replace(day=9))
    replay.advance_wall_clock(1)
    assert [as_of.day for _, as_of in mornings(replay)] == [5, 6, 7, 8, 9]
    assert missed(replay) == []


def test_the_event_clock_survives_a_restart(replay: QuotaDriver) -> None:
    replay.activate(ALICE)
    number = replay.partition_of(ALICE.encode())
    clock(replay, number, NINE)
    replay.restart()
    assert replay.partitions[number].progress.clock_ms == to_ms(NINE)
    replay.advance_wall_clock(1)
    assert mornings(replay) == [(ALICE, NINE)]


@pytest.mark.both_ways
def test_the_event_clock_does_not_run_backwards(replay: QuotaDriver) -> None:
    replay.activate(ALICE)
    number = replay.partition_of(ALICE.encode())
    clock(replay, number, NINE)
    clock(replay, number, START)
    assert replay.partitions[number].progress.clock_ms == to_ms(NINE)


def test_a_replay_comes_to_the_same_as_the_run_it_repeats(new_driver: NewDriver) -> None:
    """Live: time passes in small steps. Replay: the same log in one go, timers whenever."""
    live = new_driver(partitions=2)
    for name in (ALICE, CAROL):
        live.activate(name)
    for number in range(3 * 24):
        live.advance_wall_clock(HOUR, step_ms=10 * MINUTE)
        live.use((ALICE, CAROL)[number % 2], 40_000, f"u{number}")
    again = new_driver(clock="event", chunk_records=7)
    for partition in range(2):
        for record in live.log.read("events", partition):
            again.send(record.key, record.value, partition=partition, timestamp_ms=record.timestamp)
    again.process()
    for partition in range(2):
        clock(again, partition, live.now)
    again.advance_wall_clock(1)
    assert again.committed() == live.committed()
    assert again.output("reminders") != []
    for topic in ("reminders", "audit"):
        for partition in range(2):
            found, expected = again.log.read(topic, partition), live.log.read(topic, partition)
            assert sorted(one.value or b"" for one in found) == sorted(
                one.value or b"" for one in expected
            )
