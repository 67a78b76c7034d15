"""Where features of alert rules meet: what the oracle of alerts found, by example."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from streamproc.core.instants import HOUR_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import AlertPolicy, Cap
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import (
    MemberJoined,
    PreferencesSet,
    ServiceRefunded,
    UsageRefunded,
)
from tests.support.line import Line, day
from tests.support.talking import talking_rules
from tests.support.timeline import HEAD, line, story

EMPTY = "version: 1\ncurrency: EUR\ndefault_locale: en\nplans: [{id: basic, allowances: []}]\n"
ENDLESS = """\
version: 1
currency: EUR
default_locale: en
limits: {history_cycles: 3}
plans: [{id: basic, allowances: [{id: all, unlimited: true}]}]
packs: [{id: day, granted_bytes: 200, validity_hours: 24}]
"""
SAY = "category: c, texts: {en: '{threshold}'}"
HOUR = 1 / 24
NIGHT = HEAD.replace("plans:", "alerts: {quiet_hours: {start: '22:00', end: '08:00'}}\nplans:", 1)


def rules(*lines: str) -> str:
    return "rules:\n" + "".join(f"  - {{{one}, {SAY}}}\n" for one in lines)


def told(*lines: str) -> str:
    """Rules whose texts tell of no threshold."""
    return rules(*lines).replace("'{threshold}'", "'{remaining} left'")


def other_id(head: str) -> str:
    """The larger plan grants an allowance of another id."""
    return head.replace("big\n    allowances: [{id: data", "big\n    allowances: [{id: much")


def ids(one: Line) -> list[str]:
    return [effect.id for effect in one.effects if isinstance(effect, Reminder)]


# Counting and hysteresis


def test_time_that_passes_is_not_counted_as_usage() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [50], for_count: 2")
    text += f"  - {{id: idle, kind: inactivity, days: 1, at: '10:00', {SAY}}}\n".replace(
        "{threshold}", "idle"
    )
    one = line(text)
    assert story(one.use(500, at=1)) == []
    assert story(one.reach(day(4))) == ["idle: idle"]
    assert story(one.use(1, at=5)) == ["low: 50%"]


def test_what_was_counted_up_just_now_is_no_repetition() -> None:
    """It slowed down and was reached anew, with the event that makes it two in a row."""
    one = line(
        rules("id: fast, kind: velocity, thresholds: [100], window_seconds: 3600, for_count: 2")
    )
    assert story(one.use(100, at=1)) == []
    assert story(one.use(100, at=2)) == ["fast: 100 B"]


def test_a_velocity_that_slowed_down_meanwhile_alarms_again() -> None:
    """Whoever wants to know that it is over is not told so at the moment it is not."""
    text = rules("id: fast, kind: velocity, thresholds: [100], window_seconds: 3600")
    text += told("id: calm, kind: resolved, of: [fast]").removeprefix("rules:\n")
    one = line(text)
    assert story(one.use(100, at=1)) == ["fast: 100 B"]
    assert story(one.use(100, at=2)) == ["(resolved fast 100)", "fast: 100 B"]
    assert story(one.use(1, at=3)) == ["(resolved fast 100)", "calm: <1 MB left"]


def test_a_velocity_with_hysteresis_is_armed_by_the_time_that_passed() -> None:
    one = line(
        rules("id: fast, kind: velocity, thresholds: [100], window_seconds: 3600, hysteresis: 50")
    )
    assert story(one.use(100, at=1)) == ["fast: 100 B"]
    assert story(one.use(120, at=1.5)) == ["(resolved fast 100)", "fast: 100 B"]


def test_a_velocity_whose_window_becomes_longer_goes_on() -> None:
    """Parts of the window are numbered by their length: longer ones have lower numbers."""
    text = rules("id: fast, kind: velocity, thresholds: [100], window_seconds: 3600")
    one = line(text)
    one.use(50, at=1)
    one.rules = line(text.replace("3600", "7200")).rules
    assert story(one.use(60, at=1 + HOUR)) == []
    assert story(one.use(60, at=1 + 1.5 * HOUR)) == ["fast: 100 B"]
    assert one.account.extra is not None
    assert len(one.account.extra.speeds) == 1


def test_a_rule_out_of_force_remembers_nothing() -> None:
    text = rules(
        "id: new, kind: usage_percent, thresholds: [50], hysteresis: 20, evaluate_on_create: true,"
        " valid_from: '2026-01-05T00:00:00Z'"
    )
    text += told("id: again, kind: resolved, of: [new]").removeprefix("rules:\n")
    one = line(text)
    assert story(one.use(500, at=1)) == ["(out_of_validity new 50)"]
    assert story(one.change_plan("big", at=2)) == []
    one.change_plan("basic", at=3)
    assert story(one.reach(day(4))) == ["new: 50%"]


def test_a_rule_out_of_force_does_not_count() -> None:
    text = rules(
        "id: new, kind: usage_percent, thresholds: [50], for_count: 3,"
        " valid_from: '2026-01-05T00:00:00Z'"
    )
    one = line(text)
    assert story(one.use(500, at=1)) == ["(out_of_validity new 50)"]
    assert story(one.use(1, at=2)) == []
    assert story(one.use(1, at=5)) == []


def test_a_threshold_that_the_subscriber_gave_up_is_counted_no_more() -> None:
    one = line(rules("id: low, kind: usage_percent, thresholds: [50], for_count: 2"))
    assert story(one.use(500, at=1)) == []
    one.send(PreferencesSet, 2, own_percents=[90])
    assert story(one.use(1, at=3)) == []
    assert one.account.extra is not None
    assert not one.account.extra.alarms


# What is over


def test_a_cap_of_a_member_that_is_over_is_told_with_its_figures() -> None:
    text = rules("id: own, kind: usage_percent, thresholds: [50], bucket_kinds: [member]")
    text += told("id: again, kind: resolved, of: [own]").removeprefix("rules:\n")
    one = line(text)
    one.send(MemberJoined, 1, member="861380011", role="member", cap_bytes=100)
    assert story(one.use(60, at=2, member="861380011")) == ["own to 861380011: 50%"]
    effects = one.send(MemberJoined, 3, member="861380011", role="member", cap_bytes=1000)
    assert story(effects) == ["(resolved own 50)", "again to 861380011: <1 MB left"]
    again = effects[2]
    assert isinstance(again, Reminder)
    assert [bucket.id for bucket in again.buckets] == ["member:861380011"]


def test_a_cap_that_is_taken_away_is_no_news() -> None:
    text = rules("id: own, kind: usage_percent, thresholds: [50], bucket_kinds: [member]")
    text += told("id: again, kind: resolved, of: [own]").removeprefix("rules:\n")
    one = line(text)
    one.send(MemberJoined, 1, member="861380011", role="member", cap_bytes=100)
    one.use(60, at=2, member="861380011")
    assert story(one.send(MemberJoined, 3, member="861380011", role="member")) == []


def test_another_bucket_that_waits_keeps_nobody_from_hearing_that_one_is_over() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [80]")
    text += told("id: again, kind: resolved, of: [low]").removeprefix("rules:\n")
    text = text.replace("of: [low]", "of: [low], in_quiet_hours: send")
    one = line(text, head=NIGHT)
    one.use(1000, at=1.5)
    one.top_up(at=1.6, pack="day")
    assert story(one.use(200, at=1 + 23 / 24)) == ["(quiet_hours low 80)"]
    assert story(one.change_plan("big", at=2)) == ["(resolved low 80)", "again: 2 kB left"]


def test_a_bucket_that_goes_on_under_another_id_stays_what_was_told_of() -> None:
    head = other_id(HEAD)
    text = rules("id: low, kind: usage_percent, thresholds: [80]")
    text += told("id: again, kind: resolved, of: [low]").removeprefix("rules:\n")
    one = line(text, head=head)
    one.use(1000, at=1)
    assert story(one.change_plan("big", at=2)) == ["(resolved low 80)", "again: 2 kB left"]


def test_what_waits_of_a_bucket_is_still_true_when_that_has_another_id() -> None:
    head = other_id(NIGHT)
    head = head.replace("granted_bytes: 3000", "granted_bytes: 1100")
    one = line(rules("id: low, kind: usage_percent, thresholds: [80]"), head=head)
    assert story(one.use(1000, at=1 + 23 / 24)) == ["(quiet_hours low 80)"]
    one.change_plan("big", at=2)
    assert story(one.reach(day(2.5))) == ["low: 80%"]


def test_a_share_of_what_has_become_unlimited_is_reached_no_more() -> None:
    head = NIGHT.replace("[{id: data, granted_bytes: 3000}]", "[{id: data, unlimited: true}]")
    one = line(rules("id: low, kind: usage_percent, thresholds: [80]"), head=head)
    assert story(one.use(1000, at=1 + 23 / 24)) == ["(quiet_hours low 80)"]
    one.change_plan("big", at=2)
    assert story(one.reach(day(2.5))) == ["(no_longer_true low 80)"]


# Unlimited allowances


def test_something_is_left_for_as_long_as_an_allowance_is_unlimited() -> None:
    one = line(told("id: empty, kind: zero_balance"), head=ENDLESS)
    one.top_up(at=1, pack="day")
    assert story(one.use(500, at=1.1)) == []
    assert story(one.reach(day(5))) == []


def test_usage_of_an_unlimited_allowance_is_usage() -> None:
    text = rules(
        "id: step, kind: every_bytes, step_bytes: 100, of: usage",
        "id: odd, kind: anomaly, thresholds: [200], cycles: 2",
    )
    one = line(text, head=ENDLESS)
    for cycle in range(3):
        assert story(one.use(90, at=31 * cycle)) == []
    assert story(one.use(10, at=93)) == []
    assert story(one.use(170, at=94)) == ["step: 100 B", "odd: 200%"]


@pytest.mark.parametrize("kinds", ["[unlimited]", "[allowance, unlimited]"])
def test_bytes_used_are_a_threshold_of_an_unlimited_allowance(kinds: str) -> None:
    text = rules(
        f"id: used, kind: used_bytes, thresholds: [100, 900], bucket_kinds: {kinds}",
        f"id: low, kind: usage_percent, thresholds: [50], bucket_kinds: {kinds}",
    )
    one = line(text, head=ENDLESS)
    assert story(one.use(99, at=1)) == []
    assert story(one.use(1, at=2)) == ["used: 100 B"]
    one.send(UsageRefunded, 3, refunded_bytes=50)
    assert story(one.use(850, at=4)) == ["(superseded used 100)", "used: 900 B"]
    one.send(UsageRefunded, 5, refunded_bytes=1)
    assert story(one.use(1, at=6)) == ["used: 900 B"]
    assert len(set(ids(one))) == 3


# What is reached when a rule begins


@pytest.mark.parametrize(
    "rule",
    ["kind: overage_started", "kind: zero_balance", "kind: spend_amount, thresholds: [50, 90]"],
)
def test_what_is_reached_already_is_told_of_every_kind(rule: str) -> None:
    begins = "evaluate_on_create: true, valid_from: '2026-01-05T00:00:00Z'"
    one = line(told(f"id: new, {rule}, {begins}"))
    one.use(1250, at=1)
    assert "new: 0 MB left" in story(one.reach(day(4)))
    assert story(one.reach(day(20))) == []


# Own thresholds


def test_own_thresholds_hold_for_caps_of_members() -> None:
    one = line(rules("id: own, kind: usage_percent, thresholds: [50], bucket_kinds: [member]"))
    one.send(MemberJoined, 1, member="861380011", role="member", cap_bytes=100)
    one.send(PreferencesSet, 2, own_percents=[80])
    assert story(one.use(60, at=3, member="861380011")) == []
    assert story(one.use(20, at=4, member="861380011")) == ["own to 861380011: 80%"]


def test_what_a_refund_un_crosses_of_own_thresholds_is_told_again_under_another_id() -> None:
    one = line(rules("id: low, kind: usage_percent, thresholds: [50]"))
    one.send(PreferencesSet, 1, own_percents=[80])
    one.use(800, at=2)
    one.send(UsageRefunded, 3, refunded_bytes=10)
    one.use(10, at=4)
    assert len(ids(one)) == len(set(ids(one))) == 2


def test_of_several_levels_that_a_small_bucket_has_in_one_the_lowest_is_told() -> None:
    one = line(rules("id: left, kind: remaining_percent, thresholds: [0, 1, 2]"), head=EMPTY)
    one.top_up(at=1, granted_bytes=40)
    assert story(one.use(40, at=2)) == ["(superseded left 2)", "(superseded left 1)", "left: 0%"]


# Forecasts


def test_what_is_left_for_films_only_puts_no_forecast_off() -> None:
    head = HEAD.replace(
        "allowances: [{id: data, granted_bytes: 1000}]",
        "allowances: [{id: data, granted_bytes: 1000},"
        " {id: films, granted_bytes: 9000, priority: 40, rating_groups: [20]}]",
    )
    text = (
        "rules:\n  - {id: soon, kind: forecast, at: '10:00', category: c,"
        " texts: {en: '{remaining} until {runs_out}'}}\n"
    )
    one = line(text, head=head)
    one.use(500, at=0.5)
    assert story(one.reach(day(2))) == ["soon: <1 MB until 2026-01-03 20:00"]


def test_zero_balance_is_silent_while_films_are_left() -> None:
    head = HEAD.replace(
        "allowances: [{id: data, granted_bytes: 1000}]",
        "allowances: [{id: data, granted_bytes: 1000},"
        " {id: films, granted_bytes: 90, priority: 40, rating_groups: [20]}]",
    )
    one = line(told("id: empty, kind: zero_balance"), head=head)
    assert story(one.use(1000, at=0.5)) == []
    assert len(story(one.use(90, at=0.6, rating_group=20))) == 1


SOON = (
    "rules:\n  - {id: soon, kind: forecast, at: '10:00', category: c,"
    " texts: {en: '{buckets} until {runs_out}'}}\n"
)


def test_a_top_up_that_lasts_until_the_cycle_ends_takes_a_forecast_away() -> None:
    one = line(SOON)
    one.top_up(0.2, granted_bytes=100_000)
    one.use(500, at=0.5)
    assert story(one.reach(day(30))) == []


def test_a_top_up_defers_a_forecast_as_far_as_it_reaches() -> None:
    one = line(SOON)
    one.top_up(0.2, granted_bytes=500)
    one.use(500, at=0.5)
    # 1000 are left of the two, of which 500 last for 34 hours.
    (told,) = story(one.reach(day(2)))
    assert told.endswith("until 2026-01-05 06:00")


def test_a_top_up_counts_until_its_own_end() -> None:
    one = line(SOON)
    one.top_up(0.2, granted_bytes=100_000, expires_time=day(3))
    one.use(500, at=0.5)
    (told,) = story(one.reach(day(2)))
    # The allowance lasts for 34 hours, and the top-up until its end four hours later.
    assert told.endswith("until 2026-01-04 00:00")


def test_the_rate_of_a_forecast_is_of_all_home_data_whatever_it_was_charged_to() -> None:
    one = line(SOON)
    one.top_up(0.2, pack="day")
    one.use(150, at=0.5)
    # 150 in 34 hours, all of them of a pack that is over: the 1000 last for nearly 227 hours.
    (told,) = story(one.reach(day(2)))
    assert told.endswith("until 2026-01-11 20:40")


# The gate


def capped(messages: int) -> Rulebook:
    base = talking_rules()
    at_once = {one.kind: replace(one, mandatory=False) for one in base.notices.values()}
    return Rulebook(
        tuple(base.plans.values()), (), (), (), base.limits, "en", "EUR",
        AlertPolicy(caps=(Cap(messages, HOUR_MS),)),
        services=tuple(base.services.values()),
        notices=tuple(at_once.values()),
        commands=base.commands,
    )  # fmt: skip


def test_a_cap_counts_each_of_several_notices_that_waited_for_it() -> None:
    one = Line(capped(2))
    one.activate(plan="small")  # the welcome is the first message
    sent: list[float] = []
    for number in range(5):
        at = number / 10_000
        fields: dict[str, Any] = {"service": "video", "amount_minor": number + 1}
        one.send(ServiceRefunded, at, **fields)
    one.reach(day(1))
    texts = [effect for effect in one.effects if isinstance(effect, Reminder)]
    sent = [(effect.as_of - day(0)).total_seconds() for effect in texts]
    assert len(sent) == 6
    for index in range(len(sent) - 2):
        assert sent[index + 2] - sent[index] >= 3600


def test_two_packs_that_end_at_one_instant_are_two_messages_of_a_group_too() -> None:
    text = (
        "rules:\n  - {id: ends, kind: before_expiry, days_before: 1, at: '10:00', group: g,"
        " category: c, texts: {en: '{bucket}'}}\n"
    )
    head = HEAD.replace("validity_hours: 24", "validity_hours: 96")
    one = line(text, head=head)
    one.top_up(at=1, pack="day")
    one.top_up(at=1, pack="day")
    assert story(one.reach(day(6))) == ["ends: day", "ends: day"]


def test_two_packs_of_a_group_that_waited_are_told_each() -> None:
    text = (
        "rules:\n  - {id: ends, kind: before_expiry, days_before: 1, at: '23:00', group: g,"
        " category: c, texts: {en: '{bucket}'}}\n"
    )
    head = NIGHT.replace("validity_hours: 24", "validity_hours: 96")
    one = line(text, head=head)
    one.top_up(at=1.6, pack="day")
    one.top_up(at=1.6, pack="day")
    assert story(one.reach(day(6))) == [
        "(quiet_hours ends)",
        "(quiet_hours ends)",
        "ends: day",
        "ends: day",
    ]


def test_of_equal_rules_that_are_over_the_first_reached_is_named_in_every_process() -> None:
    """The order of a set would be another one in another process: states and ids would differ."""
    names = [f"low-{number}" for number in range(9)]
    text = rules(*(f"id: {name}, kind: usage_percent, thresholds: [{40 + number}], hysteresis: 1"
                   for number, name in enumerate(names)))  # fmt: skip
    text += rules(f"id: over, kind: resolved, of: [{', '.join(names)}]").removeprefix("rules:\n")
    one = line(text)
    one.use(500, at=1)
    said = [line for line in story(one.change_plan("big", at=2)) if "over:" in line]
    assert said == ["over: 40%"]
