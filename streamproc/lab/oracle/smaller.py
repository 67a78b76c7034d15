"""Allowances whose plan was changed to a smaller one within the cycle.

Such an allowance remembers in ``changes`` each change: its instant (``at``); what it had (``had``)
and had used (``used``), and the overage (``over``), until then; and what the new plan gives
(``plan``). From these, its grant follows as if all usage had arrived in time. An unlimited
allowance before a share of a new one gives what was used of it (``gives_used``).
"""

from __future__ import annotations

from typing import Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import Bucket, covers, end_of, in_charge_order

REMEMBERED = 8
NO_LIMIT = 10**18


def given_by_plan(bucket: Bucket) -> int:
    """The plan's grant, without the bytes that were only added because they were used."""
    changes = bucket.get("changes")
    return int(changes[-1]["plan"] if changes else bucket["granted"])


def change(
    bucket: Bucket, at_ms: int, plan_bytes: int, overage: int, is_share: bool = False
) -> None:
    """Another plan gives this; the bucket still has what the former one gave."""
    had = NO_LIMIT if bucket["kind"] == "unlimited" else bucket["granted"]
    if had > plan_bytes or bucket.get("changes"):
        one = {"at": at_ms, "had": had, "used": bucket["used"], "plan": plan_bytes}
        one["over"] = overage
        one["gives_used"] = is_share and had == NO_LIMIT
        bucket["changes"] = [*bucket.get("changes", []), one][-REMEMBERED:]


def forget(bucket: Bucket) -> None:
    bucket.pop("changes", None)


def settle(bucket: Bucket) -> None:
    """Usage left the bucket, so bytes may go that it only had because they were used."""
    if bucket.get("changes"):
        for one in bucket["changes"]:
            _more_used(one, min(bucket["used"] - one["used"], 0))
        _grant_anew(bucket)


def never_used(
    buckets: list[Bucket],
    event: dict[str, Any],
    zone: str,
    used_of: Any,
    overage: int,
    rules: Rulebook,
) -> list[tuple[Bucket, int]]:
    """Usage of an instant is taken back: bytes for which overage has no room go first.

    ``used_of`` says what the cycle used of a bucket. Returns the bytes that each bucket lost.
    """
    wanted, lost = event["refunded_bytes"], []
    if not any(one.get("changes") for one in buckets):
        return []
    for bucket in reversed(in_charge_order(buckets)):
        is_valid = bucket["from_ms"] <= event["time"] < end_of(bucket)
        if not is_valid or not covers(bucket, event, zone, rules):
            continue
        later = _from_first_after(bucket, event["time"])
        if later:
            back = min(wanted, later[0]["used"] + later[0]["over"])
            less = min(_less(later, back, overage), bucket["used"])
            bucket["used"] -= less
            bucket["expired"] += less if bucket["over"] else 0
            settle(bucket)
            if less:
                lost.append((bucket, less))
            wanted -= back
        else:
            wanted -= min(wanted, used_of(bucket))
    return lost


def cover(
    buckets: list[Bucket], event: dict[str, Any], used: int, zone: str, rules: Rulebook
) -> list[tuple[Bucket, int]]:
    """Late usage takes what was left before a change; returns the buckets that changed after it,
    each with the bytes that it takes."""
    found = []
    for bucket in in_charge_order(buckets):
        if not bucket["from_ms"] <= event["time"] < end_of(bucket):
            continue
        if not used or not covers(bucket, event, zone, rules):
            continue
        if bucket["kind"] == "unlimited":
            used = 0
            break
        later = _from_first_after(bucket, event["time"])
        if later:
            took = max(min(used, later[0]["had"] - later[0]["used"]), 0)
            _move(bucket, event["time"], took)
            _grant_anew(bucket)
            room = bucket["granted"] - bucket["used"] - bucket["rolled"]
            found.append((bucket, min(took, room)))
        else:
            took = min(used, bucket["granted"] - bucket["used"] - bucket["rolled"])
        used -= took
    for bucket, takes in found:
        bucket["used"] += takes
        bucket["expired"] -= takes if bucket["over"] else 0
        for one in _from_first_after(bucket, event["time"]):
            one["over"] += used
    return found


def _from_first_after(bucket: Bucket, time_ms: int) -> list[dict[str, int]]:
    """The changes that usage of an instant has met; a later one may be stamped earlier."""
    changes: list[dict[str, int]] = bucket.get("changes", [])
    for place, one in enumerate(changes):
        if one["at"] > time_ms:
            return changes[place:]
    return []


def _move(bucket: Bucket, time_ms: int, amount: int) -> None:
    """More was used before the changes after an instant."""
    grown = beyond = 0
    for one in _from_first_after(bucket, time_ms):
        one["had"] += grown
        granted = max(one["plan"], one["used"])
        room = one["had"] - one["used"]
        beyond += max(amount - room, 0)
        amount = min(amount, room)
        _more_used(one, amount)
        one["over"] += beyond
        grown = max(one["plan"], one["used"]) - granted


def _more_used(one: dict[str, int], amount: int) -> None:
    one["used"] += amount
    one["plan"] += amount if one["gives_used"] else 0


def _less(changes: list[dict[str, int]], amount: int, overage: int) -> int:
    """Less was used before these changes. What overage came later fills the room that they leave;
    returns what it does not fill."""
    room, until, fall, filled = amount, 0, 0, 0
    for one in [*changes, None]:
        now = overage if one is None else one["over"]
        fills = min(room, max(now - until, 0))
        if one is None:
            return amount - fills
        filled, amount, until = filled + fills, amount - fills, now
        one["had"] -= fall
        one["over"] = max(one["over"] - filled, 0)
        granted = max(one["plan"], one["used"])
        _more_used(one, -min(amount, one["used"]))
        fall = granted - max(one["plan"], one["used"])
        room = amount - fall
    return amount


def _grant_anew(bucket: Bucket) -> None:
    last = bucket["changes"][-1]
    granted = max(last["plan"], last["used"])
    if bucket["over"]:
        bucket["expired"] += granted - bucket["granted"]
    bucket["granted"] = granted
