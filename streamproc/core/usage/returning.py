"""Refunds of usage of a closed cycle: usage of later cycles moves into the free bytes.

This is the counterpart of ``core/usage/late.py``. After the refund, a top-up or roll-over that
continued has free bytes again. If it had been used up, usage of later cycles was charged to other
buckets or was overage. In the order of time it would have been charged to this bucket, so it is
now.
"""

from __future__ import annotations

from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import ALLOWANCE, UNLIMITED, Account, Bucket, ClosedCycle
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
from streamproc.core.usage.tariffs import book_under, overage_within


def unuse(
    account: Account, cycle: ClosedCycle, bucket: Bucket, back_bytes: int, rules: Rulebook
) -> None:
    """Reduce by ``back_bytes`` what usage of a closed cycle took from a bucket."""
    was_used_up = bucket.used_bytes == bucket.granted_bytes
    change_used(account, bucket, -back_bytes)
    take_back_beside(cycle, bucket, back_bytes)
    if bucket.kind == UNLIMITED:
        return
    if bucket.kind == ALLOWANCE:
        _roll_again(account, cycle, bucket, back_bytes, rules)
    # If the bucket had bytes left before, no later usage had to go elsewhere.
    elif was_used_up:
        _fetch(account, cycle, bucket, rules)


def _roll_again(
    account: Account, cycle: ClosedCycle, bucket: Bucket, most_bytes: int, rules: Rulebook
) -> None:
    """Bytes that late usage had taken from an allowance's roll-over roll over again."""
    for roll in rolled_from(account, cycle, bucket):
        back = min(most_bytes, cycle.unrolled.get(roll.id, 0))
        if not back:
            continue
        most_bytes -= back
        add_amount(cycle.unrolled, roll.id, -back)
        bucket.expired_bytes -= back
        bucket.rolled_over_bytes += back
        was_used_up = roll.used_bytes == roll.granted_bytes
        roll.granted_bytes += back
        if not is_live(account, roll):
            roll.expired_bytes += back
        if was_used_up:
            _fetch(account, cycle, roll, rules)


def _fetch(account: Account, cycle: ClosedCycle, bucket: Bucket, rules: Rulebook) -> None:
    """Move usage of later cycles, oldest first, into the free bytes of a bucket that was used
    up."""
    scope = rules.scopes.get(bucket.source, EVERYTHING)
    for later in cycles_after(account, cycle):
        if not bucket.granted_bytes - bucket.used_bytes:
            return
        if later is None:
            if is_live(account, bucket):
                _fetch_from_present(account, bucket, scope, rules)
        # The bucket must have been valid until the end of that cycle: the time of the
        # usage is not known.
        elif later.end_ms <= bucket.expires_ms and _is_of_its_time(bucket, later):
            _fetch_from_closed(account, later, bucket, scope, rules)


def _is_of_its_time(bucket: Bucket, later: ClosedCycle) -> bool:
    """Whether a bucket existed in a cycle, so that both are of one contract.

    The next contract can begin, and also end, at the very instant at which the earlier one was
    closed, and its bucket with it.
    """
    if any(bucket is one for one in later.buckets):
        return True
    return bucket.granted_ms < later.end_ms and later.start_ms < bucket.expires_ms


def _fetch_from_present(account: Account, bucket: Bucket, scope: Scope, rules: Rulebook) -> None:
    for tariff, overage_bytes in overage_within(account, scope, rules):
        back = min(overage_bytes, bucket.granted_bytes - bucket.used_bytes)
        if back:
            account.overage_bytes -= back
            book_under(account, tariff, -back)
            change_used(account, bucket, back)
    for one, back in _charged_after(
        account, None, bucket, [*account.buckets, *account.ended], scope, rules
    ):
        change_used(account, bucket, back)
        change_used(account, one, -back)


def _fetch_from_closed(
    account: Account, later: ClosedCycle, bucket: Bucket, scope: Scope, rules: Rulebook
) -> None:
    own = own_buckets(later)
    # Overage of a closed cycle has no sort of usage any more. Only a bucket for all usage
    # certainly covers it.
    if scope.contains_whole(EVERYTHING):
        back = min(later.overage_bytes, bucket.granted_bytes - bucket.used_bytes)
        later.overage_bytes -= back
        _use(account, later, bucket, back)
    every = [*own, *outliving(account, later)]
    for one, back in _charged_after(account, later, bucket, every, scope, rules):
        _use(account, later, bucket, back)
        unuse(account, later, one, back, rules)
    keep_own(later, own)


def _charged_after(
    account: Account,
    later: ClosedCycle | None,
    bucket: Bucket,
    every: list[Bucket],
    scope: Scope,
    rules: Rulebook,
) -> list[tuple[Bucket, int]]:
    """What a cycle used of buckets that are charged after this one, as far as this one covers
    it."""
    room = bucket.granted_bytes - bucket.used_bytes
    found = []
    for one in sorted(every, key=Bucket.charge_order, reverse=True):
        # Buckets are charged in this order, so all further ones come before this bucket.
        if one.charge_order() <= bucket.charge_order() or not room:
            break
        if scope.contains_whole(rules.scopes.get(one.source, EVERYTHING)):
            back = min(room, used_by_cycle(account, one, later))
            if back:
                found.append((one, back))
                room -= back
    return found


def _use(account: Account, cycle: ClosedCycle, bucket: Bucket, took_bytes: int) -> None:
    change_used(account, bucket, took_bytes)
    note_beside(cycle, bucket, took_bytes)
