"""Where core and oracle differed: ends that are told late, and what goes first under a cap."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import HOUR_MS, to_ms
from streamproc.core.state.effects import Audited
from tests.property.world import World
from tests.support.line import day
from tests.support.timeline import HEAD
from tests.support.truth.lives import SUBSCRIBER
from tests.support.truth.play import Player

HOURS_BEFORE = "kind: expiry, hours_before: 3, coalesce_seconds: 14400"
"""It waits for an hour longer than the pack lasts."""
AT_THE_END = "kind: expiry, coalesce_seconds: 14400"


def _event(name: str, kind: str, time_ms: int, **fields: Any) -> dict[str, Any]:
    of = {"id": name, "source": "test", "subscriber": SUBSCRIBER, "time": time_ms}
    return {"type": kind, **of, **fields}


@pytest.mark.parametrize(("rule", "times"), [(HOURS_BEFORE, 0), (AT_THE_END, 1)])
def test_core_and_oracle_say_the_same_of_an_end_that_waited(rule: str, times: int) -> None:
    rules = f"rules:\n  - {{id: end, {rule}, category: c, texts: {{en: '{{bucket}}'}}}}\n"
    player = Player(load_rulebook(HEAD + rules, "rules.yaml"))
    start_ms = to_ms(day(0))
    place = {"plan": "basic", "time_zone": "UTC", "billing_anchor_day": 1}
    player.feed(_event("a", "account.activated", start_ms, **place), start_ms)
    bought_ms = start_ms + HOUR_MS
    player.feed(_event("b", "account.topped_up", bought_ms, pack="day"), bought_ms)
    scene = player.reach(to_ms(day(3)))
    assert len(scene.messages) == times
    assert player.expectation.reminders_by_kind["expiry"] == times


def test_of_messages_as_urgent_a_cap_lets_through_what_was_reached_first() -> None:
    head = HEAD.replace("plans:", "alerts: {caps: [{messages: 2, window_hours: 12}]}\nplans:", 1)
    rules = """rules:
  - {id: half, kind: usage_percent, thresholds: [50], category: c, texts: {en: half}}
  - id: tenth
    kind: usage_percent
    thresholds: [10]
    bucket_kinds: [allowance]
    category: c
    texts: {en: tenth}
"""
    player = Player(load_rulebook(head + rules, "rules.yaml"))
    start_ms = to_ms(day(0))
    place = {"plan": "basic", "time_zone": "UTC", "billing_anchor_day": 1}
    player.feed(_event("a", "account.activated", start_ms, **place), start_ms)
    bought_ms, used_ms = start_ms + HOUR_MS, start_ms + 2 * HOUR_MS
    player.feed(_event("b", "account.topped_up", bought_ms, pack="day"), bought_ms)
    scene = player.feed(_event("c", "usage.recorded", used_ms, total_bytes=700), used_ms)
    said = [(one.rule, one.buckets[0].id) for one in scene.messages]
    assert said == [("half", "day#1"), ("tenth", "data")]
    assert [(one.rule, one.bucket_ids[0]) for one in player.expectation.reminders] == said


FOLLOWED = """rules:
  - {id: cost, kind: %s, category: c, texts: {en: cost}}
  - {id: well, kind: resolved, of: [cost], category: c, texts: {en: well}}
"""
SPEND, BEGIN = "spend_amount, thresholds: [1], for_count: 2", "overage_started"


@pytest.mark.parametrize(("before", "after"), [(SPEND, BEGIN), (BEGIN, SPEND)])
def test_a_rule_of_another_kind_has_nothing_to_do_with_one_of_its_id_before(
    before: str, after: str
) -> None:
    old, new = (load_rulebook(HEAD + FOLLOWED % one, "rules.yaml") for one in (before, after))
    start_ms = to_ms(day(0))
    world = World(old, start_ms)
    place = {"plan": "basic", "time_zone": "UTC", "billing_anchor_day": 1}
    world.send(_event("a", "account.activated", start_ms, **place), start_ms)
    for hour in (1, 2, 3):
        at_ms = start_ms + hour * HOUR_MS
        world.send(_event(f"b{hour}", "usage.recorded", at_ms, total_bytes=700), at_ms)
    world.change_rules(new)
    at_ms = start_ms + 4 * HOUR_MS
    effects = world.send(
        _event("c", "usage.refunded", at_ms, refunded_bytes=2000), at_ms
    )  # compared on the way
    assert "resolved" not in [one.decision for one in effects if isinstance(one, Audited)]
