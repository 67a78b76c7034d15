"""Cycles that are over: their totals, and late usage that still counts for them (law 11).

A closed cycle keeps what was its own: its allowances, and packs that ended in it with something
left. Packs, top-ups and what rolled over outlive it, so it keeps how much of each its usage took.
With both, usage of the cycle that arrives late goes where it would have gone in time, and a refund
takes it from there again.
"""

from __future__ import annotations

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import (
    ALLOWANCE,
    PLAN_KINDS,
    ROLLOVER,
    UNLIMITED,
    Account,
    Bucket,
    ClosedCycle,
)
from streamproc.core.state.events import UsageRecorded
from streamproc.core.usage.charging import Crossed, charge, crossings_between
from streamproc.core.usage.own_thresholds import own_of
from streamproc.core.usage.tariffs import spend_minor

MAX_ENDED_KEPT = 100
"""Packs that ended in a cycle with something left, kept with it; the last ones."""

_USUAL_PRIORITY = 50
"""Of allowances, where a record of an earlier release does not say it."""


def close_cycle(account: Account, end_ms: int, rules: Rulebook) -> ClosedCycle:
    """Put the present cycle's totals into the history; its allowances have expired."""
    over = [b for b in (*account.ended, *account.buckets) if b.kind in PLAN_KINDS]
    packs = [b for b in account.ended if b.kind not in PLAN_KINDS][-MAX_ENDED_KEPT:]
    start_ms = max(account.cycle_start_ms, account.activated_ms)
    closed = ClosedCycle(
        start_ms,
        max(start_ms, end_ms),
        sum(bucket.granted_bytes for bucket in over),
        sum(bucket.used_bytes for bucket in over),
        sum(bucket.expired_bytes for bucket in over),
        account.overage_bytes,
        rolled_over_bytes=sum(bucket.rolled_over_bytes for bucket in over),
        spend_minor=spend_minor(account, rules),
        is_unlimited=any(b.kind == UNLIMITED and b.source not in rules.scopes for b in over),
    )
    if len(over) == 1 and not packs and _is_told_by_totals(over[0], closed):
        closed.source, closed.priority = over[0].source, over[0].priority
    else:
        closed.buckets = [*over, *packs]
    for bucket in account.buckets:
        if bucket.kind not in PLAN_KINDS and (took := used_in_cycle(account, bucket)):
            closed.beside[bucket.id] = took
    _keep(account, closed, rules.limits.history_cycles)
    account.ended = []
    return closed


def closed_cycle(account: Account, time_ms: int) -> ClosedCycle | None:
    """The closed cycle that an instant lies in; None if it is not kept."""
    for cycle in reversed(account.history):
        if cycle.start_ms <= time_ms < cycle.end_ms:
            return cycle
    return None


def own_buckets(cycle: ClosedCycle) -> list[Bucket]:
    """What was the cycle's own, allowances first; to be put back with :func:`keep_own`."""
    if cycle.buckets:
        return cycle.buckets
    is_endless = cycle.is_unlimited and bool(cycle.source)
    one = Bucket(
        cycle.source,
        UNLIMITED if is_endless else ALLOWANCE,
        cycle.source,
        cycle.priority if cycle.source else _USUAL_PRIORITY,
        cycle.start_ms,
        cycle.end_ms,
        cycle.granted_bytes,
        cycle.used_bytes,
        0,
        cycle.expired_bytes,
        cycle.rolled_over_bytes,
    )
    if not cycle.is_unlimited or is_endless:
        return [one]
    # A record of an earlier release: its unlimited allowance took what the others did not cover.
    rest = Bucket("", UNLIMITED, "", _USUAL_PRIORITY + 1, cycle.start_ms, cycle.end_ms, 0)
    return [one, rest]


def keep_own(cycle: ClosedCycle, own: list[Bucket]) -> None:
    """Write the cycle's totals as its own buckets are now."""
    plan = [bucket for bucket in own if bucket.kind in PLAN_KINDS]
    cycle.granted_bytes = sum(bucket.granted_bytes for bucket in plan)
    cycle.used_bytes = sum(bucket.used_bytes for bucket in plan)
    cycle.expired_bytes = sum(bucket.expired_bytes for bucket in plan)
    cycle.rolled_over_bytes = sum(bucket.rolled_over_bytes for bucket in plan)


def used_in_cycle(account: Account, bucket: Bucket, cycle: ClosedCycle | None = None) -> int:
    """Bytes that usage of a cycle (None: the present one) took of a bucket.

    Of a bucket that a cycle did not outlive that is what no other cycle took.
    """
    if bucket.kind in PLAN_KINDS:
        return bucket.used_bytes
    if cycle is not None and not any(bucket is one for one in cycle.buckets):
        return cycle.beside.get(bucket.id, 0)
    others = (one.beside.get(bucket.id, 0) for one in account.history if one is not cycle)
    return max(bucket.used_bytes - sum(others), 0)


def outliving(account: Account, cycle: ClosedCycle) -> list[Bucket]:
    """Packs, top-ups and what rolled over, live or kept, that are not the cycle's own.

    They are of the same contract: its cycles follow one another without a gap, while a new one's
    may overlap those of the one before (its activation may be of before that one's closing).
    """
    every = account.history
    place = next(index for index, one in enumerate(every) if one is cycle)
    first = last = place
    while first and every[first - 1].end_ms == every[first].start_ms:
        first -= 1
    while last + 1 < len(every) and every[last].end_ms == every[last + 1].start_ms:
        last += 1
    found = [b for one in every[first : last + 1] if one is not cycle for b in one.buckets]
    if last + 1 == len(every) and every[last].end_ms == account.cycle_start_ms:
        found += [*account.buckets, *account.ended]
    return [bucket for bucket in found if bucket.kind not in PLAN_KINDS]


def rolled_from(account: Account, cycle: ClosedCycle, bucket: Bucket) -> list[Bucket]:
    """What rolled over from a cycle's allowance, as long as it is known."""
    return [
        one
        for one in outliving(account, cycle)
        if one.kind == ROLLOVER
        and one.granted_ms == cycle.end_ms
        # A record of an earlier release does not say from which.
        and (one.source == bucket.source or not bucket.source)
    ]


def is_live(account: Account, bucket: Bucket) -> bool:
    """Whether usage of now may be charged to it."""
    return any(bucket is one for one in account.buckets)


def charge_closed_cycle(
    account: Account, cycle: ClosedCycle, event: UsageRecorded, time_ms: int, rules: Rulebook
) -> list[Crossed] | None:
    """Charge late usage of a closed cycle to what was valid then, in the order of law 8.

    An allowance has what expired of it, and what rolled over from it and is still unused. What
    nothing covers is the cycle's overage. Returns the thresholds that were crossed of live buckets.
    """
    own = own_buckets(cycle)
    every = [*own, *outliving(account, cycle)]
    valid = [one for one in every if one.granted_ms <= time_ms < one.expires_ms]
    before = [(one.used_bytes, one.expired_bytes, one.rolled_over_bytes) for one in valid]
    for bucket in valid:
        rolls = rolled_from(account, cycle, bucket) if bucket.rolled_over_bytes else []
        bucket.rolled_over_bytes -= min(_unused(rolls), bucket.rolled_over_bytes)
        bucket.expired_bytes = 0
    live, overage_bytes = account.buckets, account.overage_bytes
    account.buckets, account.overage_bytes = sorted(valid, key=Bucket.charge_order), 0
    used, group, zone = event.used_bytes, event.rating_group, event.roaming_zone
    crossed = charge(account, used, group, zone, time_ms, rules) or []
    cycle.overage_bytes += account.overage_bytes
    cycle.late_bytes += used
    account.buckets, account.overage_bytes = live, overage_bytes
    crossed = [one for one in crossed if is_live(account, one.bucket)]
    for bucket, (used_before, expired_before, rolled_before) in zip(valid, before, strict=True):
        took = bucket.used_bytes - used_before
        if bucket.kind == ALLOWANCE:
            from_expired = min(took, expired_before)
            bucket.expired_bytes = expired_before - from_expired
            bucket.rolled_over_bytes = rolled_before - (took - from_expired)
            crossed += _take_from_rolls(account, cycle, bucket, took - from_expired, rules)
        elif bucket.kind != UNLIMITED:
            if not is_live(account, bucket):
                bucket.expired_bytes = bucket.remaining_bytes
            if took and not any(bucket is one for one in own):
                _add(cycle.beside, bucket.id, took)
    keep_own(cycle, own)
    return crossed or None


def give_back_rolls(
    account: Account, cycle: ClosedCycle, bucket: Bucket, most: int, rules: Rulebook
) -> list[Bucket]:
    """Let at most ``most`` bytes that expired of an allowance roll over again.

    It is what late usage had taken of what rolled over. Returns the live buckets that are so much
    larger that thresholds are not reached any more.
    """
    armed = []
    for one in rolled_from(account, cycle, bucket):
        back = min(most, cycle.unrolled.get(one.id, 0))
        if not back:
            continue
        most -= back
        _add(cycle.unrolled, one.id, -back)
        bucket.expired_bytes -= back
        bucket.rolled_over_bytes += back
        known = _reached(account, one, rules)
        one.granted_bytes += back
        if not is_live(account, one):
            one.expired_bytes += back
        elif known - _reached(account, one, rules):
            armed.append(one)
    return armed


def take_back_beside(cycle: ClosedCycle, bucket: Bucket, back: int) -> None:
    """The cycle's usage took so much less of a bucket that outlived it."""
    if bucket.id in cycle.beside:
        _add(cycle.beside, bucket.id, -back)


def _take_from_rolls(
    account: Account, cycle: ClosedCycle, bucket: Bucket, most: int, rules: Rulebook
) -> list[Crossed]:
    """Less rolled over than was thought; returns the thresholds that this leaves reached."""
    crossed: list[Crossed] = []
    for one in rolled_from(account, cycle, bucket) if most else ():
        back = min(most, _unused([one]))
        if not back:
            continue
        most -= back
        _add(cycle.unrolled, one.id, back)
        known = _reached(account, one, rules)
        one.granted_bytes -= back
        if not is_live(account, one):
            one.expired_bytes -= back
            continue
        reached = crossings_between(rules, one, 0, one.used_bytes, own_of(account, rules))
        fresh = tuple(each for each in reached if (each.rule.id, each.value) not in known)
        if fresh:
            crossed.append(Crossed(one, fresh))
    return crossed


def _unused(rolls: list[Bucket]) -> int:
    return sum(one.remaining_bytes + one.expired_bytes for one in rolls)


def _reached(account: Account, bucket: Bucket, rules: Rulebook) -> set[tuple[str, int]]:
    reached = crossings_between(rules, bucket, 0, bucket.used_bytes, own_of(account, rules))
    return {(one.rule.id, one.value) for one in reached}


def _add(amounts: dict[str, int], name: str, more: int) -> None:
    """Add to an amount; what is 0 is not kept."""
    found = amounts.pop(name, 0) + more
    if found:
        amounts[name] = found


def _is_told_by_totals(bucket: Bucket, closed: ClosedCycle) -> bool:
    """Whether the cycle's totals, and where they are from, say all of its one allowance."""
    is_whole = bucket.granted_ms <= closed.start_ms and bucket.expires_ms >= closed.end_ms
    return is_whole and (bucket.kind == ALLOWANCE or closed.is_unlimited)


def _keep(account: Account, closed: ClosedCycle, count: int) -> None:
    """Add a cycle to the history; what those took that are forgotten goes to the oldest kept."""
    every = [*account.history, closed]
    account.history = every[-count:]
    known = {bucket.id for one in account.history for bucket in one.buckets}
    known.update(bucket.id for bucket in account.buckets)
    oldest = account.history[0]
    for gone in every[:-count]:
        for name, took in gone.beside.items():
            if name in known:
                _add(oldest.beside, name, took)
