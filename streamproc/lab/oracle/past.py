"""Usage of a cycle that is over, and its refunds: where each byte would have gone in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.lab.oracle.buckets import (
    Bucket,
    Levels,
    covers,
    end_of,
    in_charge_order,
    levels_passed,
    passed_by,
)

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract, Cycle

KEPT_PACKS = 100
"""Packs that ended in a cycle with something left, and are remembered; the last ones."""
PLAN_KINDS = ("allowance", "unlimited")

Reaches = list[tuple[UsageRule, Bucket, int]]


def used_of(bucket: Bucket, number: int, is_oldest: bool = False) -> int:
    """Bytes that usage of one of a contract's cycles took; of the oldest that is remembered, and of
    those before it."""
    if bucket["kind"] in PLAN_KINDS:
        return int(bucket["used"])
    by: dict[int, int] = bucket["by"]
    return sum(took for one, took in by.items() if one == number or (is_oldest and one < number))


def note_use(bucket: Bucket, number: int, change: int) -> None:
    """So many bytes more (or less) of a bucket are a cycle's."""
    bucket["by"][number] = bucket["by"].get(number, 0) + change


def charge_past(
    contract: Contract,
    cycle: Cycle,
    event: dict[str, Any],
    used: int,
    zone: str,
    levels: Levels,
    rules: Rulebook,
) -> Reaches:
    """Charge usage of a closed cycle of a contract; returns what live buckets reached."""
    rest = used
    reached: Reaches = []
    shrunk: Reaches = []
    for bucket in in_charge_order([*cycle["own"], *contract.bought()]):
        if not _is_for(bucket, event, zone, rules):
            continue
        endless = bucket["kind"] == "unlimited"
        roll = _roll(contract, bucket)
        lent = min(bucket["rolled"], roll["granted"] - roll["used"]) if roll else 0
        room = rest if endless else bucket["granted"] - bucket["used"] - bucket["rolled"] + lent
        take = min(rest, room)
        if not take:
            continue
        rest -= take
        before = bucket["used"]
        bucket["used"] += take
        if bucket["kind"] in PLAN_KINDS:
            if endless:
                bucket["granted"] += take
                continue
            back = max(take - bucket["expired"], 0)
            bucket["expired"] -= take - back
            if back:
                shrunk += _shrink(bucket, back, levels, rules)
            continue
        note_use(bucket, cycle["number"], take)
        if bucket["over"]:
            bucket["expired"] -= take
        else:
            reached += passed_by(bucket, before, levels, rules)
    cycle["overage"] += rest
    cycle["late"] += used
    _sum_up(cycle)
    return [*reached, *shrunk]


def refund_past(
    contract: Contract, cycle: Cycle, event: dict[str, Any], zone: str, rules: Rulebook
) -> int:
    """Take usage of a closed cycle of a contract back; returns how much."""
    wanted = event["refunded_bytes"]
    rest = wanted - min(wanted, cycle["overage"])
    cycle["overage"] -= wanted - rest
    is_oldest = cycle is contract.history[0]
    for bucket in reversed(in_charge_order([*cycle["own"], *contract.bought()])):
        if not _is_for(bucket, event, zone, rules):
            continue
        back = min(rest, used_of(bucket, cycle["number"], is_oldest), bucket["used"])
        if not back:
            continue
        rest -= back
        bucket["used"] -= back
        if bucket["kind"] not in PLAN_KINDS:
            note_use(bucket, cycle["number"], -back)
        if bucket["kind"] == "unlimited":
            bucket["granted"] -= back
        elif bucket["kind"] == "allowance":
            _grow(contract, bucket, back, rules)
        elif bucket["over"]:
            bucket["expired"] += back
        elif any(
            levels_passed(
                rule, contract.levels(rule), bucket, bucket["used"], bucket["used"] + back
            )
            for rule in rules.usage_rules
        ):
            contract.un_cross(rules)
    _sum_up(cycle)
    return int(wanted - rest)


def _is_for(bucket: Bucket, event: dict[str, Any], zone: str, rules: Rulebook) -> bool:
    is_valid = bucket["from_ms"] <= event["time"] < end_of(bucket)
    return is_valid and covers(bucket, event, zone, rules)


def _roll(contract: Contract, bucket: Bucket) -> Bucket | None:
    """What rolled over from an allowance, unless it is used up and over."""
    roll: Bucket | None = bucket.get("roll")
    return roll if any(one is roll for one in contract.bought()) else None


def _shrink(bucket: Bucket, back: int, levels: Levels, rules: Rulebook) -> Reaches:
    """Less rolled over than was thought: what that leaves reached."""
    roll = bucket["roll"]
    known = passed_by(roll, 0, levels, rules) if levels else []
    bucket["rolled"] -= back
    bucket["unrolled"] = bucket.get("unrolled", 0) + back
    roll["granted"] -= back
    if roll["over"]:
        roll["expired"] -= back
        return []
    told = {(rule.id, value) for rule, _, value in known}
    now = passed_by(roll, 0, levels, rules)
    return [one for one in now if (one[0].id, one[2]) not in told]


def _grow(contract: Contract, bucket: Bucket, back: int, rules: Rulebook) -> None:
    """Unused again: first as what rolled over, as far as late usage had taken of that."""
    roll = _roll(contract, bucket)
    again = min(back, bucket.get("unrolled", 0)) if roll else 0
    bucket["expired"] += back - again
    if not again or roll is None:
        return
    bucket["unrolled"] -= again
    bucket["rolled"] += again
    known = _reached(contract, roll, rules)
    roll["granted"] += again
    if roll["over"]:
        roll["expired"] += again
    elif known - _reached(contract, roll, rules):
        contract.un_cross(rules)


def _reached(contract: Contract, bucket: Bucket, rules: Rulebook) -> set[tuple[str, int]]:
    return {
        (rule.id, value)
        for rule in rules.usage_rules
        for value in levels_passed(rule, contract.levels(rule), bucket, 0, bucket["used"])
    }


def _sum_up(cycle: Cycle) -> None:
    """The cycle's totals, from its allowances."""
    for name in ("granted", "used", "expired", "rolled"):
        own = [one[name] for one in cycle["own"] if one["kind"] in PLAN_KINDS]
        cycle[name] = sum(own)
