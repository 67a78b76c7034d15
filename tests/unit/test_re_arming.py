"""Every event that re-arms thresholds: core and oracle remind again, and under another id.

The names of the stories are the modules of the table in docs/recipes/re-arm.md.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import HOUR_MS, to_ms
from streamproc.core.state.effects import Audited, Effect, Reminder
from tests.property.world import World
from tests.support.line import SUBSCRIBER, day
from tests.support.timeline import HEAD

PLANS = """  - {id: endless, allowances: [{id: data, unlimited: true}]}
  - id: small
    allowances: [{id: data, granted_bytes: 1000}]
    policies: [{id: end, when: nothing_left, state: barred}]
packs:"""
RULES = """rules:
  - id: low
    kind: usage_percent
    thresholds: [50, 100]
    bucket_kinds: [%s]
    category: c
    texts: {en: "{percent}"}
commands: {}
"""
MEMBER = "8613800000077"
Step = dict[str, Any]
Told = list[int]


def use(used_bytes: int, **more: Any) -> Step:
    return {"type": "usage.recorded", "total_bytes": used_bytes, **more}


def refund(refunded_bytes: int, **more: Any) -> Step:
    return {"type": "usage.refunded", "refunded_bytes": refunded_bytes, **more}


def plan(name: str) -> Step:
    return {"type": "account.plan_changed", "plan": name, "effective": "now"}


def top_up(granted_bytes: int) -> Step:
    ends_ms = to_ms(day(9))
    return {
        "type": "account.topped_up",
        "granted_bytes": granted_bytes,
        "expires_time": ends_ms,
    }


def joined(cap_bytes: int) -> Step:
    return {"type": "account.member_joined", "member": MEMBER, "cap_bytes": cap_bytes}


def chosen(*percents: int) -> Step:
    return {"type": "account.preferences_set", "own_percents": [*percents]}


STORIES: dict[str, list[tuple[str, str, list[Step], Told]]] = {
    "core/usage/charging.py": [
        ("a further top-up", "topup", [top_up(100), use(1060), top_up(100), use(50)], [50, 50]),
        ("a larger allowance", "allowance", [use(600), plan("big"), use(1000)], [50, 50]),
    ],
    "core/life/plan_change.py": [
        (
            "an allowance that was unlimited for a time",
            "allowance",
            [use(1000), plan("endless"), plan("basic")],
            [100, 100],
        ),
    ],
    "core/usage/late.py": [
        ("a refund", "allowance", [use(600), refund(200), use(100)], [50, 50]),
    ],
    "core/usage/pools.py": [
        (
            "another cap",
            "member",
            [joined(100), use(60, member=MEMBER), joined(400), use(200, member=MEMBER)],
            [50, 50],
        ),
        (
            "a refund to a member",
            "member",
            [
                *(joined(100), use(60, member=MEMBER), refund(30, member=MEMBER)),
                use(30, member=MEMBER),
            ],
            [50, 50],
        ),
    ],
    "core/alerts/reductions.py": [
        ("a plan that ends usage", "allowance", [use(1000), plan("small")], [100, 100]),
    ],
    "core/usage/arming.py": [
        (
            "own thresholds, and those of the rules again",
            "allowance",
            [use(600), chosen(90), refund(300), chosen(), use(300)],
            [50, 50],
        ),
    ],
}
"""Events, and the levels that are told, by the module that calls ``re_arm``."""


def live(rules: str, steps: list[Step]) -> list[Effect]:
    """The effects of some events; core and oracle are compared after each."""
    head = HEAD.replace("packs:", PLANS, 1)
    world = World(load_rulebook(head + rules, "rules.yaml"), to_ms(day(0)))
    serial = count()

    def send(step: Step) -> None:
        world.clock_ms += HOUR_MS
        common = {"id": f"e{next(serial)}", "source": "test", "subscriber": SUBSCRIBER}
        world.send({**common, "time": world.clock_ms, **step})

    place = {"plan": "basic", "time_zone": "UTC", "billing_anchor_day": 1}
    for step in ({"type": "account.activated", **place}, *steps):
        send(step)
    world.finish()  # no id was there twice
    return world.effects[SUBSCRIBER]


@pytest.mark.parametrize(
    ("kinds", "steps", "told"),
    [story[1:] for stories in STORIES.values() for story in stories],
    ids=[story[0] for stories in STORIES.values() for story in stories],
)
def test_core_and_oracle_remind_again_under_another_id(
    kinds: str, steps: list[Step], told: Told
) -> None:
    effects = live(RULES % kinds, steps)

    reminders = [one for one in effects if isinstance(one, Reminder)]
    levels = [one.threshold.value for one in reminders if one.threshold]
    assert levels == told


def test_a_threshold_with_hysteresis_re_arms_where_the_oracle_says() -> None:
    """Usage falls to a little above the end of the alarm, and then below it."""
    rules = RULES.replace("[50, 100]", "[80]").replace("category", "hysteresis: 20\n    category")
    steps = [use(850), refund(250), use(250), refund(251), use(251)]

    effects = live(rules % "allowance", steps)

    said = [one.decision for one in effects if isinstance(one, Audited)]
    assert [one for one in said if one in ("hysteresis", "resolved")] == ["hysteresis", "resolved"]
    assert sum(isinstance(one, Reminder) for one in effects) == 2
