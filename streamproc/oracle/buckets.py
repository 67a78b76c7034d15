"""Buckets as plain dicts: charging them, and the thresholds that charging reaches."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamproc.core.rulebook import EVERYTHING, Rulebook, Scope, UsageRule

Bucket = dict[str, Any]
"""``id``, ``kind``, ``source``, ``priority``, ``from_ms``, ``ends_ms`` (None: never), ``granted``,
``used``, ``expired`` (all bytes) and ``over`` (whether it has ended)."""

NEVER = float("inf")


class Reached(NamedTuple):
    """The thresholds of one rule that one bucket reached by one event, in the rule's order."""

    rule: UsageRule
    bucket: Bucket
    values: list[int]

    @property
    def highest(self) -> int:
        """The most urgent: most percent used, or fewest bytes remaining."""
        return max(self.values) if self.rule.kind == "usage_percent" else min(self.values)


def new_bucket(
    name: str,
    kind: str,
    source: str,
    priority: int,
    from_ms: int,
    ends_ms: int | None,
    granted: int,
) -> Bucket:
    return {
        "id": name,
        "kind": kind,
        "source": source,
        "priority": priority,
        "from_ms": from_ms,
        "ends_ms": ends_ms,
        "granted": granted,
        "used": 0,
        "expired": 0,
        "over": False,
    }


def remaining(bucket: Bucket) -> int:
    left: int = bucket["granted"] - bucket["used"] - bucket["expired"]
    return left


def end_of(bucket: Bucket) -> float:
    """Infinity if it never ends."""
    return NEVER if bucket["ends_ms"] is None else float(bucket["ends_ms"])


def in_charge_order(buckets: list[Bucket]) -> list[Bucket]:
    """Law 8: priority, soonest expiry, oldest grant."""
    return sorted(buckets, key=lambda b: (b["priority"], end_of(b), b["from_ms"], b["id"]))


def scope_of(source: str, rules: Rulebook) -> Scope:
    """What a pack or an allowance of the catalogue covers."""
    for pack in rules.packs.values():
        if pack.id == source:
            return pack.scope
    for plan in rules.plans.values():
        for allowance in plan.allowances:
            if allowance.id == source:
                return allowance.scope
    return EVERYTHING


def covers(bucket: Bucket, rating_group: int, roaming_zone: str, rules: Rulebook) -> bool:
    scope = scope_of(bucket["source"], rules)
    if scope.rating_groups is not None and rating_group not in scope.rating_groups:
        return False
    return scope.roaming_zones is None or roaming_zone in scope.roaming_zones


def charge(
    buckets: list[Bucket], event: dict[str, Any], used: int, rules: Rulebook
) -> tuple[int, list[Reached], int]:
    """Charge usage at its own time; buckets that are over may still have room for it.

    Returns what no bucket covers, the thresholds reached by rule and bucket, and how many ended
    buckets took something.
    """
    time_ms = event["time"]
    rest = used
    before: list[tuple[Bucket, int]] = []
    late = 0
    for bucket in in_charge_order(buckets):
        room = bucket["granted"] - bucket["used"]
        if not (rest and room and bucket["from_ms"] <= time_ms < end_of(bucket)):
            continue
        if not covers(
            bucket, event.get("rating_group", 0), event.get("roaming_zone", "home"), rules
        ):
            continue
        take = min(rest, room)
        rest -= take
        if bucket["over"]:
            late += 1
            bucket["expired"] -= take
        else:
            before.append((bucket, bucket["used"]))
        bucket["used"] += take
    reached = []
    for rule in rules.usage_rules:
        for bucket, used_before in before:
            values = [
                value
                for value in rule.thresholds
                if bucket["kind"] in rule.bucket_kinds
                and not _is_reached(rule, value, bucket["granted"], used_before)
                and _is_reached(rule, value, bucket["granted"], bucket["used"])
            ]
            if values:
                reached.append(Reached(rule, bucket, values))
    return rest, reached, late


def _is_reached(rule: UsageRule, value: int, granted: int, used: int) -> bool:
    """Laws 12 and 15: landing exactly on a threshold is reaching it."""
    if rule.kind == "usage_percent":
        return used * 100 >= granted * value
    return granted - used <= value
