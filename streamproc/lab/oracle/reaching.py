"""Which thresholds a subscriber's figures have reached, for every kind of rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import (
    COUNTING_DOWN,
    Bucket,
    is_about,
    is_home_data,
    is_level_reached,
    remaining,
    scope_of,
)

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

SLIDES = 10
"""A window of velocity moves on by a tenth of its length."""


def thresholds(contract: Contract, rule: Any) -> list[int]:
    """Those in force for a subscriber; a mandatory rule keeps its own."""
    own = contract.talk.own_percents
    if rule.kind != "usage_percent" or not own:
        return list(rule.thresholds)
    return sorted({*own, *rule.thresholds}) if rule.mandatory else sorted(own)


def is_reached(
    contract: Contract,
    rule: Any,
    bucket: Bucket | None,
    threshold: int | None,
    rules: Rulebook,
    margin: int = 0,
) -> bool:
    """Whether a threshold that was reached once still is; ``margin`` nearer, if any."""
    if hasattr(rule, "bucket_kinds"):
        if bucket is None or not bucket["used"] or not is_about(rule, bucket):
            return False
        assert threshold is not None
        nearer = threshold + margin if rule.kind in COUNTING_DOWN else threshold - margin
        return is_level_reached(rule.kind, nearer, bucket["granted"], bucket["used"])
    return figure_reaches(contract, rule, threshold, rules, margin)


def figure_reaches(
    contract: Contract, rule: Any, threshold: int | None, rules: Rulebook, margin: int = 0
) -> bool:
    """Whether an account's figure is at a threshold or beyond."""
    kind = rule.kind
    if kind == "zero_balance":
        live = contract.live()
        endless = any(one["kind"] == "unlimited" for one in live)
        return not endless and sum(remaining(one) for one in live) <= margin
    if kind == "overage_started":
        return costs_now(contract, rule.tariff or "", rules)
    assert threshold is not None
    level = max(threshold - margin, 1)
    if kind in ("spend_amount", "spend_percent"):
        spent = contract.money.spent(contract.plan, rules)
        cost = sum(spent.values()) if rule.tariff is None else spent.get(rule.tariff, 0)
        if kind == "spend_amount":
            return cost >= level
        cap = rule.cap_minor
        if cap is None:
            cap = contract.money.cap_in_force(contract.plan, rule.tariff or "", rules)
        return cap is not None and bool(cost * 100 >= cap * level)
    if kind == "velocity":
        return in_window(contract, rule) >= level
    if kind == "every_bytes":
        return stepped(contract, rule) >= level
    before = contract.history[-rule.cycles :]
    if len(before) < rule.cycles or any(one["start"] <= contract.since_ms for one in before):
        return False
    usual = sum(one["used"] + one["overage"] for one in before)
    used = of_cycle(contract)
    is_much = used * 100 * rule.cycles >= usual * level and used >= rule.min_bytes
    return bool(usual > 0 and is_much)


def costs_now(contract: Contract, name: str, rules: Rulebook) -> bool:
    """Whether there was overage under a tariff of the plan, and the next byte of it is charged."""
    plan = rules.plans.get(contract.plan)
    priced = [one.scope for one in (plan.all_tariffs if plan else ()) if one.id == name]
    if not priced or contract.money.bytes.get(name, 0) <= 0:
        return False
    if contract.money.is_at_cap(contract.plan, name, rules):
        return False
    for bucket in contract.live():
        if bucket["kind"] != "unlimited" and remaining(bucket) <= 0:
            continue
        if not name and is_home_data(bucket, rules):
            return False
        scope = scope_of(bucket["source"], rules)
        pairs = (
            (scope.rating_groups, priced[0].rating_groups),
            (scope.roaming_zones, priced[0].roaming_zones),
        )
        is_whole = all(
            has is None or (wants is not None and not wants - has) for has, wants in pairs
        )
        if name and is_whole and scope.hours is None:
            return False
    return True


def of_cycle(contract: Contract) -> int:
    """Used in the cycle: of what the plan grants, and beyond."""
    own: list[int] = [
        one["used"] for one in contract.buckets if one["kind"] in ("allowance", "unlimited")
    ]
    return sum(own) + contract.overage


def stepped(contract: Contract, rule: Any) -> int:
    beyond: int = contract.overage
    return beyond if rule.of == "overage" else of_cycle(contract)


def in_window(contract: Contract, rule: Any, now_ms: int = 0) -> int:
    """Bytes of all usage in the window that ends with the latest (or with ``now_ms``)."""
    width_ms: int = rule.window_ms // SLIDES
    log = contract.use_log.get((rule.id, rule.window_ms), [])
    newest = max([now_ms // width_ms, *(at_ms // width_ms for at_ms, _ in log)])
    return sum(used for at_ms, used in log if at_ms // width_ms > newest - SLIDES)
