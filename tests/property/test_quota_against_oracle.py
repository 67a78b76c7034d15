"""Quota beyond buckets, against the naive oracle: every figure, message and change of policy."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from tests.property import quota_walks
from tests.property.budget import budget
from tests.property.world import World
from tests.support.line import day

MINUTE_MS = 60_000
NAMES = ("861380000001", "861380000002", "861380000003")


def live(seed: int, records: int, **limits: Any) -> World:
    """A history, compared after each of its records."""
    world = World(quota_walks.rulebook(**limits), to_ms(day(0)))
    for stamp_ms, event in quota_walks.walk(seed, world.clock_ms, records, NAMES):
        if isinstance(event, dict):
            world.clock_ms = max(world.clock_ms, stamp_ms)
            world.send(event, stamp_ms)
        else:
            world.arrive(NAMES[0].encode(), event, stamp_ms)
    world.clock_ms += 40 * DAY_MS
    world.finish()
    return world


@budget(12)
@given(seed=st.integers(0, 2**32 - 1), max_age_days=st.sampled_from([2, 40]))
def test_histories_of_every_quota_feature(seed: int, max_age_days: int) -> None:
    live(seed, 150, max_age_by_source={"crm": max_age_days * DAY_MS})


@budget(12)
@given(
    seed=st.integers(0, 2**32 - 1),
    step_ms=st.sampled_from([MINUTE_MS, 10 * MINUTE_MS]),
    start_days=st.sampled_from([0.0, 30.6, 30.99]),
    history_cycles=st.sampled_from([1, 2, 5]),
    hold_max_events=st.sampled_from([1, 20]),
    max_age_days=st.sampled_from([1, 40]),
    hold_unknown_ms=st.sampled_from([0, 3 * MINUTE_MS, DAY_MS]),
)
def test_events_from_ahead_of_the_clock_whether_a_timer_looks_or_not(
    seed: int,
    step_ms: int,
    start_days: float,
    history_cycles: int,
    hold_max_events: int,
    max_age_days: int,
    hold_unknown_ms: int,
) -> None:
    """Many a minute, around the ends of cycles and packs; timers reach the core alone (law 5)."""
    rules = quota_walks.rulebook(
        history_cycles=history_cycles,
        hold_max_events=hold_max_events,
        max_age_ms=max_age_days * DAY_MS,
        hold_unknown_ms=hold_unknown_ms,
    )
    world = World(rules, to_ms(day(start_days)))
    chance = random.Random(seed)
    for stamp_ms, event in quota_walks.walk(seed, world.clock_ms, 200, NAMES, step_ms, 0.4):
        if chance.random() < 0.3:
            world.clock_ms += chance.randrange(2 * MINUTE_MS)
            world.tick(chance.sample(NAMES, 2))
        if isinstance(event, dict):
            world.clock_ms = max(world.clock_ms, stamp_ms)
            world.send(event, stamp_ms)
    world.clock_ms += 40 * DAY_MS
    world.finish()


def test_the_histories_meet_everything() -> None:
    """What is never met is not tested."""
    worlds = [live(seed, 350) for seed in range(4)]
    wanted = [one for world in worlds for one in world.wanted.values()]
    told = {(key.reason, key.state) for one in wanted for key in one.policies}
    assert {reason for reason, _ in told} == {
        "fair_use",
        "nothing_left",
        "cost_cap",
        "member_cap",
    }
    assert {state for _, state in told} == {"throttled", "barred", "restored"}
    decisions = {decision for one in wanted for decision, count in one.audit.items() if count}
    assert decisions >= {
        *("refunded", "rolled_over", "cost_cap_lifted", "cost_cap_restored", "member_joined"),
        *("member_left", "unknown_member", "late_usage", "cycle_closed", "held"),
    }
    reasons = {reason for one in wanted for reason in one.rejects}
    assert reasons >= {"unknown_tariff", "unknown_member", "not_counted"}
    kinds = {key.kind for one in wanted for key in one.reminders if key.recipient}
    assert kinds >= {"usage_percent", "usage_corrected", "usage_summary"}


@pytest.mark.slow_property
@pytest.mark.parametrize("seed", range(30))
def test_very_long_quota_histories(seed: int) -> None:
    live(1000 + seed, 3000)
