"""Held over a cycle's end: that data cost is told, of the cycle in which they did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import MemberJoined, OptedOut, UsageRefunded
from tests.support.line import Line, day, decisions, reminders

RULES = """
version: 1
currency: EUR
default_locale: en
alerts:
  quiet_hours: {start: "22:00", end: "08:00"}
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 100}]
    overage_price_minor: 1
    overage_unit_bytes: 1
rules:
  - id: costs
    kind: overage_started
    category: money
    texts:
      en: "{as_of, date, ::MMMd} {as_of, time, ::Hm}: {remaining, plural, =0 {used up} other {data
        left}}, {overage, plural, =0 {free} other {it cost {spend}}}"
  - id: low
    kind: usage_percent
    thresholds: [80]
    category: balance
    texts: {en: "{percent}%"}
  - {id: well, kind: resolved, of: [costs], category: money, texts: {en: "all is well"}}
"""
NIGHT = 30.95
"""22:48 on the last day of January."""
MORNING = 31 + 8 / 24


def line_of(rules: str = RULES) -> Line:
    line = Line(load_rulebook(rules, "r.yaml"))
    line.activate()
    return line


def over_the_end(line: Line, until: float = MORNING) -> list[Reminder]:
    line.use(100, at=10)
    assert decisions(line.use(5, at=NIGHT)) == ["quiet_hours"]
    line.effects = []
    line.reach(day(until))
    return reminders(line.effects)


def test_it_speaks_of_the_cycles_last_instant_and_is_delivered_when_nothing_holds_it() -> None:
    line = line_of()
    said = [one for one in over_the_end(line) if one.rule == "costs"]
    assert [one.text for one in said] == ["Feb 1 00:00: used up, it cost €0.05"]
    (one,) = said
    assert (one.as_of, one.not_before) == (day(31), day(MORNING))
    assert (one.overage_bytes, one.cycle_start, one.cycle_end) == (5, day(0), day(31))
    assert one.expires_time - one.not_before == timedelta(days=1)  # the rule's ttl_seconds
    assert "no_longer_true" not in decisions(line.effects)


def test_nothing_is_said_twice_and_its_end_is_told_after_it() -> None:
    line = line_of()
    said = over_the_end(line, until=33)
    assert [(one.rule, one.not_before) for one in said] == [
        ("costs", day(MORNING)),
        ("well", day(MORNING)),
    ]


WAITED = MORNING - 20
"""The morning after usage of the night before."""


def costing_at_night() -> Line:
    line = line_of(RULES.replace("plans:\n", MORE))
    line.use(100, at=10)
    assert decisions(line.use(5, at=WAITED - 0.4)) == ["quiet_hours"]
    line.effects = []
    return line


MORE = """\
plans:
  - id: big
    allowances: [{id: data, granted_bytes: 500}]
    overage_price_minor: 1
    overage_unit_bytes: 1
"""
ENDED = "it cost €0.05"


def test_what_a_top_up_ends_in_the_night_is_told_as_of_then() -> None:
    line = costing_at_night()
    line.top_up(at=WAITED - 0.3, granted_bytes=50)
    (said,) = [one for one in reminders(line.effects) if one.rule == "costs"]
    assert said.text == "Jan 12 00:48: used up, it cost €0.05"
    assert (said.not_before, said.overage_bytes) == (day(WAITED), 5)
    line.reach(day(WAITED + 1))
    assert [one.rule for one in reminders(line.effects)] == ["costs", "well"]
    assert "no_longer_true" not in decisions(line.effects)


@pytest.mark.parametrize("is_closed", [False, True])
def test_what_another_plan_or_the_closing_ends_is_told_as_of_then(is_closed: bool) -> None:
    line = costing_at_night()
    if is_closed:
        line.close(WAITED - 0.3)
    else:
        line.change_plan("big", WAITED - 0.3)
    (said,) = [one for one in reminders(line.effects) if one.rule == "costs"]
    assert (said.text[-len(ENDED) :], said.not_before) == (ENDED, day(WAITED))
    line.reach(day(WAITED + 1))
    assert [one.rule for one in reminders(line.effects)].count("costs") == 1


def test_what_was_taken_back_cost_nothing_and_is_dropped() -> None:
    line = costing_at_night()
    line.send(UsageRefunded, WAITED - 0.3, refunded_bytes=5)
    line.reach(day(WAITED + 1))
    assert [one.rule for one in reminders(line.effects)] == []
    assert decisions(line.effects).count("no_longer_true") == 1


def test_an_event_that_ends_nothing_says_nothing() -> None:
    line = costing_at_night()
    line.top_up(at=WAITED - 0.35, pack="unknown")
    line.change_plan("big", WAITED - 0.3, effective="next_cycle")
    assert reminders(line.effects) == []
    line.reach(day(WAITED))
    assert [one.not_before for one in reminders(line.effects)] == [day(WAITED)]


def test_a_price_of_nothing_that_a_top_up_ends_is_no_news() -> None:
    line = line_of(RULES.replace("overage_price_minor: 1", "overage_price_minor: 0"))
    line.use(100, at=10)
    line.use(5, at=WAITED - 0.4)
    line.effects = []
    line.top_up(at=WAITED - 0.3, granted_bytes=50)
    line.reach(day(WAITED))
    assert [one.rule for one in reminders(line.effects)] == []


def test_levels_of_the_cycle_that_is_over_are_no_news() -> None:
    line = line_of()
    line.use(90, at=NIGHT)
    line.effects = []
    line.reach(day(MORNING))
    assert reminders(line.effects) == []
    assert "no_longer_true" in decisions(line.effects)


def test_who_opted_out_meanwhile_is_told_nothing() -> None:
    line = line_of()
    line.use(100, at=10)
    line.use(5, at=NIGHT)
    line.send(OptedOut, NIGHT + 0.01, category="money")
    line.effects = []
    line.reach(day(33))
    assert reminders(line.effects) == []


def test_a_cap_counts_it_when_it_is_delivered() -> None:
    caps = "alerts:\n  caps: [{messages: 1, window_hours: 24}]\n"
    line = line_of(RULES.replace("alerts:\n", caps))
    line.use(80, at=30.4)
    assert [one.rule for one in reminders(line.effects)] == ["low"]
    line.use(20, at=30.5)
    assert decisions(line.use(5, at=30.6)) == ["capped"]
    line.effects = []
    line.reach(day(31.1))
    (said,) = reminders(line.effects)
    assert (said.as_of, said.not_before) == (day(31), day(31.4))
    line.effects = []
    line.use(80, at=31.9)
    assert reminders(line.effects) == []
    assert "capped" in decisions(line.effects)


@pytest.mark.parametrize("audience", ["account_holder", "both"])
def test_each_of_a_pool_is_told(audience: str) -> None:
    line = line_of(
        RULES.replace("kind: overage_started", f"kind: overage_started\n    audience: {audience}")
    )
    line.send(MemberJoined, 1, member="861380001", role="owner")
    said = [one for one in over_the_end(line) if one.rule == "costs"]
    assert {one.recipient for one in said} == {"861380001"}
    assert {one.not_before for one in said} == {day(MORNING)}


CAPPED = RULES.replace("_minor: 1\n", "_minor: 1\n    cost_cap_minor: 20\n")
SPENT = """\
  - {id: spent, kind: spend_percent, thresholds: [100], category: money, texts: {en: "{spend}"}}
"""


@pytest.mark.parametrize("rules", [CAPPED, CAPPED + SPENT])
def test_what_a_cost_cap_ends_in_the_night_is_told_as_of_then(rules: str) -> None:
    line = line_of(rules)
    line.use(100, at=10)
    line.use(5, at=WAITED - 0.4)
    line.use(1, at=WAITED - 0.35)
    line.effects = []
    line.use(30, at=WAITED - 0.3)
    (said,) = reminders(line.effects)
    assert (said.text, said.not_before) == ("Jan 12 00:48: used up, it cost €0.06", day(WAITED))
    line.use(30, at=WAITED - 0.2)
    line.reach(day(WAITED + 1))
    told = [(one.rule, one.text) for one in reminders(line.effects)]
    assert [text for rule, text in told if rule == "costs"] == [said.text]
    assert [text for rule, text in told if rule == "spent"] == ["€0.20"] * ("spent" in rules)
    assert "no_longer_true" not in decisions(line.effects)


def test_one_event_up_to_the_cap_leaves_no_byte_that_costs() -> None:
    line = line_of(CAPPED)
    line.use(100, at=10)
    assert decisions(line.use(30, at=WAITED - 0.3)) == []
    line.reach(day(WAITED + 1))
    assert [one for one in reminders(line.effects) if one.rule == "costs"] == []
