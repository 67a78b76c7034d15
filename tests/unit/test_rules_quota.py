"""What is wrong with plans and packs in a rules file is told with line and field."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.plan_terms import Rollover, Tier
from tests.support.rules import problems

HEAD = """\
version: 1
currency: EUR
default_locale: en
rules:
  - {id: r, kind: remaining_bytes, thresholds: [0], category: c, texts: {en: x}}
plans:
"""
PLAN = "  - {id: p, allowances: [{id: a, granted_bytes: 5}]"


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        (
            "  - {id: p, allowances: [{id: a}]}",
            "7: plans[0].allowances[0].granted_bytes: is missing",
        ),
        (
            "  - {id: p, allowances: [{id: a, granted_bytes: 5, unlimited: true}]}",
            "7: plans[0].allowances[0].granted_bytes: an unlimited allowance has no granted_bytes",
        ),
        (
            "  - {id: p, allowances: [{id: a, unlimited: true, rollover: {cycles: 1}}]}",
            "7: plans[0].allowances[0].rollover: an unlimited allowance has no rollover",
        ),
        (
            "  - {id: p, allowances: [{id: a, granted_bytes: 5, rollover: {cycles: 13}}]}",
            "7: plans[0].allowances[0].rollover.cycles: must be at most 12, not 13",
        ),
        (
            '  - {id: p, allowances: [{id: a, granted_bytes: 5, hours: ["7-23"]}]}',
            '7: plans[0].allowances[0].hours[0]: must be hours of the day such as "23:00-07:00", '
            "not '7-23'",
        ),
        (
            '  - {id: p, allowances: [{id: a, granted_bytes: 5, hours: ["07:00-07:00"]}]}',
            "7: plans[0].allowances[0].hours[0]: begins and ends at once; leave hours out for all "
            "day",
        ),
        (
            f"{PLAN}, overage_tiers: [{{from_bytes: 9, price_minor: 1}},\n"
            "     {from_bytes: 9, price_minor: 2}]}",
            "8: plans[0].overage_tiers[1].from_bytes: must be more than 9",
        ),
        (
            f"{PLAN}, tariffs: [{{id: t}}]}}",
            "7: plans[0].tariffs[0]: needs rating_groups or roaming_zones; the plan's own prices "
            "are for all",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: fair_use, state: throttled}}]}}",
            "7: plans[0].policies[0].after_bytes: is missing",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: nothing_left, state: barred, after_bytes: 5}}]}}",
            "7: plans[0].policies[0].after_bytes: has a meaning only when fair_use",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: nothing_left, state: barred, throttle_kbps: 5}}]}}",
            "7: plans[0].policies[0].throttle_kbps: has a meaning only in state throttled",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: cost_cap, state: barred}}]}}",
            "7: plans[0].policies[0]: the plan has no cost_cap_minor, and no tariff is named",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: cost_cap, state: barred, tariff: t}}]}}",
            "7: plans[0].policies[0].tariff: the plan has no such tariff with a cost_cap_minor",
        ),
        (
            f"{PLAN}, policies: [{{id: x, when: nothing_left, state: barred}},\n"
            "     {id: x, when: member_cap, state: barred}]}",
            "8: plans[0].policies[1].id: 'x' is used twice, first in line 7",
        ),
    ],
    ids=lambda one: one[:40],
)
def test_a_problem_of_a_plan_is_told_with_line_and_field(plan: str, wanted: str) -> None:
    assert problems(f"{HEAD}{plan}\n") == [wanted]


def test_what_is_left_out_has_its_default() -> None:
    rules = load_rulebook(
        HEAD
        + "  - {id: p, allowances: [{id: a, granted_bytes: 5, rollover: {}}], "
        + "overage_tiers: [{from_bytes: 9, price_minor: 1}]}\n",
        "r.yaml",
    )
    plan = rules.plans["p"]
    assert plan.allowances[0].rollover == Rollover(5, 1, "first")
    assert plan.overage_tiers == (Tier(9, 1, 1_000_000),)
    assert not rules.watched_plans
