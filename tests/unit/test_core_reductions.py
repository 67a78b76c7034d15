"""Changes that leave less than was there: what now costs, or is barred, is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.effects import Audited, PolicyChanged
from streamproc.core.state.events import CostCapLifted, CostCapRestored, MemberJoined, PlanChanged
from tests.support.line import Line, day, decisions, reminders, thresholds

RULES = """
version: 1
currency: EUR
default_locale: en
plans:
  - {id: large, allowances: [{id: data, granted_bytes: 300}]}
  - {id: bare, allowances: []}
  - id: small
    allowances: [{id: data, granted_bytes: 100}]
    policies: [{id: empty, when: nothing_left, state: barred}]
  - {id: endless, allowances: [{id: all, unlimited: true}]}
  - id: dear
    allowances: [{id: data, granted_bytes: 100}]
    overage_price_minor: 10
    overage_unit_bytes: 1
    cost_cap_minor: 1000
    policies: [{id: stop, when: cost_cap, state: barred}]
  - id: careful
    allowances: [{id: data, granted_bytes: 100}]
    overage_price_minor: 10
    overage_unit_bytes: 1
    cost_cap_minor: 100
    policies: [{id: stop, when: cost_cap, state: barred}]
packs:
  - {id: month, granted_bytes: 50, validity_hours: 744}
rules:
  - {id: used, kind: usage_percent, thresholds: [50, 80, 100], category: c,
     texts: {en: "{percent}% of {bucket}"}}
  - {id: left, kind: remaining_bytes, thresholds: [0, 90], category: c, texts: {en: "{remaining}"}}
  - {id: own, kind: usage_percent, thresholds: [50, 100], bucket_kinds: [member], category: c,
     texts: {en: "{percent}% of your share"}}
  - {id: nothing, kind: zero_balance, category: c, texts: {en: "nothing left"}}
  - {id: limit, kind: spend_percent, thresholds: [80, 100], category: c, texts: {en: "{spend}"}}
"""


def line_of(plan: str) -> Line:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan=plan)
    return line


def told(line: Line, plan: str, at: float, **fields: Any) -> list[tuple[str, int]]:
    return thresholds(line.send(PlanChanged, at, plan=plan, **fields))


def test_a_downgrade_to_less_than_was_used_is_told_as_used_up_and_barred() -> None:
    line = line_of("large")
    line.use(120, at=1)
    effects = line.change_plan("small", at=2)
    assert sorted(thresholds(effects)) == [("left", 0), ("nothing", 0), ("used", 100)]
    assert [one.state for one in effects if isinstance(one, PolicyChanged)] == ["barred"]
    (one,) = [one for one in reminders(effects) if one.rule == "used"]
    assert (one.used_bytes, one.granted_bytes, one.text) == (120, 120, "100% of data")
    # What was told is not told again, and the same change again changes nothing.
    assert thresholds(line.use(5, at=3)) == []
    assert told(line, "small", at=4) == []


def test_who_paid_for_more_and_is_barred_by_another_plan_is_told_again_that_nothing_is_left() -> (
    None
):
    line = line_of("dear")
    assert sorted(thresholds(line.use(105, at=1))) == [("left", 0), ("nothing", 0), ("used", 100)]
    effects = line.change_plan("small", at=2)
    assert sorted(thresholds(effects)) == [("left", 0), ("nothing", 0), ("used", 100)]
    assert {one.state for one in effects if isinstance(one, PolicyChanged)} == {"barred"}
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids)) == 6
    assert told(line, "small", at=3) == []
    assert told(line, "dear", at=4) == []
    assert len(told(line, "small", at=5)) == 3


def test_of_packs_that_are_used_up_nothing_is_told_again_then() -> None:
    line = line_of("dear")
    line.top_up(at=0.5, pack="month")
    line.use(160, at=1)
    effects = line.change_plan("small", at=2)
    assert {one.buckets[0].id for one in reminders(effects) if one.rule == "used"} == {"data"}


def test_what_was_reached_before_the_change_is_not_told_again() -> None:
    line = line_of("large")
    assert thresholds(line.use(150, at=1)) == [("used", 50)]
    effects = line.change_plan("small", at=2)
    assert ("used", 100) in thresholds(effects)
    audits = [one for one in effects if isinstance(one, Audited)]
    superseded = [one.threshold for one in audits if one.decision == "superseded"]
    assert sorted(superseded, key=str) == [80, 90]  # 50 % was told by usage


@pytest.mark.parametrize("prorated", [False, True])
def test_an_upgrade_tells_nothing(prorated: bool) -> None:
    line = line_of("small")
    line.use(20, at=1)
    assert told(line, "large", at=2, prorated=prorated) == []
    assert told(line, "endless", at=3) == []


def test_from_unlimited_to_a_plan_that_is_used_up() -> None:
    line = line_of("endless")
    line.use(500, at=1)
    found = told(line, "small", at=2)
    assert sorted(found) == [("left", 0), ("nothing", 0), ("used", 100)]


def test_a_prorated_downgrade_is_told() -> None:
    line = line_of("large")
    line.use(250, at=1)
    assert ("used", 100) in told(line, "small", at=16, prorated=True)


def test_what_a_change_uncrosses_and_another_one_reaches_again_is_told_again() -> None:
    line = line_of("large")
    line.use(120, at=1)
    assert ("used", 100) in told(line, "small", at=2)
    assert told(line, "large", at=3) == []
    assert ("used", 100) in told(line, "small", at=4)
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids))


def test_a_plan_without_anything_at_the_cycles_end_is_told() -> None:
    line = line_of("large")
    line.change_plan("bare", at=2, effective="next_cycle")
    assert thresholds(line.reach(day(31))) == [("nothing", 0)]


def test_a_pack_that_ends_with_the_cycle_leaves_the_new_allowance() -> None:
    """It was told that nothing was left, in the instant that brought the new cycle's data."""
    line = line_of("small")
    line.top_up(at=0, pack="month")
    line.use(150 - 10, at=1)
    effects = line.reach(day(31))
    assert decisions(effects)[:2] == ["bucket_expired", "bucket_expired"]
    assert thresholds(effects) == []


def test_a_cost_cap_that_holds_again_is_told_where_it_is_reached() -> None:
    line = line_of("careful")
    line.use(108, at=1)
    line.send(CostCapLifted, 2)
    assert thresholds(line.use(20, at=3)) == []
    effects = line.send(CostCapRestored, 4)
    assert thresholds(effects) == [("limit", 100)]
    assert [one.state for one in effects if isinstance(one, PolicyChanged)] == ["barred"]
    assert thresholds(line.send(CostCapRestored, 5)) == []


def test_a_plan_with_a_lower_cost_cap_is_told_where_it_is_reached() -> None:
    line = line_of("dear")
    line.use(120, at=1)
    assert told(line, "careful", at=2) == [("limit", 100)]


def test_a_members_cap_below_what_it_used_is_told_to_the_member() -> None:
    line = line_of("large")
    line.send(MemberJoined, 0, member="861380001", cap_bytes=200)
    line.use(90, at=1, member="861380001")
    effects = line.send(MemberJoined, 2, member="861380001", cap_bytes=80)
    assert thresholds(effects) == [("own", 100)]
    assert [one.recipient for one in reminders(effects)] == ["861380001"]
    assert thresholds(line.send(MemberJoined, 3, member="861380001", cap_bytes=170)) == []
    assert thresholds(line.send(MemberJoined, 4, member="861380001")) == []
    assert thresholds(line.send(MemberJoined, 5, member="861380001", cap_bytes=170)) == [
        ("own", 50)
    ]
