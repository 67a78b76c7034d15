"""No two reminders have one id, also if everything happens in one millisecond (law 5).

Dispatchers drop a reminder whose id they know. tests/property/test_alerts_against_oracle.py has
whole histories that arrive at once.
"""

from __future__ import annotations

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import UsageRule
from streamproc.core.rules.sending import Policy
from tests.support.line import ALL_KINDS, GB, TEXT, Line, day, reminders, rulebook
from tests.support.talking import Talking
from tests.support.timeline import line

COSTS = """\
rules:
  - {id: costs, kind: overage_started, category: money, texts: {en: "{price}"}}
  - {id: over, kind: resolved, of: [costs], category: money, texts: {en: "no more costs"}}
"""
NOW = 5.0


def ids(one: Line) -> list[str]:
    return [reminder.id for reminder in reminders(one.effects)]


def test_a_threshold_that_usage_reaches_twice_in_one_millisecond() -> None:
    one = line(COSTS)
    one.use(1100, at=1, arrives=NOW)
    one.top_up(at=2, arrives=NOW, granted_bytes=200)
    one.use(300, at=3, arrives=NOW)
    one.top_up(at=4, arrives=NOW, granted_bytes=500)

    told = [(reminder.rule, reminder.as_of) for reminder in reminders(one.effects)]
    assert told == [(rule, day(NOW)) for rule in ("costs", "over", "costs", "over")]
    assert len(set(ids(one))) == 4


def test_a_threshold_that_ends_of_packs_reach_twice_in_one_millisecond() -> None:
    """They were bought and over before they became known."""
    one = line(COSTS)
    one.use(1100, at=1, arrives=NOW)
    for end in (3, 4):
        one.top_up(at=2, arrives=NOW, granted_bytes=200, expires_time=day(end))
        one.reach(day(NOW))
    costs = [reminder.id for reminder in reminders(one.effects) if reminder.rule == "costs"]
    assert len(costs) == len(set(costs)) == 3


def test_a_rule_begins_once_although_a_pack_ended_at_its_first_instant() -> None:
    begin = day(4)
    policy = Policy(evaluate_on_create=True, valid_from_ms=to_ms(begin))
    rule = UsageRule("new", "usage_percent", (50,), ALL_KINDS, TEXT, "a", False, 5, DAY_MS, policy)
    one = Line(rulebook(usage_rules=(rule,)))
    one.activate()
    one.use(6 * GB, at=1)
    assert len(reminders(one.reach(day(NOW)))) == 1
    one.top_up(at=3, arrives=NOW, granted_bytes=GB, expires_time=begin)
    one.reach(day(6))
    assert len(ids(one)) == 1


def test_a_zone_that_was_entered_twice_within_a_second() -> None:
    """At a border, by a feed that knows whole seconds."""
    one = Talking()
    one.begin()
    before = len(ids(one))
    for zone in ("eu", "asia", "eu"):
        one.locate(zone, 1)
    assert len(set(ids(one)[before:])) == 3
