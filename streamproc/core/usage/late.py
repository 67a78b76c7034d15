"""Late usage of a cycle that is over: charged as if it had arrived in time (law 11).

Bytes of the closed cycle may have been used since then: they rolled over, or belong to a top-up
that continues. In the order of time, the late usage would have used them first, and usage of a
later cycle would have found less. So that later usage is *pushed out*: it is charged again in its
own cycle. Its time and its sort are not known any more. Any bucket of its cycle that covers all
usage of its former bucket can take it, in the order of law 8. After these come buckets that may
have covered it, because they cover some of that usage (``core/usage/coverage.py``). So nobody pays
for what may have been covered. The rest is overage. No bucket with bytes left covers the sort under
which it is priced, so a message says that this sort costs.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from streamproc.core.rules.rulebook import EVERYTHING, Crossing, Rulebook
from streamproc.core.state.account import (
    ALLOWANCE,
    UNLIMITED,
    Account,
    Bucket,
    ClosedCycle,
)
from streamproc.core.state.events import UsageRecorded
from streamproc.core.usage.arming import re_arm
from streamproc.core.usage.boundaries import forget_boundaries, note_late, used_so_far
from streamproc.core.usage.charging import Crossed, crossings_between
from streamproc.core.usage.closed_cycles import (
    add_amount,
    change_used,
    cycles_after,
    is_live,
    keep_own,
    note_beside,
    outliving,
    own_buckets,
    rolled_from,
    take_back_beside,
    used_by_cycle,
)
from streamproc.core.usage.costs import note_cost
from streamproc.core.usage.coverage import (
    is_certainly_other,
    those_covering,
    unused_bytes,
    usage_beyond,
)
from streamproc.core.usage.downgrades import raise_grants
from streamproc.core.usage.own_thresholds import own_of
from streamproc.core.usage.tariffs import book_under

Levels = set[tuple[str, int]]
"""Rules and their thresholds that are reached."""

Standing = list[tuple[Bucket, Levels]]


class Taken(NamedTuple):
    """Late usage that a bucket took because of an earlier plan."""

    bucket: Bucket
    used_bytes: int
    known: Levels | None
    """What it had reached before; None: the bucket has ended, so no message is about it."""


class Outcome(Struct, gc=False):
    """The results of late usage."""

    crossed: list[Crossed]
    """Thresholds of live buckets that it reached."""
    pushed_out_bytes: int
    """Usage of later cycles that was charged again."""


class _Pushed(Struct, gc=False):
    """Usage of a later cycle (None: the present one) for which a bucket has no room any more."""

    cycle: ClosedCycle | None
    bucket: Bucket
    amount_bytes: int


def charge_closed_cycle(
    account: Account, cycle: ClosedCycle, event: UsageRecorded, time_ms: int, rules: Rulebook
) -> Outcome:
    """Charge late usage of a closed cycle to the buckets that were valid then, in the order of law
    8.

    Usage that no bucket covers is overage of that cycle.
    """
    # Usage that is pushed out can move any live bucket up or down. So all thresholds are compared
    # at the end, not after each step.
    before = standing(account, rules)
    forget_boundaries(account)
    own = own_buckets(cycle)
    every = (*own, *outliving(account, cycle))
    covering = those_covering(every, event, account.time_zone, rules)
    valid = [one for one in covering if one.granted_ms <= time_ms < one.expires_ms]
    raised = raise_grants(account, valid, time_ms, event.used_bytes)
    rest = event.used_bytes - sum(_use_up_to(account, cycle, *one) for one in raised)
    pushed: list[_Pushed] = []
    cycle.overage_bytes += _charge(account, cycle, valid, rest, pushed)
    cycle.late_bytes += event.used_bytes
    keep_own(cycle, own)
    pushed_out_bytes = 0
    # Usage that is charged again can push out usage of a still later cycle. The list becomes empty
    # because each step moves to a later cycle or to overage.
    while pushed:
        one = pushed.pop(0)
        pushed_out_bytes += one.amount_bytes
        _charge_anew(account, one, pushed, rules)
    re_arm_moved(account, before, rules)
    return Outcome(_crossed(account, before, rules), pushed_out_bytes)


def charge_to_earlier_plan(
    account: Account, event: UsageRecorded, time_ms: int, rules: Rulebook
) -> list[Taken]:
    """Late usage of the present cycle from before a change to a smaller plan: what that plan had
    left covers it, and not what another plan gave since.

    Returns the buckets that a change left with less.
    """
    extra = account.extra
    if extra is None or not any(one.at_ms > time_ms for one in extra.downgrades):
        return []
    every = (*account.buckets, *account.ended)
    covering = those_covering(every, event, account.time_zone, rules)
    valid = [one for one in covering if one.granted_ms <= time_ms < one.expires_ms]
    before, used_before = standing(account, rules), used_so_far(account)
    raised = raise_grants(account, valid, time_ms, event.used_bytes)
    found = []
    for bucket, covered in raised:
        known = next((levels for one, levels in before if one is bucket), None)
        found.append(Taken(bucket, _use_up_to(account, None, bucket, covered), known))
    note_late(account, used_before, time_ms)
    return found


def with_earlier_plan(
    account: Account, crossed: list[Crossed] | None, taken: list[Taken], rules: Rulebook
) -> list[Crossed] | None:
    """What buckets have crossed, together with those whose grants became larger. Of these, what
    they had reached before is left out."""
    found = []
    for one in taken:
        if one.known is not None:
            now = _levels(account, one.bucket, rules)
            fresh = tuple(x for x in now if (x.rule.id, x.value) not in one.known)
            found += [Crossed(one.bucket, fresh)] if fresh else []
    others = [x for x in crossed or () if not any(x.bucket is one.bucket for one in taken)]
    return [*found, *others] or None


def _use_up_to(account: Account, cycle: ClosedCycle | None, bucket: Bucket, most_bytes: int) -> int:
    return most_bytes - _use_unused(account, cycle, [bucket], most_bytes)


def _charge_anew(account: Account, one: _Pushed, pushed: list[_Pushed], rules: Rulebook) -> None:
    """Charge usage that was pushed out to other buckets of its cycle that cover it."""
    cycle = one.cycle
    own = [*account.buckets, *account.ended] if cycle is None else own_buckets(cycle)
    every = own if cycle is None else [*own, *outliving(account, cycle)]
    # Only the cycle of this usage is known, not its time in the cycle. A bucket that was valid at
    # any time in the cycle is accepted.
    start_ms, end_ms = (
        (account.cycle_start_ms, account.cycle_end_ms)
        if cycle is None
        else (cycle.start_ms, cycle.end_ms)
    )
    scope = rules.scopes.get(one.bucket.source, EVERYTHING)
    covering: list[Bucket] = []
    possible: list[Bucket] = []
    others: list[Bucket] = []
    for bucket in every:
        known = rules.scopes.get(bucket.source, EVERYTHING)
        if bucket is one.bucket or bucket.granted_ms >= end_ms or bucket.expires_ms <= start_ms:
            continue
        if known.contains_whole(scope):
            covering.append(bucket)
        elif known.overlaps(scope):
            is_other = is_certainly_other(
                account, bucket, one.bucket, start_ms, end_ms, is_present=cycle is None
            )
            (others if is_other else possible).append(bucket)
    rest = _charge(account, cycle, covering, one.amount_bytes, pushed)
    if cycle is not None:
        # Overage of a closed cycle costs nothing. So usage that may be of another sort takes no
        # bytes from a bucket that continues.
        possible = [bucket for bucket in possible if not is_live(account, bucket)]
        cycle.overage_bytes += _use_unused(account, cycle, possible, rest)
        keep_own(cycle, own)
    elif rest := _use_unused(account, None, possible, rest):
        _charge_overage(account, one.bucket.source, others, rest, rules)


def _charge_overage(
    account: Account, source: str, others: list[Bucket], rest: int, rules: Rulebook
) -> None:
    """Usage of the present cycle that left a bucket of this source, and that others, as far as is
    known, did not cover."""
    use = usage_beyond(account, source, others, rules)
    if use is None:
        # All sorts have bytes left, so one of the others may have covered it after all.
        rest = _use_unused(account, None, others, rest)
        use = usage_beyond(account, source, (), rules)
    if rest and use is not None:
        account.overage_bytes += rest
        book_under(account, use.tariff, rest)
        note_cost(account, use, rules)


def _use_unused(
    account: Account, cycle: ClosedCycle | None, buckets: list[Bucket], used_bytes: int
) -> int:
    """Charge usage in order to bytes that nothing has used; returns the bytes that are left
    over."""
    rest = used_bytes
    for bucket in sorted(buckets, key=Bucket.charge_order):
        if bucket.kind == UNLIMITED:
            change_used(account, bucket, rest)
            return 0
        took = min(rest, unused_bytes(bucket))
        change_used(account, bucket, took)
        if cycle is not None:
            note_beside(cycle, bucket, took)
        rest -= took
    return rest


def _charge(
    account: Account,
    cycle: ClosedCycle | None,
    covering: list[Bucket],
    used_bytes: int,
    pushed: list[_Pushed],
) -> int:
    """Charge usage of a cycle (None: the present one) in order; returns the bytes that nothing
    covers."""
    rest = used_bytes
    for bucket in sorted(covering, key=Bucket.charge_order):
        if not rest:
            break
        # It covers any amount, so nothing can be pushed out of it.
        if bucket.kind == UNLIMITED:
            change_used(account, bucket, rest)
            return 0
        if bucket.kind == ALLOWANCE:
            rest -= _take_of_allowance(account, cycle, bucket, rest, pushed)
        else:
            rest -= _take(account, cycle, bucket, rest, pushed)
    return rest


def _take_of_allowance(
    account: Account,
    cycle: ClosedCycle | None,
    bucket: Bucket,
    most_bytes: int,
    pushed: list[_Pushed],
) -> int:
    """Take bytes of an allowance: first those left or expired, then those that rolled over
    from it."""
    unused = unused_bytes(bucket)
    # Bytes that rolled over left the allowance, so they are not unused here.
    took = min(most_bytes, unused)
    change_used(account, bucket, took)
    # Usage that is charged again in the present cycle does not take bytes back from a roll-over:
    # nothing has rolled over from this cycle yet.
    if cycle is None or took == most_bytes:
        return took
    for roll in rolled_from(account, cycle, bucket) if bucket.rolled_over_bytes else ():
        back = min(most_bytes - took, roll.granted_bytes, bucket.rolled_over_bytes)
        if not back:
            continue
        _push_out(account, cycle, roll, back, pushed)
        roll.granted_bytes -= back
        # An ended bucket keeps granted = used + remaining + expired (law 9), so its expired bytes
        # shrink as well.
        if not is_live(account, roll):
            roll.expired_bytes -= back
        add_amount(cycle.unrolled, roll.id, back)
        bucket.rolled_over_bytes -= back
        bucket.used_bytes += back
        took += back
    return took


def _take(
    account: Account,
    cycle: ClosedCycle | None,
    bucket: Bucket,
    most_bytes: int,
    pushed: list[_Pushed],
) -> int:
    """Take bytes of a pack, a top-up or a roll-over: first unused ones, then those of later
    cycles."""
    unused = bucket.granted_bytes - bucket.used_bytes
    if cycle is not None and most_bytes > unused:
        _push_out(account, cycle, bucket, most_bytes, pushed)
        unused = bucket.granted_bytes - bucket.used_bytes
    took = min(most_bytes, unused)
    change_used(account, bucket, took)
    if cycle is not None:
        note_beside(cycle, bucket, took)
    return took


def _push_out(
    account: Account,
    cycle: ClosedCycle,
    bucket: Bucket,
    needed_bytes: int,
    pushed: list[_Pushed],
) -> None:
    """Free bytes of a bucket, if possible: usage of the latest cycle is pushed out first."""
    # In the order of time the latest usage came last, so it would have found the bucket used up.
    for later in reversed(cycles_after(account, cycle)):
        more = needed_bytes - (bucket.granted_bytes - bucket.used_bytes)
        if more <= 0:
            return
        back = min(more, used_by_cycle(account, bucket, later))
        if not back:
            continue
        if later is not None:
            take_back_beside(later, bucket, back)
        change_used(account, bucket, -back)
        pushed.append(_Pushed(later, bucket, back))


def standing(account: Account, rules: Rulebook) -> Standing:
    """The thresholds that live buckets have reached."""
    return [(bucket, _reached(account, bucket, rules)) for bucket in account.buckets]


def re_arm_moved(account: Account, before: Standing, rules: Rulebook) -> bool:
    """Arm thresholds that are un-crossed, so that they fire again under another id. Returns if any
    are."""
    # Usage can also fall below a threshold, when it is pushed out. That arms the
    # threshold (law 13).
    found = [one for one, known in before if known - _reached(account, one, rules)]
    for bucket in found:
        account.grants += 1
        re_arm(bucket, account)
    return bool(found)


def _crossed(account: Account, before: Standing, rules: Rulebook) -> list[Crossed]:
    """What live buckets have reached now and had not reached before."""
    found = []
    for bucket, known in before:
        now = _levels(account, bucket, rules)
        fresh = tuple(one for one in now if (one.rule.id, one.value) not in known)
        if fresh:
            found.append(Crossed(bucket, fresh))
    return found


def _reached(account: Account, bucket: Bucket, rules: Rulebook) -> Levels:
    return {(one.rule.id, one.value) for one in _levels(account, bucket, rules)}


def _levels(account: Account, bucket: Bucket, rules: Rulebook) -> tuple[Crossing, ...]:
    return crossings_between(rules, bucket, 0, bucket.used_bytes, own_of(account, rules))
