"""Instants, DST, the account's clock and what falls due."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from streamproc.contracts.rules_file.load import RulesError, load_rulebook
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Allowance, Plan, TimedRule
from streamproc.core.schedule.calendar import known_zone, local_instant_ms
from streamproc.core.state.events import ProfileChanged
from tests.support.line import (
    EXPIRY,
    GB,
    SUBSCRIBER,
    TEXT,
    WEEKLY,
    Line,
    day,
    decisions,
    reminders,
    rulebook,
    thresholds,
)


def test_an_instant_belongs_to_the_millisecond_it_lies_in() -> None:
    last = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert to_ms(last) == to_ms(datetime(2026, 2, 1, tzinfo=UTC)) - 1


@pytest.mark.parametrize("minute", range(60))
def test_a_time_in_a_dst_gap_is_the_gaps_end_to_the_millisecond(minute: int) -> None:
    gap_end = to_ms(datetime(2026, 3, 29, 1, tzinfo=UTC))
    berlin = known_zone("Europe/Berlin")
    assert local_instant_ms(date(2026, 3, 29), time(2, minute), berlin) == gap_end


def test_a_top_up_that_is_over_already_does_not_repeat_earlier_reminders() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY,)))
    line.activate()
    assert thresholds(line.reach(day(4.5))) == [("weekly", 0)]
    line.top_up(at=1, arrives=5, granted_bytes=GB, expires_time=day(2))
    assert thresholds(line.reach(day(10))) == []


def test_no_timed_reminder_for_an_instant_before_its_pack_was_known() -> None:
    line = Line(rulebook(timed_rules=(EXPIRY,)))
    line.activate()
    # Expires on day 8; the reminder would have been due on day 7 at ten.
    line.top_up(at=1, arrives=7.5, pack="extra")
    assert thresholds(line.reach(day(9))) == []


def test_no_timed_reminder_for_an_instant_before_the_account_was_known() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY,)))
    line.activate(at=0, arrives=12)
    effects = line.reach(day(20))
    assert [one.as_of for one in reminders(effects)] == [day(18) + timedelta(hours=9)]


def test_a_late_activation_still_closes_the_cycles_since() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY,)))
    line.activate(at=0, arrives=35)
    assert "cycle_closed" in decisions(line.reach(day(35)))
    assert line.account.cycle_start_ms == to_ms(day(31))


def test_a_new_rule_does_not_remind_of_its_past() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY,)))
    line.activate()
    line.reach(day(4.5))
    daily = TimedRule(
        "daily", "usage_summary", time(8), TEXT, "s", False, 1, DAY_MS, DAY_MS, every="day"
    )
    line.rules = rulebook(timed_rules=(WEEKLY, daily))
    effects = line.use(1, at=9.1) + line.reach(day(9.4))
    assert thresholds(effects) == [("daily", 0)]


@pytest.mark.parametrize(
    ("zones", "cron", "at_hour"),
    [
        (("Etc/UTC", "Etc/GMT-3"), "0 9,12 * * *", 9),
        (("Etc/UTC", "Etc/GMT-3", "Etc/GMT-6"), "0 9,12,15 * * *", 9),
        (("Etc/GMT+10", "Etc/GMT-14"), "0 9 * * *", 19),
    ],
    ids=["two times of a day", "two moves", "one time of two days"],
)
def test_two_local_times_at_one_instant_are_two_reminders(
    zones: tuple[str, ...], cron: str, at_hour: int
) -> None:
    rule = TimedRule("cron", "cron", time(), TEXT, "s", False, 1, DAY_MS, DAY_MS, cron=cron)
    line = Line(rulebook(timed_rules=(rule,)))
    line.activate(zone=zones[0])
    line.reach(day(3) + timedelta(hours=at_hour, minutes=-1))
    effects = line.reach(day(3) + timedelta(hours=at_hour, minutes=5))
    for number, name in enumerate(zones[1:]):
        when = day(3) + timedelta(hours=at_hour, minutes=10 + number)
        move = ProfileChanged(f"move-{number}", "crm", SUBSCRIBER, when, time_zone=name)
        effects += line.feed(move, when)
    found = reminders(effects)
    assert len(found) == len(zones)
    assert len({one.id for one in found}) == len(zones)


def test_what_was_due_under_the_old_rules_is_not_lost_with_the_new_ones() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY,)))
    line.activate()
    line.rules = rulebook(
        plans=(Plan("basic", (Allowance("data", GB, 50),)),), timed_rules=(WEEKLY,)
    )
    assert thresholds(line.reach(day(4.5))) == [("weekly", 0)]


def test_next_cycle_ordered_before_the_cycles_end_holds_though_it_arrives_after() -> None:
    plans = (
        Plan("basic", (Allowance("data", GB, 50),)),
        Plan("big", (Allowance("data", 9 * GB, 50),)),
    )
    line = Line(rulebook(plans=plans))
    line.activate()
    line.use(GB // 2, at=31.2)
    line.change_plan("big", at=30.9, arrives=31.3, effective="next_cycle")
    assert line.account.plan == "big"
    assert line.bucket("data").granted_bytes == 9 * GB
    assert line.bucket("data").used_bytes == GB // 2


def test_a_rule_that_would_come_after_the_cycles_end_is_refused() -> None:
    text = """
version: 1
currency: EUR
default_locale: en
plans: [{id: basic, allowances: []}]
rules:
  - {id: end, kind: before_cycle_end, days_before: 0, at: "10:00", category: s, texts: {en: end}}
"""
    with pytest.raises(RulesError, match=r"^rules.yaml:7: rules\[0\].days_before: "):
        load_rulebook(text, "rules.yaml")
