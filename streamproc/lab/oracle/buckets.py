"""Buckets as plain dicts: charges them, and finds the thresholds that charging reaches."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from streamproc.core.rules.rulebook import EVERYTHING, Rulebook, Scope, UsageRule

Bucket = dict[str, Any]
"""``id``, ``kind``, ``source``, ``priority``, ``from_ms``, ``ends_ms`` (None: never), ``granted``,
``used``, ``expired``, ``rolled`` (all bytes), ``over`` (whether it has ended) and ``by`` (bytes
used, by number of the contract's cycle)."""

NEVER = float("inf")
COUNTING_DOWN = ("remaining_percent", "remaining_bytes")


Levels = dict[str, list[int]]
"""The thresholds in force for the subscriber, by rule."""


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
        "rolled": 0,
        "over": False,
        "by": {},
    }


def remaining(bucket: Bucket) -> int:
    left: int = bucket["granted"] - bucket["used"] - bucket["expired"] - bucket["rolled"]
    return left


def end_of(bucket: Bucket) -> float:
    """Infinity if it has no end."""
    return NEVER if bucket["ends_ms"] is None else float(bucket["ends_ms"])


def in_charge_order(buckets: list[Bucket]) -> list[Bucket]:
    """Law 8: smallest priority number, earliest end, oldest grant."""
    return sorted(buckets, key=lambda b: (b["priority"], end_of(b), b["from_ms"], b["id"]))


def scope_of(source: str, rules: Rulebook) -> Scope:
    """The scope of a pack or an allowance of the catalogue."""
    for pack in rules.packs.values():
        if pack.id == source:
            return pack.scope
    for plan in rules.plans.values():
        for allowance in plan.allowances:
            if allowance.id == source:
                return allowance.scope
    return EVERYTHING


def is_home_data(bucket: Bucket, rules: Rulebook) -> bool:
    """Whether it covers usage without rating group and zone, at every time of day."""
    scope = scope_of(bucket["source"], rules)
    closed = set(range(24 * 60)) if scope.hours else set()
    for start, end in scope.hours or ():
        closed -= set(range(start, end)) if start < end else {*range(start, 1440), *range(end)}
    groups, zones = scope.rating_groups, scope.roaming_zones
    return not closed and (groups is None or 0 in groups) and (zones is None or "home" in zones)


def of_one_kind_of_usage(
    buckets: list[Bucket], first: Bucket | None, rules: Rulebook
) -> list[Bucket]:
    """Buckets that may be added up: home data, or buckets for the same usage as ``first``."""
    if first is None or is_home_data(first, rules):
        return [one for one in buckets if is_home_data(one, rules)]
    scope = scope_of(first["source"], rules)
    return [one for one in buckets if scope_of(one["source"], rules) == scope]


def covers(bucket: Bucket, event: dict[str, Any], zone: str, rules: Rulebook) -> bool:
    """Whether a bucket covers an event's usage: group, roaming zone, and local time in ``zone``."""
    scope = scope_of(bucket["source"], rules)
    if scope.rating_groups is not None and event.get("rating_group", 0) not in scope.rating_groups:
        return False
    if scope.hours is not None:
        clocks = datetime.fromtimestamp(event["time"] // 1000, ZoneInfo(zone))
        day = list(range(24 * 60))
        open_minutes: set[int] = set()
        for start, end in scope.hours:
            open_minutes.update(day[start:end] if start < end else [*day[start:], *day[:end]])
        if clocks.hour * 60 + clocks.minute not in open_minutes:
            return False
    return scope.roaming_zones is None or event.get("roaming_zone", "home") in scope.roaming_zones


def is_within(inner: Scope, outer: Scope) -> bool:
    """Whether one scope contains another one, at every time of day."""
    for mine, others in (
        (inner.rating_groups, outer.rating_groups),
        (inner.roaming_zones, outer.roaming_zones),
    ):
        if others is not None and (mine is None or not set(mine) <= set(others)):
            return False
    return not outer.hours or (inner.hours is not None and open_at(inner) <= open_at(outer))


def meets(one: Scope, other: Scope) -> bool:
    """Whether two scopes have some usage in common."""
    for mine, others in (
        (one.rating_groups, other.rating_groups),
        (one.roaming_zones, other.roaming_zones),
    ):
        if mine is not None and others is not None and not set(mine) & set(others):
            return False
    return not one.hours or not other.hours or bool(open_at(one) & open_at(other))


def open_at(scope: Scope) -> set[int]:
    """The minutes of the day within its hours."""
    found: set[int] = set()
    for start, end in scope.hours or ():
        found |= set(range(start, end)) if start < end else {*range(start, 1440), *range(end)}
    return found


def charge(
    buckets: list[Bucket],
    event: dict[str, Any],
    used: int,
    zone: str,
    levels: Levels,
    rules: Rulebook,
) -> tuple[int, list[tuple[UsageRule, Bucket, int]]]:
    """Charge usage at its own time. Buckets that have ended can still have room for it.

    Returns the bytes that no bucket covers, and the thresholds reached with their rules and
    buckets.
    """
    time_ms = event["time"]
    rest = used
    before: list[tuple[Bucket, int]] = []
    for bucket in in_charge_order(buckets):
        endless = bucket["kind"] == "unlimited"
        room = rest if endless else bucket["granted"] - bucket["used"]
        if not (rest and room and bucket["from_ms"] <= time_ms < end_of(bucket)):
            continue
        if not covers(bucket, event, zone, rules):
            continue
        take = min(rest, room)
        rest -= take
        if endless:
            bucket["granted"] += take
        if bucket["over"]:
            bucket["expired"] -= 0 if endless else take
        else:
            before.append((bucket, bucket["used"]))
        bucket["used"] += take
    reached = [
        one
        for bucket, used_before in before
        for one in passed_by(bucket, used_before, levels, rules)
    ]
    return rest, reached


def passed_by(
    bucket: Bucket, before: int, levels: Levels, rules: Rulebook
) -> list[tuple[UsageRule, Bucket, int]]:
    """Everything that a bucket has reached since ``before`` bytes were used of it, in the order of
    use."""
    found = [
        (rule, value)
        for rule in rules.usage_rules
        for value in levels_passed(rule, levels[rule.id], bucket, before, bucket["used"])
    ]

    def at_which(one: tuple[UsageRule, int]) -> tuple[int, str]:
        rule, value = one
        span = range(before + 1, bucket["used"] + 1)
        at = bisect_left(
            span, True, key=lambda used: is_level_reached(rule.kind, value, bucket["granted"], used)
        )
        return span[at], rule.id

    return [(rule, bucket, value) for rule, value in sorted(found, key=at_which)]


def levels_passed(
    rule: UsageRule, values: list[int], bucket: Bucket, before: int, after: int
) -> list[int]:
    """The thresholds of a rule that a bucket reached between two levels of use, in that order."""
    if not is_about(rule, bucket):
        return []
    granted = bucket["granted"]
    return [
        value
        for value in sorted(values, reverse=rule.kind in COUNTING_DOWN)
        if not is_level_reached(rule.kind, value, granted, before)
        and is_level_reached(rule.kind, value, granted, after)
    ]


def is_about(rule: UsageRule, bucket: Bucket) -> bool:
    """Whether a rule is about a bucket."""
    if rule.buckets is not None and bucket["source"] not in rule.buckets:
        return False
    if bucket["kind"] == "unlimited" and rule.kind != "used_bytes":
        return False  # an unlimited bucket has no percentage, and no bytes left
    return bucket["kind"] in rule.bucket_kinds


def take_back(
    buckets: list[Bucket],
    event: dict[str, Any],
    amount: int,
    zone: str,
    number: int,
    rules: Rulebook,
) -> list[tuple[Bucket, int]]:
    """Give usage back to the buckets that were valid for it, the last charged first.

    From packs and top-ups, at most the bytes that the cycle with this ``number`` took. Returns the
    bytes that each bucket gave back.
    """
    given = []
    for bucket in reversed(in_charge_order(buckets)):
        if not bucket["from_ms"] <= event["time"] < end_of(bucket):
            continue
        of_plan = bucket["kind"] in ("allowance", "unlimited")
        back = min(amount, bucket["used"] if of_plan else bucket["by"].get(number, 0))
        if not back or not covers(bucket, event, zone, rules):
            continue
        amount -= back
        bucket["used"] -= back
        bucket["by"][number] = bucket["by"].get(number, 0) - back
        if bucket["kind"] == "unlimited":
            bucket["granted"] -= back
        elif bucket["over"]:
            bucket["expired"] += back
        given.append((bucket, back))
    return given


def is_level_reached(kind: str, value: int, granted: int, used: int) -> bool:
    """Laws 12 and 15: landing exactly on a threshold means reaching it."""
    if kind == "usage_percent":
        return used * 100 >= granted * value
    if kind == "used_bytes":
        return used >= value
    left = granted - used
    if kind == "remaining_percent":
        return left * 100 <= granted * value
    return left <= value
