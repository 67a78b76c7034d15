"""The gate by example: each way of holding a message back, as a timeline (law 16)."""

from __future__ import annotations

from datetime import time
from typing import Any

from msgspec.structs import replace

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Allowance, Limits, Plan, Rulebook, TimedRule, UsageRule
from streamproc.core.rules.sending import AlertPolicy, Cap, Policy, QuietHours
from streamproc.core.state.account import pack, unpack
from streamproc.core.state.effects import Audited, Effect, Reminder
from streamproc.core.state.events import MemberJoined
from streamproc.core.step.transition import advance
from tests.support.line import (
    ALL_KINDS,
    EXPIRY,
    SUBSCRIBER,
    TEXT,
    WEEKLY,
    Line,
    day,
    reminders,
    rulebook,
)

HOUR_MS = DAY_MS // 24
NIGHT = AlertPolicy(QuietHours(time(22), time(8)))


def rule(name: str, *thresholds: int, kind: Any = "usage_percent", **fields: Any) -> UsageRule:
    mandatory, priority = fields.pop("mandatory", False), fields.pop("priority", 5)
    policy = Policy(**fields)
    return UsageRule(
        name, kind, thresholds, ALL_KINDS, TEXT, "usage", mandatory, priority, DAY_MS, policy
    )


def line(*rules: UsageRule, alerts: AlertPolicy, timed: tuple[TimedRule, ...] = ()) -> Line:
    plans = (Plan("basic", (Allowance("data", 1000, 50),)),)
    book = Rulebook(plans, (), rules, timed, Limits(), "en", "EUR", alerts)
    one = Line(book)
    one.activate()
    return one


def story(effects: list[Effect]) -> list[str]:
    """What was sent (with the bytes used that it tells of) and what was decided, in order."""
    told = []
    for one in effects:
        if isinstance(one, Reminder):
            level = f" {one.threshold.value}" if one.threshold else ""
            told.append(f"{one.rule}{level}: {one.used_bytes}")
        elif isinstance(one, Audited) and one.decision != "fired":  # it repeats the reminder
            level = "" if not isinstance(one.threshold, int) else f" {one.threshold}"
            told.append(f"{one.decision} {one.rule}{level}")
    return told


def test_quiet_hours_hold_a_reminder_and_it_tells_figures_of_the_morning() -> None:
    one = line(rule("low", 50, 80), alerts=NIGHT)
    assert story(one.use(500, at=1 + 23 / 24)) == ["quiet_hours low 50"]
    assert story(one.use(100, at=2)) == []
    assert story(one.reach(day(2 + 8 / 24 - 0.001))) == []
    released = one.reach(day(2 + 8 / 24))
    assert story(released) == ["low 50: 600"]
    reminder = released[0]
    assert isinstance(reminder, Reminder)
    assert reminder.as_of == reminder.not_before == day(2 + 8 / 24)
    assert reminder.cause.event_id == "e1"
    assert reminder.cause.due_time == day(2 + 8 / 24)
    assert one.account.extra is None


def test_the_instant_of_their_begin_is_quiet_and_that_of_their_end_is_not() -> None:
    one = line(rule("low", 50, 80), alerts=NIGHT)
    assert story(one.use(500, at=1 + 22 / 24)) == ["quiet_hours low 50"]
    assert story(one.reach(day(2 + 8 / 24))) == ["low 50: 500"]
    assert story(one.use(300, at=2 + 8 / 24)) == ["low 80: 800"]


def test_what_a_top_up_made_untrue_is_dropped_with_a_record() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    # The plan's bucket cannot be topped up; a larger plan lifts its threshold.
    one.rules = Rulebook(
        (
            Plan("basic", (Allowance("data", 1000, 50),)),
            Plan("big", (Allowance("data", 2000, 50),)),
        ),
        (),
        one.rules.usage_rules,
        (),
        Limits(),
        "en",
        "EUR",
        NIGHT,
    )
    one.change_plan("big", at=2)
    assert story(one.reach(day(3))) == ["no_longer_true low 50"]
    assert story(one.use(500, at=3.5)) == ["low 50: 1000"]


def test_a_cycle_that_ended_in_the_night_takes_its_reminders_with_it() -> None:
    one = line(rule("low", 80), alerts=NIGHT)
    assert story(one.use(800, at=30 + 23 / 24)) == ["quiet_hours low 80"]
    assert story(one.reach(day(31.5))) == [
        "bucket_expired UNSET",
        "cycle_closed UNSET",
        "no_longer_true low 80",
    ]
    # The same threshold of the new cycle is another matter, also when it is reached at night.
    again = line(rule("low", 80), alerts=NIGHT)
    again.use(800, at=30 + 23 / 24)
    assert story(again.use(900, at=31.1))[-2:] == ["superseded low 80", "quiet_hours low 80"]
    assert story(again.reach(day(31.5))) == ["low 80: 900"]


def test_a_higher_threshold_takes_the_place_of_one_that_waits() -> None:
    one = line(rule("low", 50, 80), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    assert story(one.use(300, at=2)) == ["superseded low 50", "quiet_hours low 80"]
    assert story(one.reach(day(3))) == ["low 80: 800"]


def test_rules_that_may_pass_quiet_hours_do() -> None:
    one = line(rule("low", 50, in_quiet_hours="send"), alerts=NIGHT)
    assert story(one.use(500, at=1 + 23 / 24)) == ["low 50: 500"]


def test_quiet_hours_are_of_the_subscribers_clocks() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.state = None
    one.activate(zone="Asia/Shanghai")
    assert story(one.use(500, at=1 + 15 / 24)) == ["quiet_hours low 50"]  # 23:00 in Shanghai
    assert story(one.reach(day(2))) == ["low 50: 500"]  # 08:00 there


def test_a_cool_down_delays_the_next_one_and_merges_what_comes_meanwhile() -> None:
    one = line(rule("low", 10, 20, 30, 40, cool_down_ms=6 * HOUR_MS), alerts=AlertPolicy())
    assert story(one.use(100, at=1)) == ["low 10: 100"]
    assert story(one.use(100, at=1.1)) == ["cool_down low 20"]
    assert story(one.use(100, at=1.2)) == ["superseded low 20", "cool_down low 30"]
    assert story(one.use(50, at=1.24)) == []
    assert story(one.reach(day(1.25))) == ["low 30: 350"]
    assert story(one.use(50, at=1.3)) == ["cool_down low 40"]
    assert story(one.reach(day(1.5))) == ["low 40: 400"]
    assert story(one.reach(day(1.75))) == []


def test_a_cap_counts_all_rules_and_lets_the_most_urgent_through() -> None:
    rules = (
        rule("first", 10),
        rule("minor", 50),
        rule("grave", 60, severity="critical"),
        rule("law", 70, mandatory=True),
    )
    one = line(*rules, alerts=AlertPolicy(caps=(Cap(1, DAY_MS),)))
    assert story(one.use(100, at=1)) == ["first 10: 100"]
    assert story(one.use(500, at=1.5)) == ["capped grave 60", "capped minor 50"]
    assert story(one.use(100, at=1.6)) == ["law 70: 700"]  # passes, and counts
    assert story(one.reach(day(2.5))) == ["capped grave 60", "capped minor 50"]
    assert story(one.reach(day(2.6))) == ["grave 60: 700", "capped minor 50"]
    assert story(one.reach(day(3.6))) == ["minor 50: 700"]
    assert story(one.reach(day(4.6))) == []


def test_a_group_is_told_in_one_message_the_most_urgent() -> None:
    percent = rule("percent", 50, group="balance", coalesce_ms=HOUR_MS)
    left = rule("left", 400, kind="remaining_bytes", group="balance", severity="warning")
    one = line(percent, left, alerts=AlertPolicy())
    assert story(one.use(500, at=1)) == ["coalescing percent 50"]
    assert story(one.use(100, at=1.01)) == ["merged percent 50", "left 400: 600"]
    assert story(one.reach(day(2))) == []
    both = line(percent, left, alerts=AlertPolicy())
    assert story(both.use(600, at=1)) == ["merged percent 50", "left 400: 600"]
    alone = line(percent, left, alerts=AlertPolicy())
    alone.use(500, at=1)
    assert story(alone.reach(day(1) + (day(1 / 24) - day(0)))) == ["percent 50: 500"]


def test_outside_of_its_validity_a_rule_says_nothing() -> None:
    until_ms = to_ms(day(2))
    one = line(rule("low", 50, 80, valid_until_ms=until_ms), alerts=AlertPolicy())
    assert story(one.use(500, at=1)) == ["low 50: 500"]
    assert story(one.use(300, at=2)) == ["out_of_validity low 80"]


def test_who_opts_out_in_the_night_is_not_told_in_the_morning() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    assert story(one.opt("usage", at=2)) == ["left_category UNSET", "opted_out low 50"]
    assert story(one.reach(day(3))) == []


def test_a_rule_that_is_gone_is_not_told_any_more() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    one.rules = line(rule("other", 50), alerts=NIGHT).rules
    assert story(one.reach(day(3))) == ["no_longer_true low 50"]


def test_closing_the_account_drops_what_waits() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    assert story(one.close(at=2))[:2] == ["bucket_expired UNSET", "no_longer_true low 50"]
    assert story(one.reach(day(3))) == []


def test_summaries_are_held_too_and_tell_figures_of_then() -> None:
    early = replace(WEEKLY, at=time(3))
    one = line(alerts=NIGHT, timed=(early,))
    assert story(one.reach(day(4.2))) == ["quiet_hours weekly"]  # Monday, 03:00
    one.use(10, at=4.25)
    assert story(one.reach(day(4.5))) == ["weekly: 10"]


def test_a_worker_that_comes_back_at_night_wakes_nobody() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    one.use(500, at=1 + 23 / 24)
    assert one.state is not None
    late_ms = to_ms(day(2 + 23 / 24))  # fifteen hours after the release was due
    account, effects = advance(
        unpack(one.state), SUBSCRIBER, late_ms, one.rules, one.ids, lateness_counts=True
    )
    assert story(effects) == ["quiet_hours low 50"]
    assert account is not None
    one.state = pack(account)
    assert story(one.reach(day(3 + 8 / 24))) == ["low 50: 500"]


def test_the_subscribers_own_quiet_hours_come_first() -> None:
    one = line(rule("low", 50), alerts=NIGHT)
    account = one.account
    from streamproc.core.state.account import rare_state_of

    rare_state_of(account).quiet_minutes = [12 * 60, 13 * 60]
    one.state = pack(account)
    assert story(one.use(500, at=1 + 12.5 / 24)) == ["quiet_hours low 50"]
    assert story(one.reach(day(1 + 13 / 24))) == ["low 50: 500"]


def test_two_packs_that_end_at_one_instant_are_two_messages_with_extra_state_too() -> None:
    for has_extra in (False, True):
        line = Line(rulebook(timed_rules=(EXPIRY,), usage_rules=()))
        line.activate()
        if has_extra:
            line.send(MemberJoined, at=0.5, member="861380001", role="owner")
        line.top_up(at=1, pack="extra")
        line.top_up(at=1, pack="extra")
        told = [one.buckets[0].id for one in reminders(line.reach(day(8)))]
        assert told == ["extra#1", "extra#2"]
