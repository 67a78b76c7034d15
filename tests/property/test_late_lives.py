"""Lives with late usage in every place, against the oracle: all is compared after each event.

Half of what happens arrives late, by minutes or by months: across the ends of packs, cycles and
contracts, changes of plan, members that left, and with refunds and copies of what was late.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.account_rules import AlertRules, WatchRule
from streamproc.core.rules.rulebook import Rulebook
from tests.property import quota_walks, rulebooks
from tests.property.budget import budget
from tests.property.quota_walks import MEMBERS, PACKS, PLANS
from tests.property.rulebooks import HOUR_MS, TEXTS
from tests.property.world import World
from tests.support.line import day

NAME = "861380000001"
ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
KINDS = (*rulebooks.KINDS, "rollover")
WATCH = (
    *(
        WatchRule(f"costs {tariff}", "overage_started", (), TEXTS, "balance", False, 5, DAY_MS,
                  tariff=tariff)
        for tariff in (None, "roaming", "video")
    ),
    WatchRule("empty", "zero_balance", (), TEXTS, "balance", False, 5, DAY_MS),
)  # fmt: skip


def rules_of(chance: random.Random) -> Rulebook:
    known = quota_walks.rulebook(max_age_ms=100 * DAY_MS, history_cycles=chance.choice((1, 2, 5)))
    in_bytes = rulebooks.usage_rule("bytes", "used_bytes", (30, 200), KINDS)
    return Rulebook(
        PLANS,
        PACKS,
        (*quota_walks.USAGE_RULES, in_bytes),
        rulebooks.DEFAULT_TIMED_RULES,
        known.limits,
        "en",
        "EUR",
        correction_rules=quota_walks.FOLLOW_UPS,
        alert_rules=AlertRules(WATCH),
    )


class Life:
    step_hours = 18
    """The mean time between two events."""
    pack_share = 0.5
    """Of what is bought; the rest are amounts."""
    shares: tuple[tuple[str, float], ...] = (
        ("use", 0.60),
        ("buy", 0.12),
        ("change_plan", 0.06),
        ("take_back", 0.12),
        ("change_members", 0.06),
        ("move", 0.01),
        ("close", 0.01),
        ("consent", 0.02),
    )
    """How often each thing happens."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World(rules_of(self.chance), to_ms(day(0)))
        self.packs = [pack.id for pack in PACKS]
        self.serial = 0
        self.used: list[dict[str, Any]] = []

    def send(self, kind: str, late_ms: int = 0, **fields: Any) -> dict[str, Any]:
        self.serial += 1
        event = {
            "type": kind,
            "id": f"e{self.serial}",
            "source": "s",
            "subscriber": NAME,
            "time": self.world.clock_ms - late_ms,
            **fields,
        }
        self.world.send(event)
        return event

    def begin(self) -> None:
        self.send(
            "account.activated",
            plan=self.chance.choice(PLANS).id,
            time_zone=self.chance.choice(ZONES),
            billing_anchor_day=self.chance.choice((1, 15)),
        )

    def late_ms(self) -> int:
        chance = self.chance
        if chance.random() < 0.5:
            return 0
        return min(int(chance.expovariate(1 / (chance.choice((1, 10, 35)) * DAY_MS))), 95 * DAY_MS)

    def go_on(self) -> None:
        chance = self.chance
        self.world.clock_ms += int(chance.expovariate(1 / (self.step_hours * HOUR_MS)))
        draw = chance.random()
        for name, share in self.shares:
            draw -= share
            if draw < 0:
                getattr(self, name)()
                return

    def use(self) -> None:
        chance = self.chance
        member = {"member": chance.choice(MEMBERS)} if chance.random() < 0.3 else {}
        event = self.send(
            "usage.recorded",
            self.late_ms(),
            total_bytes=chance.choice((1, 20, 100, 300, 700)),
            rating_group=chance.choice((10, 20)),
            roaming_zone=chance.choice(("home", "home", "eu")),
            **member,
        )
        self.used = [*self.used[-24:], event]
        if chance.random() < 0.1:
            self.world.send(event)

    def buy(self) -> None:
        chance = self.chance
        if chance.random() < self.pack_share:
            self.send("account.topped_up", self.late_ms() // 3, pack=chance.choice(self.packs))
            return
        end_ms = self.world.clock_ms + chance.choice((2, 20, 50)) * DAY_MS
        ends = {"expires_time": end_ms} if chance.random() < 0.7 else {}
        self.send("account.topped_up", granted_bytes=chance.choice((30, 300)), **ends)

    def change_plan(self) -> None:
        chance = self.chance
        self.send(
            "account.plan_changed",
            plan=chance.choice(PLANS).id,
            effective=chance.choice(("now", "next_cycle")),
            prorated=chance.random() < 0.5,
        )

    def take_back(self) -> None:
        if not self.used:
            return
        bad = self.chance.choice(self.used)
        fields: dict[str, Any] = {
            "refunded_bytes": self.chance.randrange(1, 400),
            "rating_group": 10,
        }
        if self.chance.random() < 0.8:
            fields = {name: bad[name] for name in ("rating_group", "roaming_zone")}
            fields |= {"refunded_bytes": bad["total_bytes"], "of_source": "s", "of_id": bad["id"]}
        self.send("usage.refunded", self.world.clock_ms - bad["time"], **fields)

    def change_members(self) -> None:
        member = self.chance.choice(MEMBERS)
        if self.chance.random() < 0.4:
            self.send("account.member_left", member=member)
            return
        cap = {"cap_bytes": 100} if self.chance.random() < 0.5 else {}
        self.send("account.member_joined", member=member, **cap)

    def move(self) -> None:
        self.send("account.profile_changed", time_zone=self.chance.choice(ZONES))

    def close(self) -> None:
        self.send("account.closed")
        self.world.clock_ms += self.chance.choice((0, HOUR_MS))
        self.begin()

    def consent(self) -> None:
        kind = self.chance.choice(("account.cost_cap_lifted", "account.cost_cap_restored"))
        self.send(kind, tariff=self.chance.choice(("", "roaming", "video")))


@budget(20)
@given(seed=st.integers(0, 2**32 - 1))
def test_late_usage_in_every_place(seed: int) -> None:
    life = Life(seed)
    life.begin()
    for _ in range(120):
        life.go_on()
    life.world.clock_ms += 40 * DAY_MS
    life.world.finish()


def test_the_lives_meet_what_late_usage_pushes_out() -> None:
    """What is never met is not tested."""
    recharged = costly = 0
    for seed in range(12):
        life = Life(seed)
        life.begin()
        for _ in range(120):
            life.go_on()
            account = life.world.account(NAME)
            costly += bool(account and account.extra and account.extra.costly)
        told = life.world.effects[NAME]
        recharged += sum("recharged_bytes" in getattr(one, "figures", {}) for one in told)
    assert recharged > 5
    assert costly > 100
