"""Usage of a closed cycle, and its refunds: where each byte would have been charged in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import EVERYTHING, Rulebook, Scope, UsageRule
from streamproc.lab.oracle import smaller
from streamproc.lab.oracle.buckets import (
    NEVER,
    Bucket,
    Levels,
    covers,
    end_of,
    in_charge_order,
    is_within,
    levels_passed,
    meets,
    open_at,
    passed_by,
    scope_of,
)
from streamproc.lab.oracle.reaching import covers_use, note_costly

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract, Cycle

KEPT_PACKS = 100
"""How many packs that ended in a cycle with bytes left are remembered; the last ones are."""
PLAN_KINDS = ("allowance", "unlimited")

Displaced = tuple[int, Bucket, int]
"""Usage that lost its bucket: the number of its cycle, the bucket, bytes."""
Reaches = list[tuple[UsageRule, Bucket, int]]


def used_of(bucket: Bucket, number: int, is_oldest: bool = False) -> int:
    """Bytes that usage of one of a contract's cycles took. For the oldest cycle that is remembered
    it includes all cycles before it."""
    if bucket["kind"] in PLAN_KINDS:
        return int(bucket["used"])
    by: dict[int, int] = bucket["by"]
    return sum(took for one, took in by.items() if one == number or (is_oldest and one < number))


def note_use(bucket: Bucket, number: int, change: int) -> None:
    """Add bytes of a bucket to the usage of a cycle (or subtract them)."""
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
    before = standing(contract, rules)
    able = [one for one in [*cycle["own"], *contract.bought()] if _is_for(one, event, zone, rules)]
    rest = used - sum(took for _, took in smaller.cover(able, event, used, zone, rules))
    displaced: list[Displaced] = []
    cycle["overage"] += _put(contract, cycle["number"], rest, able, displaced)
    cycle["late"] += used
    _sum_up(cycle)
    # The list grows while usage that is charged again displaces other usage.
    for number, bucket, amount in displaced:
        _put_anew(contract, number, bucket, amount, displaced, rules)
    for known, bucket in before:
        if known - reached_by(contract, bucket, rules):
            contract.next_grant()
    return [
        one
        for known, bucket in before
        for one in passed_by(bucket, 0, levels, rules)
        if (one[0].id, one[2]) not in known
    ]


def _put(
    contract: Contract, number: int, used: int, able: list[Bucket], displaced: list[Displaced]
) -> int:
    """Charge usage of a cycle to buckets in order; returns the bytes that none of them covers."""
    rest = used
    for bucket in in_charge_order(able):
        if bucket["kind"] == "unlimited":
            bucket["granted"] += rest
            bucket["used"] += rest
            return 0
        rest -= _fill(bucket, number, rest)
        roll = _roll(contract, bucket)
        if bucket["kind"] == "allowance":
            if rest and roll is not None:
                # It takes back what rolled over; from that, the usage of the latest cycles first.
                back = min(rest, bucket["rolled"], roll["granted"])
                _displace(roll, number, back - _free(roll), displaced)
                _shrink(bucket, back)
                bucket["used"] += back
                rest -= back
        else:
            _displace(bucket, number, rest, displaced)
            rest -= _fill(bucket, number, rest)
    return rest


def _put_anew(
    contract: Contract,
    number: int,
    source: Bucket,
    amount: int,
    displaced: list[Displaced],
    rules: Rulebook,
) -> None:
    """Charge displaced usage to other buckets of its own cycle, whenever in the cycle they were
    valid."""
    cycle = _cycle(contract, number)
    start, end = (contract.start_ms, contract.end_ms) if cycle is None else _span(cycle)
    own = cycle["own"] if cycle is not None else contract.plans_own()
    scope = scope_of(source["source"], rules)
    every = [
        one
        for one in in_charge_order([*own, *contract.bought()])
        if one is not source
        and one["from_ms"] < end
        and end_of(one) > start
        and meets(scope, scope_of(one["source"], rules))
    ]
    able = [one for one in every if is_within(scope, scope_of(one["source"], rules))]
    rest = _put(contract, number, amount, able, displaced)
    partly = [one for one in every if not any(one is other for other in able)]
    # Where a bucket was always there and always came first, its sorts of usage never went by it.
    passed = [one for one in partly if _came_first(contract, cycle, one, source)]
    for one in partly:
        if any(one is other for other in passed) or (cycle is not None and not one["over"]):
            continue
        rest -= _take_unused(one, number, rest)
    if cycle is not None:
        cycle["overage"] += rest
        _sum_up(cycle)
    elif rest:
        _price(contract, scope, passed, rest, rules)


def _came_first(contract: Contract, cycle: Cycle | None, bucket: Bucket, source: Bucket) -> bool:
    """Whether usage of a ``source`` would have come to another bucket first, if that one covered
    it."""
    if cycle is None and contract.is_freed:
        return False
    start, end = (contract.start_ms, contract.end_ms) if cycle is None else _span(cycle)
    until = NEVER if cycle is None and not bucket["over"] else end_of(bucket)
    return (
        in_charge_order([source, bucket])[0] is bucket
        and bucket["from_ms"] <= max(start, source["from_ms"])
        and until >= min(end, end_of(source))
    )


def _take_unused(bucket: Bucket, number: int, most: int) -> int:
    """Use bytes that nobody used; returns how many."""
    if bucket["kind"] != "unlimited":
        return _fill(bucket, number, most)
    bucket["granted"] += most
    bucket["used"] += most
    return most


def _price(
    contract: Contract, scope: Scope, passed: list[Bucket], amount: int, rules: Rulebook
) -> None:
    """Usage of a scope is overage of the present cycle: of a sort that no bucket with bytes left
    covers."""
    left = [one for one in passed if one["kind"] == "unlimited" or _free(one) > 0]
    tariff = contract.tariff_for(scope, rules)
    use = _example(scope, tariff.id if tariff else "")
    if left:
        found = _other_sorts(contract, scope, left, rules)
        if not found:
            for one in passed:
                amount -= _take_unused(one, contract.number, amount)
        else:
            of_all = [one for one in found if one["tariff"] == use["tariff"]]
            use = (of_all or found)[0]
    if not amount:
        return
    plan = rules.plans.get(contract.plan)
    for each in plan.all_tariffs if plan else ():
        if each.id == use["tariff"]:
            tariff = each
    contract.overage += amount
    contract.money.move(tariff, amount)
    note_costly(contract, use, rules)


def _other_sorts(
    contract: Contract, scope: Scope, left: list[Bucket], rules: Rulebook
) -> list[dict[str, Any]]:
    """Examples of usage of a scope that some buckets do not cover: home before abroad, then by
    zone, group and minute."""
    plan = rules.plans.get(contract.plan)
    scopes = [one.scope for one in rules.packs.values()]
    scopes += [one.scope for one in (plan.all_tariffs if plan else ())]
    scopes += [one.scope for any_plan in rules.plans.values() for one in any_plan.allowances]
    zones, groups, minutes = {"home"}, {0}, {0}
    for one in scopes:
        zones |= one.roaming_zones or set()
        groups |= one.rating_groups or set()
        minutes |= {end % 1440 for span in one.hours or () for end in span}
    found = []
    for zone in sorted(zones | (scope.roaming_zones or set()), key=lambda z: (z != "home", z)):
        for group in sorted(groups | (scope.rating_groups or set())):
            for minute in sorted(minutes):
                use = {"tariff": "", "group": group, "zone": zone, "minute": minute}
                if not _is_in(scope, use):
                    continue
                if any(covers_use(one["source"], use, rules) for one in left):
                    continue
                priced = {"rating_group": group, "roaming_zone": zone}
                tariff = contract.money.tariff(contract.plan, priced, rules)
                found.append({**use, "tariff": tariff.id if tariff else ""})
    return found


def _is_in(scope: Scope, use: dict[str, Any]) -> bool:
    if scope.hours and use["minute"] not in open_at(scope):
        return False
    if scope.rating_groups is not None and use["group"] not in scope.rating_groups:
        return False
    return scope.roaming_zones is None or use["zone"] in scope.roaming_zones


def _example(scope: Scope, tariff: str) -> dict[str, Any]:
    """An example of usage of a scope, as ordinary as possible."""
    groups, zones = scope.rating_groups, scope.roaming_zones
    return {
        "tariff": tariff,
        "group": 0 if groups is None else min(groups),
        "zone": "home" if zones is None or "home" in zones else min(zones),
        "minute": scope.hours[0][0] if scope.hours else 0,
    }


def _displace(bucket: Bucket, number: int, most: int, displaced: list[Displaced]) -> None:
    """Usage of later cycles leaves a bucket, that of the last cycle first."""
    for later in sorted((one for one in bucket["by"] if one > number), reverse=True):
        amount = min(most, bucket["by"][later])
        if amount > 0:
            most -= amount
            _fill(bucket, later, -amount)
            displaced.append((later, bucket, amount))


def _fill(bucket: Bucket, number: int, most: int) -> int:
    """Use bytes that are left or have expired (less than 0: use fewer); returns how many."""
    took = min(most, _free(bucket))
    bucket["used"] += took
    if bucket["over"]:
        bucket["expired"] -= took
    if took < 0:
        smaller.settle(bucket)
    if bucket["kind"] not in PLAN_KINDS and took:
        note_use(bucket, number, took)
    return took


def _free(bucket: Bucket) -> int:
    return int(bucket["granted"] - bucket["used"] - bucket["rolled"])


def refund_past(
    contract: Contract, cycle: Cycle, event: dict[str, Any], zone: str, rules: Rulebook
) -> int:
    """Take back usage of a closed cycle of a contract; returns how many bytes."""
    before = standing(contract, rules)
    wanted = event["refunded_bytes"]
    is_oldest = cycle is contract.history[0]
    lost = smaller.never_used(
        [*cycle["own"], *contract.bought()],
        event,
        zone,
        lambda one: used_of(one, cycle["number"], is_oldest),
        cycle["overage"],
        rules,
    )
    at_first = wanted - sum(less for _, less in lost)
    rest = at_first - min(at_first, cycle["overage"])
    cycle["overage"] -= at_first - rest
    for bucket in reversed(in_charge_order([*cycle["own"], *contract.bought()])):
        if not _is_for(bucket, event, zone, rules):
            continue
        back = min(rest, used_of(bucket, cycle["number"], is_oldest), bucket["used"])
        if back:
            rest -= back
            _empty(contract, cycle, bucket, back, rules)
    _sum_up(cycle)
    for known, bucket in before:
        if known - reached_by(contract, bucket, rules):
            contract.un_cross(rules)
    return int(wanted - rest)


def _empty(contract: Contract, cycle: Cycle, bucket: Bucket, back: int, rules: Rulebook) -> None:
    """A cycle's usage gives bytes of a bucket back; later cycles can use them."""
    number = cycle["number"]
    if bucket["kind"] == "unlimited":
        bucket["used"] -= back
        bucket["granted"] -= back
    elif bucket["kind"] == "allowance":
        bucket["used"] -= back
        _grow(contract, number, bucket, back, rules)
        smaller.settle(bucket)
    else:
        was_full = not _free(bucket)
        _fill(bucket, number, -back)
        if was_full:
            _gather(contract, number, bucket, rules)


def _gather(contract: Contract, number: int, bucket: Bucket, rules: Rulebook) -> None:
    """Usage of later cycles that went beyond a full bucket is charged to it, oldest first."""
    scope = scope_of(bucket["source"], rules)
    for later in range(number + 1, contract.number + 1):
        cycle = _cycle(contract, later)
        is_present = cycle is None
        if is_present and (bucket["over"] or contract.closed_ms is not None):
            continue
        if cycle is not None and end_of(bucket) < cycle["end"]:
            continue
        if cycle is None:
            for tariff, amount in contract.priced(rules):
                if is_within(tariff.scope if tariff else EVERYTHING, scope):
                    took = _fill(bucket, later, amount)
                    contract.overage -= took
                    contract.money.move(tariff, -took)
        elif is_within(EVERYTHING, scope):
            cycle["overage"] -= _fill(bucket, later, cycle["overage"])
        own = contract.plans_own() if cycle is None else cycle["own"]
        order = in_charge_order([*own, *contract.bought()])
        for one in reversed(order[order.index(bucket) + 1 :]):
            if is_within(scope_of(one["source"], rules), scope):
                took = _fill(bucket, later, used_of(one, later))
                if took and cycle is not None:
                    _empty(contract, cycle, one, took, rules)
                elif took:
                    _less(one, later, took)
        if cycle is not None:
            _sum_up(cycle)


def _less(bucket: Bucket, number: int, back: int) -> None:
    """The present cycle used fewer bytes of a bucket."""
    if bucket["kind"] == "unlimited":
        bucket["used"] -= back
        bucket["granted"] -= back
    else:
        _fill(bucket, number, -back)


def standing(contract: Contract, rules: Rulebook) -> list[tuple[set[tuple[str, int]], Bucket]]:
    """What live buckets have reached."""
    return [(reached_by(contract, one, rules), one) for one in contract.live()]


def _cycle(contract: Contract, number: int) -> Cycle | None:
    """A closed cycle of a contract by its number; None is the present one."""
    for one in contract.history:
        if one["contract"] is contract and one["number"] == number:
            return one
    return None


def _span(cycle: Cycle) -> tuple[int, int]:
    return cycle["start"], cycle["end"]


def _is_for(bucket: Bucket, event: dict[str, Any], zone: str, rules: Rulebook) -> bool:
    is_valid = bucket["from_ms"] <= event["time"] < end_of(bucket)
    return is_valid and covers(bucket, event, zone, rules)


def _roll(contract: Contract, bucket: Bucket) -> Bucket | None:
    """The bucket that rolled over from an allowance, unless it is used up and has ended."""
    roll: Bucket | None = bucket.get("roll")
    return roll if any(one is roll for one in contract.bought()) else None


def _shrink(bucket: Bucket, back: int) -> None:
    """Fewer bytes of an allowance rolled over than assumed."""
    roll = bucket["roll"]
    bucket["rolled"] -= back
    bucket["unrolled"] = bucket.get("unrolled", 0) + back
    roll["granted"] -= back
    if roll["over"]:
        roll["expired"] -= back


def _grow(contract: Contract, number: int, bucket: Bucket, back: int, rules: Rulebook) -> None:
    """Bytes are unused again: first they roll over again, as far as late usage had taken them from
    there."""
    roll = _roll(contract, bucket)
    again = min(back, bucket.get("unrolled", 0)) if roll else 0
    bucket["expired"] += back - again
    if not again or roll is None:
        return
    was_full = not _free(roll)
    bucket["unrolled"] -= again
    bucket["rolled"] += again
    roll["granted"] += again
    if roll["over"]:
        roll["expired"] += again
    if was_full:
        _gather(contract, number, roll, rules)


def reached_by(contract: Contract, bucket: Bucket, rules: Rulebook) -> set[tuple[str, int]]:
    return {
        (rule.id, value)
        for rule in rules.usage_rules
        for value in levels_passed(rule, contract.levels(rule), bucket, 0, bucket["used"])
    }


def _sum_up(cycle: Cycle) -> None:
    """Calculate the cycle's totals from its allowances."""
    for name in ("granted", "used", "expired", "rolled"):
        own = [one[name] for one in cycle["own"] if one["kind"] in PLAN_KINDS]
        cycle[name] = sum(own)
