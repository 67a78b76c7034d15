"""Events whose time lies ahead of the clock: nothing falls due before the clock has come to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from streamproc.core.instants import to_ms
from streamproc.core.state.account import HELD
from streamproc.core.state.events import CostCapLifted, UsageRefunded
from tests.support.line import (
    EXPIRY,
    GB,
    Line,
    day,
    decisions,
    reasons,
    reminders,
    rulebook,
    thresholds,
)

MINUTE = 1 / 1440
END = 31.0
"""The end of January's cycle."""


def line(**limits: Any) -> Line:
    line = Line(rulebook(timed_rules=(EXPIRY,), **limits))
    line.activate()
    return line


def test_an_event_ahead_of_the_clock_does_not_close_the_cycle_of_usage_that_is_still_arriving() -> (
    None
):
    ahead = line()
    effects = ahead.use(GB, at=END + 3 * MINUTE, arrives=END - MINUTE)
    assert decisions(effects) == ["held"]
    assert ahead.account.history == []
    # Usage of before the end is charged, and reminded of, as ever.
    assert thresholds(ahead.use(6 * GB, at=END - MINUTE, arrives=END - 0.5 * MINUTE)) == [
        ("low", 50)
    ]
    assert decisions(ahead.reach(day(END))) == ["bucket_expired", "cycle_closed"]
    assert ahead.bucket("data").used_bytes == 0
    ahead.reach(day(END + 3 * MINUTE))
    assert ahead.bucket("data").used_bytes == GB
    assert ahead.account.history[0].used_bytes == 6 * GB
    assert ahead.account.held == []


def test_what_waits_is_applied_after_what_falls_due_at_its_instant_and_as_of_it() -> None:
    ahead = line()
    ahead.use(6 * GB, at=END, arrives=END - MINUTE)
    effects = ahead.reach(day(END + 1))
    assert decisions(effects) == ["bucket_expired", "cycle_closed"]
    assert [(one.rule, one.as_of) for one in reminders(effects)] == [("low", day(END))]
    assert ahead.account.history[0].used_bytes == 0


def test_the_timer_or_the_next_event_first_makes_no_difference() -> None:
    first, second = line(), line()
    for one in (first, second):
        one.top_up(at=END - 10 * MINUTE, granted_bytes=GB)
        one.use(3 * GB, at=END + 2 * MINUTE, arrives=END - 2 * MINUTE)
        one.use(3 * GB, at=END + MINUTE, arrives=END - MINUTE)
    for minute in range(-1, 4):
        first.reach(day(END + minute * MINUTE))
    effects = first.use(GB, at=END + 5 * MINUTE)
    both = second.use(GB, at=END + 5 * MINUTE)
    assert decisions(effects) == []
    assert "cycle_closed" in decisions(both)
    first_account, second_account = first.account, second.account
    for account in (first_account, second_account):
        account.seen_ids = b""  # ids are named by the count of what was done
    assert first_account == second_account
    assert first.bucket("data").used_bytes == 7 * GB


def test_usage_that_is_ahead_of_nothing_is_charged_at_once_as_of_its_arrival() -> None:
    ahead = line()
    effects = ahead.use(6 * GB, at=2 + 3 * MINUTE, arrives=2)
    assert [(one.as_of, one.not_before) for one in reminders(effects)] == [(day(2), day(2))]
    assert ahead.account.held == []


def test_a_pack_that_ends_in_between_is_not_ended_early() -> None:
    ahead = line()
    ahead.top_up(at=1, pack="extra")  # until 8
    ahead.use(GB // 2, at=8 + MINUTE, arrives=8 - MINUTE)
    assert ahead.bucket("extra#1").used_bytes == 0
    ahead.use(GB, at=8 - MINUTE, arrives=8 - MINUTE / 2)
    assert ahead.bucket("extra#1").used_bytes == GB
    ahead.reach(day(9))
    assert ahead.bucket("data").used_bytes == GB // 2


def test_a_timed_reminder_in_between_is_not_sent_early() -> None:
    ahead = line()
    ahead.top_up(at=1, pack="extra")  # until 8: reminded of on 7 at ten
    ten = 7 + 10 / 24
    assert reminders(ahead.use(1, at=ten + MINUTE, arrives=ten - MINUTE)) == []
    effects = ahead.reach(day(ten + 2 * MINUTE))
    assert [(one.rule, one.as_of) for one in reminders(effects)] == [("expiry", day(ten))]


def test_what_sets_an_instant_waits_for_it() -> None:
    ahead = line()
    assert decisions(ahead.top_up(at=2, arrives=2 - MINUTE, granted_bytes=GB)) == ["held"]
    assert [one.id for one in ahead.account.buckets] == ["data"]
    # Behind it, usage of after it waits, too; usage of before it does not.
    assert decisions(ahead.use(11 * GB, at=2 + MINUTE / 2, arrives=2 - MINUTE / 2)) == ["held"]
    ahead.use(GB, at=2 - MINUTE / 4, arrives=2 - MINUTE / 4)
    assert ahead.bucket("data").used_bytes == GB
    ahead.reach(day(2.5))
    assert ahead.bucket("topup#1").used_bytes == GB
    assert ahead.account.overage_bytes == GB


def test_a_closing_ahead_of_the_clock_does_not_end_the_contract_early() -> None:
    ahead = line()
    ahead.close(at=2, arrives=2 - MINUTE)
    ahead.use(GB, at=2 - MINUTE, arrives=2 - MINUTE / 2)
    assert ahead.bucket("data").used_bytes == GB
    assert "closed" in decisions(ahead.reach(day(2)))


def test_an_activation_ahead_of_the_clock_begins_at_its_time() -> None:
    ahead = Line(rulebook(hold_unknown_ms=0))
    assert decisions(ahead.activate(at=2, arrives=2 - MINUTE)) == ["held"]
    assert ahead.account.status == HELD
    assert reasons(ahead.use(GB, at=2 - MINUTE / 2)) == ["unknown_subscriber"]
    assert decisions(ahead.reach(day(2))) == ["activated"]
    assert ahead.account.activated_ms == to_ms(day(2))
    assert ahead.account.held == []


def test_what_is_held_for_an_activation_that_waits_follows_it() -> None:
    ahead = Line()
    ahead.use(GB, at=2 + MINUTE, arrives=2 - MINUTE)
    ahead.activate(at=2, arrives=2 - MINUTE / 2)
    ahead.reach(day(2))
    ahead.reach(day(2 + MINUTE))
    assert ahead.bucket("data").used_bytes == GB


def test_an_activation_of_a_closed_account_waits_too() -> None:
    ahead = line()
    ahead.close(at=2)
    assert decisions(ahead.activate(at=3, arrives=3 - MINUTE)) == ["held"]
    assert decisions(ahead.reach(day(3))) == ["activated"]


def test_what_waits_outlives_what_is_forgotten() -> None:
    ahead = line(max_age_ms=86_400_000 - 300_000)
    ahead.close(at=2)
    ahead.activate(at=3 + MINUTE, arrives=3 - MINUTE)
    assert decisions(ahead.reach(day(3))) == []
    assert ahead.account.status == HELD
    assert decisions(ahead.reach(day(4))) == ["activated"]


def test_an_event_counts_once_also_if_it_waits() -> None:
    ahead = line()
    ahead.use(GB, at=END + 2 * MINUTE, arrives=END - MINUTE, id="x")
    ahead.use(GB, at=END + 2 * MINUTE, arrives=END - MINUTE, id="x")
    assert "duplicate" in decisions(ahead.reach(day(END + 1)))
    assert ahead.bucket("data").used_bytes == GB
    effects = ahead.use(GB, at=END + 2 * MINUTE, arrives=END + 1, id="x")
    assert decisions(effects) == ["duplicate"]


def test_no_more_waits_than_there_is_room_for() -> None:
    ahead = line(hold_max_events=2)
    for _ in range(3):
        effects = ahead.use(GB, at=END + MINUTE, arrives=END - MINUTE)
    assert reasons(effects) == ["time_in_future"]
    ahead.reach(day(END + 1))
    assert ahead.bucket("data").used_bytes == 2 * GB


def test_a_refund_and_a_consent_that_are_ahead_wait_only_for_what_falls_due() -> None:
    ahead = line()
    ahead.use(GB, at=1)
    ahead.send(UsageRefunded, 2 + MINUTE, 2, refunded_bytes=GB)
    assert ahead.bucket("data").used_bytes == 0
    assert decisions(ahead.send(CostCapLifted, END + MINUTE, END - MINUTE)) == ["held"]
    assert "cost_cap_lifted" in decisions(ahead.reach(day(END + MINUTE)))


def test_the_bound_of_what_is_taken_stays() -> None:
    ahead = line()
    late = timedelta(milliseconds=ahead.rules.limits.max_ahead_ms + 1) / timedelta(days=1)
    assert reasons(ahead.use(GB, at=2 + late, arrives=2)) == ["time_in_future"]
