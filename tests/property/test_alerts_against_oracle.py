"""Every kind of alert rule and the gate, against the naive oracle, record by record."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.account_rules import AlertRules, ResolvedRule, WatchRule
from streamproc.core.rules.kinds import BUCKET_KINDS, CHECK_KINDS, WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import AlertPolicy, Policy
from tests.property import alert_walks
from tests.property.budget import budget
from tests.property.rulebooks import HOUR_MS, TEXTS
from tests.property.world import World
from tests.support.line import day

NAMES = ("861380000001", "861380000002")
STARTS = (
    day(0),
    day(75),  # clocks change in spring within the fortnight
    day(290),  # and in autumn
)


def live(
    rules: Rulebook,
    seed: int,
    records: int,
    start: datetime,
    later: Rulebook | None = None,
    times: int = 1,
    together_ms: int = 1,
) -> World:
    """A history, compared after each of its records; ``later`` rules hold for its second half.

    Records of ``together_ms`` arrive in one millisecond, at the end of that time.
    """
    world = World(rules, to_ms(start))
    walk = alert_walks.walk(seed, world.clock_ms, records, NAMES)
    longer = alert_walks.stretched(walk, world.clock_ms, times)
    for number, (stamp_ms, event) in enumerate(longer):
        stamp_ms = -(-stamp_ms // together_ms) * together_ms
        if later is not None and number == records // 2:
            world.change_rules(later)
        if isinstance(event, dict):
            world.clock_ms = max(world.clock_ms, stamp_ms)
            world.send(event, stamp_ms)
        else:
            world.arrive(NAMES[0].encode(), event, stamp_ms)
    world.clock_ms += 40 * DAY_MS
    world.finish()
    return world


@budget(40)
@given(
    rules=alert_walks.alert_rulebooks(),
    seed=st.integers(0, 2**32 - 1),
    start=st.sampled_from(STARTS),
)
def test_histories_under_any_alert_rules(rules: Rulebook, seed: int, start: datetime) -> None:
    live(rules, seed, 60, start)


@budget(10)
@given(
    rules=alert_walks.alert_rulebooks(),
    later=alert_walks.alert_rulebooks(),
    seed=st.integers(0, 2**32 - 1),
)
def test_histories_under_alert_rules_that_change(
    rules: Rulebook, later: Rulebook, seed: int
) -> None:
    """What caps count begins when they are in force, so those stay."""
    live(rules, seed, 80, STARTS[0], alert_walks.sent_as(rules, later))


@budget(10)
@given(
    rules=alert_walks.alert_rulebooks(),
    seed=st.integers(0, 2**32 - 1),
    together_ms=st.sampled_from([HOUR_MS, DAY_MS, 10 * DAY_MS]),
)
def test_a_backlog_that_arrives_at_once(rules: Rulebook, seed: int, together_ms: int) -> None:
    live(rules, seed, 60, STARTS[0], together_ms=together_ms)


@pytest.mark.parametrize("seed", [0, 8, 75])
def test_a_backlog_that_arrives_at_once_under_every_kind_of_rule(seed: int) -> None:
    """Thresholds are reached again in one millisecond: by usage, and by packs that ended long ago
    (75). Reasons end in one millisecond (8)."""
    live(alert_walks.everything(), seed, 150, STARTS[0], together_ms=10 * DAY_MS)


@pytest.mark.parametrize("seed", [1, 7, 11])
def test_rules_that_ask_for_fewer_events_than_were_counted(seed: int) -> None:
    """In these lives three of four events are counted when the rules change to one."""
    live(costs_after(4), seed, 80, STARTS[0], costs_after(1))


def costs_after(events: int) -> Rulebook:
    policy = Policy(for_count=events, hysteresis=21)
    costs = WatchRule("costs", "overage_started", (), TEXTS, "law", False, 2, DAY_MS, policy)
    over = ResolvedRule("over", frozenset({"costs"}), TEXTS, "law", False, 7, DAY_MS)
    alerts = AlertRules((costs,), (), (over,))
    return alert_walks.made((), alerts, AlertPolicy(None, ()), has_others=False)


@cache
def everything() -> list[World]:
    """Histories long enough to meet each kind of rule, and each decision about a message."""
    rules = alert_walks.everything()
    lives = [live(rules, seed, 200, STARTS[seed]) for seed in range(3)]
    return [*lives, live(rules, 3, 200, STARTS[0], times=12)]


def test_the_histories_meet_every_kind_of_rule_and_every_decision() -> None:
    """What is never met is not tested."""
    wanted = [one for world in everything() for one in world.wanted.values()]
    kinds = {kind for one in wanted for kind, count in one.reminders_by_kind.items() if count}
    assert kinds >= {*BUCKET_KINDS, *WATCH_KINDS, *CHECK_KINDS, "resolved"}
    decisions = {decision for one in wanted for decision, count in one.audit.items() if count}
    assert decisions >= {
        *("quiet_hours", "capped", "cool_down", "coalescing", "merged", "no_longer_true"),
        *("superseded", "hysteresis", "resolved", "opted_out", "out_of_validity"),
    }
    assert any(key.recipient for one in wanted for key in one.reminders)


@pytest.mark.slow_property
@pytest.mark.parametrize("seed", range(30))
def test_very_long_alert_histories(seed: int) -> None:
    rules = alert_walks.everything()
    live(rules, 2000 + seed, 2000, STARTS[seed % 3], times=1 + seed % 4)
