"""A rulebook with every quota feature, in small numbers, and long histories that use them all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, CorrectionRule, Limits, Pack, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.rules.sending import Policy
from tests.property import rulebooks, walks
from tests.property.rulebooks import HOUR_MS, ROAMING, TEXTS, VIDEO
from tests.property.walks import Entry

NIGHT = Scope(hours=((23 * 60, 7 * 60),))
VIDEO_NIGHT = Scope(rating_groups=frozenset({20}), hours=((22 * 60, 24 * 60 % 1440), (0, 390)))
ROAMING_TARIFF = Tariff("roaming", (Tier(0, 7, 10), Tier(60, 3, 25)), ROAMING, 50)
VIDEO_TARIFF = Tariff("video", (Tier(0, 1, 3),), VIDEO)

PLANS = (
    Plan(
        "metered",
        (Allowance("data", 1000, 50, rollover=Rollover(300, 1, "first")),),
        4,
        100,
        0,
        (Tier(200, 2, 100), Tier(500, 1, 50)),
        90,
        (ROAMING_TARIFF,),
        (
            PolicyCounter("roam-cap", "cost_cap", "barred", tariff="roaming"),
            PolicyCounter("cap", "cost_cap", "throttled", throttle_kbps=64),
        ),
    ),
    Plan(
        "endless",
        (Allowance("all", 0, 50, unlimited=True), Allowance("films", 300, 40, VIDEO_NIGHT)),
        policies=(
            PolicyCounter("fair", "fair_use", "throttled", 800, throttle_kbps=512),
            PolicyCounter("kids", "member_cap", "barred"),
        ),
    ),
    Plan(
        "hard",
        (
            Allowance("data", 600, 50, rollover=Rollover(600, 3, "last")),
            Allowance("night", 200, 50, NIGHT, rollover=Rollover(50, 2, "first")),
        ),
        1,
        1,
        tariffs=(VIDEO_TARIFF, ROAMING_TARIFF),
        policies=(
            PolicyCounter("end", "nothing_left", "barred"),
            PolicyCounter("kids", "member_cap", "throttled", throttle_kbps=32),
        ),
    ),
    Plan("none", (), 3, 7),
    Plan("films", (Allowance("stream", 0, 50, VIDEO, unlimited=True),), 2, 9),
)
PACKS = (
    Pack("hour", 50, HOUR_MS, 10),
    Pack("night", 150, 30 * DAY_MS, 10, NIGHT),
    Pack("half-year", 400, 180 * DAY_MS, 70),
    Pack("trip", 150, 7 * DAY_MS, 5, ROAMING),
)
FOLLOW_UPS = (
    CorrectionRule("sorry", TEXTS, "balance", False, 5, DAY_MS, policy=Policy(audience="both")),
    CorrectionRule("undone", TEXTS, "end", True, 5, DAY_MS, "always"),
)
USAGE_RULES = (
    rulebooks.usage_rule("low", "usage_percent", (50, 80, 100), (*rulebooks.KINDS, "rollover")),
    rulebooks.usage_rule("last", "remaining_bytes", (0, 10, 100), ("allowance",)),
    rulebooks.usage_rule("own", "usage_percent", (50, 100), ("member",)),
)
MEMBERS = ("861380000011", "861380000012", "kid-tablet")


def rulebook(**limits: Any) -> Rulebook:
    known: dict[str, Any] = {
        "max_event_bytes": 100_000,
        "max_age_ms": 40 * DAY_MS,
        "hold_max_events": 3,
        **limits,
    }
    return Rulebook(
        PLANS,
        PACKS,
        USAGE_RULES,
        rulebooks.DEFAULT_TIMED_RULES,
        Limits(**known),
        "en",
        "EUR",
        correction_rules=FOLLOW_UPS,
    )


def walk(
    seed: int,
    start_ms: int,
    count: int,
    names: tuple[str, ...],
    step_ms: int = HOUR_MS,
    ahead: float = 0.03,
) -> Iterator[Entry]:
    """As :func:`walks.walk`, with events of this rulebook in between and instead."""
    chance = random.Random(seed * 7 + 1)
    used: list[dict[str, Any]] = []
    serial = 0
    for stamp_ms, entry in walks.walk(seed, start_ms, count, names, step_ms, ahead):
        if not isinstance(entry, dict):
            yield stamp_ms, entry
            continue
        event = _translated(chance, entry)
        if event["type"] == "usage.recorded":
            used.append(event)
        yield stamp_ms, event
        if chance.random() < 0.15:
            serial += 1
            common = {
                "id": f"q{seed}-{serial}",
                "source": "crm",
                "subscriber": event["subscriber"],
                "time": stamp_ms - chance.choice((0, 0, chance.randrange(3 * DAY_MS))),
            }
            yield stamp_ms, {**common, **_quota_event(chance, used, common["subscriber"])}


def _translated(chance: random.Random, event: dict[str, Any]) -> dict[str, Any]:
    """The plan or pack is one of this rulebook's; usage may be a member's."""
    pick = random.Random(str(event["id"]))  # an event that is repeated stays the same
    if event["type"] == "account.closed" and pick.random() < 0.9:
        # Long lives: cycles roll over, caps are reached.
        used = {"total_bytes": pick.randrange(500), "rating_group": 10, "roaming_zone": "home"}
        event = {**event, "type": "usage.recorded", **used}
    if "plan" in event:
        event = {**event, "plan": pick.choice(PLANS).id}
        if event["type"] == "account.plan_changed":
            event["prorated"] = pick.random() < 0.5
    if "pack" in event:
        event = {**event, "pack": pick.choice(PACKS).id}
    if event["type"] == "usage.recorded" and pick.random() < 0.4:
        event = {**event, "member": pick.choice((*MEMBERS, "stranger"))}
    return event


def _quota_event(
    chance: random.Random, used: list[dict[str, Any]], subscriber: str
) -> dict[str, Any]:
    draw = chance.random()
    if draw < 0.3:
        refund: dict[str, Any] = {
            "type": "usage.refunded",
            "refunded_bytes": chance.choice((1, chance.randrange(1, 400), 5000)),
            "rating_group": chance.choice((10, 20)),
            "roaming_zone": chance.choice(("home", "home", "eu")),
        }
        own = [one for one in used if one["subscriber"] == subscriber][-20:]
        if own and chance.random() < 0.6:
            bad = chance.choice(own)
            refund.update(
                refunded_bytes=max(bad["total_bytes"], 1),
                rating_group=bad["rating_group"],
                roaming_zone=bad["roaming_zone"],
                of_source=bad["source"],
                of_id=bad["id"],
                time=bad["time"],
            )
        if chance.random() < 0.4:
            refund["member"] = chance.choice(MEMBERS)
        if chance.random() < 0.5:
            refund["notify"] = chance.random() < 0.5
        return refund
    tariff = chance.choice(("", "roaming", "video"))
    if draw < 0.45:
        until = chance.choice(("cycle_end", "revoked"))
        return {"type": "account.cost_cap_lifted", "tariff": tariff, "until": until}
    if draw < 0.55:
        return {"type": "account.cost_cap_restored", "tariff": tariff}
    if draw < 0.9:
        joined: dict[str, Any] = {
            "type": "account.member_joined",
            "member": chance.choice(MEMBERS),
            "role": chance.choice(("owner", "member", "member")),
        }
        if chance.random() < 0.7:
            joined["cap_bytes"] = chance.choice((0, 100, 250))
        return joined
    return {"type": "account.member_left", "member": chance.choice(MEMBERS)}
