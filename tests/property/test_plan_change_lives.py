"""Lives with many plan changes, under rules of their own, against the oracle.

Plans have several allowances for all or some usage, unlimited or with roll-over, prices and
tariffs. Usage arrives late and is refunded, from before and after each change, also after its
cycle. All is compared after each event.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from tests.property import test_late_lives
from tests.property.budget import budget
from tests.property.world import World
from tests.support.line import day
from tests.support.truth.probes import loaded

ALLOWANCES: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.8, {"id": "data", "priority": 50}),
    (0.5, {"id": "films", "priority": 40, "rating_groups": [20]}),
    (0.3, {"id": "night", "priority": 30, "hours": ["22:00-07:00"]}),
    (0.2, {"id": "abroad", "priority": 45, "roaming_zones": ["eu"]}),
    (0.2, {"id": "other", "priority": 55}),
    (0.2, {"id": "home", "priority": 50, "roaming_zones": ["home"]}),
)
"""How many of ten plans have it, and its terms."""
PACKS: list[dict[str, Any]] = [
    {"id": "hour", "granted_bytes": 50, "validity_hours": 1},
    {"id": "day", "granted_bytes": 200, "validity_hours": 24, "priority": 10},
    {"id": "long", "granted_bytes": 300, "validity_hours": 1440, "priority": 70},
    {"id": "trip", "granted_bytes": 150, "validity_hours": 168, "priority": 5,
     "roaming_zones": ["eu"]},
    {"id": "clips", "granted_bytes": 100, "validity_hours": 240, "rating_groups": [20]},
]  # fmt: skip
SAID: dict[str, Any] = {"category": "c", "texts": {"en": "x"}}
KINDS = ["allowance", "pack", "topup", "rollover", "unlimited"]
RULES: list[dict[str, Any]] = [
    {"id": "low", "kind": "usage_percent", "thresholds": [50, 80, 100], "bucket_kinds": KINDS},
    {"id": "costs", "kind": "overage_started"},
    {"id": "costs-r", "kind": "overage_started", "tariff": "roaming"},
    {"id": "costs-v", "kind": "overage_started", "tariff": "video"},
    {"id": "zero", "kind": "zero_balance"},
    {"id": "stop", "kind": "access_limited", "policies": ["end", "cap"]},
    {"id": "spent", "kind": "spend_amount", "thresholds": [20, 200]},
    {"id": "sorry", "kind": "usage_corrected"},
    {"id": "sum", "kind": "usage_summary", "every": "day", "at": "09:00"},
]


def rules_of(chance: random.Random) -> Rulebook:
    plans = [_plan(chance, number) for number in range(chance.choice((3, 4, 5)))]
    tariffs = {None, *(one["id"] for plan in plans for one in plan.get("tariffs", ()))}
    policies = {one["id"] for plan in plans for one in plan.get("policies", ())}
    rules = []
    for one in RULES:
        rule = {**one, **SAID}
        if "policies" in rule:
            rule["policies"] = [name for name in rule["policies"] if name in policies]
        if rule.get("tariff") in tariffs and rule.get("policies", True):
            rules.append(rule)
    return loaded(
        {
            "version": 1,
            "currency": "EUR",
            "default_locale": "en",
            "plans": plans,
            "packs": PACKS,
            "rules": rules,
            "commands": {},
            "roaming_zones": [{"id": "eu", "price_minor": 70, "unit_bytes": 10}],
            "limits": {"max_age_days": 100, "history_cycles": chance.choice((1, 2, 5))},
        }
    )


def _plan(chance: random.Random, number: int) -> dict[str, Any]:
    own = [
        _allowance(chance, dict(terms)) for share, terms in ALLOWANCES if chance.random() < share
    ]
    plan: dict[str, Any] = {"id": f"p{number}", "allowances": own}
    if chance.random() < 0.8:
        unit = chance.choice((1, 2, 3, 4)), chance.choice((1, 10))
        plan |= {"overage_price_minor": unit[0], "overage_unit_bytes": unit[1]}
        if chance.random() < 0.4:
            tier = {"from_bytes": chance.choice((50, 200)), "price_minor": chance.choice((1, 2, 3))}
            plan["overage_tiers"] = [{**tier, "unit_bytes": unit[1]}]
        if chance.random() < 0.3:
            plan["cost_cap_minor"] = chance.choice((50, 200, 1000))
        tariffs = []
        if chance.random() < 0.4:
            price = {"overage_price_minor": 7, "overage_unit_bytes": 10}
            tariffs.append({"id": "roaming", "roaming_zones": ["eu"], **price})
        if chance.random() < 0.4:
            price = {"overage_price_minor": chance.choice((1, 5)), "overage_unit_bytes": 10}
            tariffs.append({"id": "video", "rating_groups": [20], **price})
        plan |= {"tariffs": tariffs} if tariffs else {}
    policies = []
    if chance.random() < 0.3:
        policies.append({"id": "end", "when": "nothing_left", "state": "barred"})
    if "cost_cap_minor" in plan and chance.random() < 0.5:
        policies.append({"id": "cap", "when": "cost_cap", "state": "barred"})
    return plan | ({"policies": policies} if policies else {})


def _allowance(chance: random.Random, terms: dict[str, Any]) -> dict[str, Any]:
    if chance.random() < 0.12:
        return {**terms, "unlimited": True}
    terms["granted_bytes"] = chance.choice((100, 200, 300, 500, 800, 1500))
    if chance.random() < 0.3:
        most, cycles = chance.choice((50, 200, 1000)), chance.choice((1, 2))
        used = chance.choice(("first", "last"))
        terms["rollover"] = {"max_bytes": most, "cycles": cycles, "used": used}
    return terms


class Life(test_late_lives.Life):
    pack_share = 0.6
    shares: tuple[tuple[str, float], ...] = (
        ("use", 0.60),
        ("buy", 0.08),
        ("change_plan", 0.12),
        ("take_back", 0.14),
        ("change_members", 0.03),
        ("close", 0.01),
        ("consent", 0.02),
    )

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(f"hunt {seed}")
        self.rules = rules_of(chance)
        self.plans, self.packs = list(self.rules.plans), list(self.rules.packs)
        self.world = World(self.rules, to_ms(day(0)))
        self.serial = 0
        self.used: list[dict[str, Any]] = []
        self.late_share = chance.choice((0.2, 0.5))
        self.ages_days: tuple[float, ...] = chance.choice(((1,), (1, 10), (1, 10, 35), (0.2,)))
        self.step_hours = chance.choice((6, 18))

    def begin(self) -> None:
        self.send(
            "account.activated",
            plan=self.chance.choice(self.plans),
            time_zone=self.chance.choice(("UTC", "Asia/Shanghai")),
            billing_anchor_day=self.chance.choice((1, 15)),
        )

    def late_ms(self) -> int:
        chance = self.chance
        if chance.random() > self.late_share:
            return 0
        age_days = chance.expovariate(1 / (chance.choice(self.ages_days) * DAY_MS))
        return min(int(age_days), 95 * DAY_MS)

    def change_plan(self) -> None:
        chance = self.chance
        self.send(
            "account.plan_changed",
            self.late_ms() // 4 if chance.random() < 0.3 else 0,
            plan=chance.choice(self.plans),
            effective="now" if chance.random() < 0.85 else "next_cycle",
            prorated=chance.random() < 0.4,
        )


@budget(20)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=1040)  # an allowance that a change ended, and another one with its id
@example(seed=2201)  # what rolled over is not of one that had ended before
@example(seed=1326)  # late usage that the old plan covered, not what another plan gave since
@example(seed=12459)  # a refund that leaves less used than there was before a change
def test_late_and_refunded_usage_around_plan_changes(seed: int) -> None:
    life = Life(seed)
    life.begin()
    for _ in range(120):
        life.go_on()
    life.world.clock_ms += 40 * DAY_MS
    life.world.finish()
