"""Cycles that are over: their totals, and the buckets that their usage was charged to (law 11).

A closed cycle keeps its own buckets: its allowances, and packs that ended in it with bytes left.
Packs, top-ups and rolled-over bytes continue after it. For each of these, the cycle keeps how many
bytes its usage took. With both, late usage of the cycle is charged as if it had arrived in time,
and a refund takes it back from the same place.
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
from streamproc.core.usage.downgrades import close_changes, has_changes, lower_grant
from streamproc.core.usage.tariffs import spend_minor

MAX_ENDED_KEPT = 100
"""How many packs that ended in a cycle with bytes left are kept with it; the last ones are kept."""

_USUAL_PRIORITY = 50
"""Priority of allowances in records of an earlier release, which does not store it."""


def close_cycle(account: Account, end_ms: int, rules: Rulebook) -> ClosedCycle:
    """Add the totals of the present cycle to the history. Its allowances have expired."""
    over = [b for b in (*account.ended, *account.buckets) if b.kind in PLAN_KINDS]
    packs = [b for b in account.ended if b.kind not in PLAN_KINDS][-MAX_ENDED_KEPT:]
    # A contract can begin in the middle of a billing cycle.
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
    # Most accounts have one allowance. The totals describe it, so their history stays small.
    is_simple = len(over) == 1 and not packs and not any(has_changes(account, one) for one in over)
    if is_simple and _is_told_by_totals(over[0], closed):
        closed.source, closed.priority = over[0].source, over[0].priority
    else:
        closed.buckets = [*over, *packs]
    for bucket in account.buckets:
        if bucket.kind not in PLAN_KINDS and (took := used_in_cycle(account, bucket)):
            closed.beside[bucket.id] = took
    close_changes(account, closed.end_ms, rules.limits)
    _keep(account, closed, rules.limits.history_cycles)
    account.ended = []
    return closed


def closed_cycle(account: Account, time_ms: int) -> ClosedCycle | None:
    """The closed cycle that contains an instant; None if it is not kept."""
    for cycle in reversed(account.history):
        if cycle.start_ms <= time_ms < cycle.end_ms:
            return cycle
    return None


def own_buckets(cycle: ClosedCycle) -> list[Bucket]:
    """The buckets of the cycle itself, allowances first; :func:`keep_own` stores them again."""
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
    """Store the totals of the cycle from its own buckets."""
    plan = [bucket for bucket in own if bucket.kind in PLAN_KINDS]
    cycle.granted_bytes = sum(bucket.granted_bytes for bucket in plan)
    cycle.used_bytes = sum(bucket.used_bytes for bucket in plan)
    cycle.expired_bytes = sum(bucket.expired_bytes for bucket in plan)
    cycle.rolled_over_bytes = sum(bucket.rolled_over_bytes for bucket in plan)


def used_in_cycle(account: Account, bucket: Bucket, cycle: ClosedCycle | None = None) -> int:
    """Bytes that usage of a cycle (None: the present one) took from a bucket.

    For a bucket that ended with a cycle, these are the bytes that no other cycle took.
    """
    if bucket.kind in PLAN_KINDS:
        return bucket.used_bytes
    if cycle is not None and not any(bucket is one for one in cycle.buckets):
        return cycle.beside.get(bucket.id, 0)
    # The account stores only the total of a bucket, and what each closed cycle took. The present
    # cycle has the difference.
    others = (one.beside.get(bucket.id, 0) for one in account.history if one is not cycle)
    return max(bucket.used_bytes - sum(others), 0)


def used_by_cycle(account: Account, bucket: Bucket, cycle: ClosedCycle | None) -> int:
    """The same; 0 for a bucket that the present cycle cannot use."""
    if cycle is None and not any(bucket is one for one in (*account.buckets, *account.ended)):
        return 0
    return used_in_cycle(account, bucket, cycle)


def outliving(account: Account, cycle: ClosedCycle) -> list[Bucket]:
    """Packs, top-ups and rolled-over bytes, live or kept, that are not the cycle's own.

    They belong to the same contract. Cycles of one contract follow one another without a gap. The
    cycles of the next contract can overlap them (its activation can be earlier than the closing).
    """
    # Search both ways for neighbours without a gap: these cycles belong to one contract.
    every = account.history
    first = last = _place(account, cycle)
    while first and every[first - 1].end_ms == every[first].start_ms:
        first -= 1
    while last + 1 < len(every) and every[last].end_ms == every[last + 1].start_ms:
        last += 1
    found = [b for one in every[first : last + 1] if one is not cycle for b in one.buckets]
    if _goes_on(account, last):
        found += [*account.buckets, *account.ended]
    return [bucket for bucket in found if bucket.kind not in PLAN_KINDS]


def rolled_from(account: Account, cycle: ClosedCycle, bucket: Bucket) -> list[Bucket]:
    """Buckets that rolled over from a cycle's allowance, as long as they are known."""
    if bucket.expires_ms < cycle.end_ms:
        return []  # a plan change ended it, and what rolled over is of another one with its id
    return [
        one
        for one in outliving(account, cycle)
        if one.kind == ROLLOVER
        and one.granted_ms == cycle.end_ms
        # A record of an earlier release does not say from which allowance.
        and (one.source == bucket.source or not bucket.source)
    ]


def is_live(account: Account, bucket: Bucket) -> bool:
    """Whether usage of now can be charged to it."""
    return any(bucket is one for one in account.buckets)


def change_used(account: Account, bucket: Bucket, more_bytes: int) -> None:
    """Change what is used of a bucket; its other amounts follow (law 9)."""
    move_used(account, bucket, more_bytes)
    if more_bytes < 0 and bucket.kind != UNLIMITED:
        lower_grant(account, bucket)


def move_used(account: Account, bucket: Bucket, more_bytes: int) -> None:
    """The same for usage whose place other usage of the bucket takes: the grant stays."""
    bucket.used_bytes += more_bytes
    if bucket.kind == UNLIMITED:
        bucket.granted_bytes = bucket.used_bytes  # the bytes used count as its grant
    elif not is_live(account, bucket):
        bucket.expired_bytes -= more_bytes


def note_beside(cycle: ClosedCycle, bucket: Bucket, took_bytes: int) -> None:
    """Usage of the cycle took bytes from a bucket that continued after it."""
    # A bucket of the cycle itself is not noted: its own used bytes are the record.
    if took_bytes and not any(bucket is one for one in cycle.buckets):
        add_amount(cycle.beside, bucket.id, took_bytes)


def take_back_beside(cycle: ClosedCycle, bucket: Bucket, back: int) -> None:
    """Usage of the cycle took fewer bytes (``back``) from a bucket that continued after it."""
    # An earlier release also noted here how much forgotten cycles took of the cycle's own
    # buckets.
    if bucket.id in cycle.beside and not any(bucket is one for one in cycle.buckets):
        add_amount(cycle.beside, bucket.id, -back)


def cycles_after(account: Account, cycle: ClosedCycle) -> list[ClosedCycle | None]:
    """The cycles of the same contract that followed, oldest first; None is the present one."""
    every, last = account.history, _place(account, cycle)
    found: list[ClosedCycle | None] = []
    while last + 1 < len(every) and every[last].end_ms == every[last + 1].start_ms:
        last += 1
        found.append(every[last])
    if _goes_on(account, last):
        found.append(None)
    return found


def _place(account: Account, cycle: ClosedCycle) -> int:
    return next(index for index, one in enumerate(account.history) if one is cycle)


def _goes_on(account: Account, last: int) -> bool:
    """Whether the present cycle follows the last closed cycle directly."""
    every = account.history
    return last + 1 == len(every) and every[last].end_ms == account.cycle_start_ms


def add_amount(amounts: dict[str, int], name: str, more: int) -> None:
    """Add to an amount; an amount of 0 is removed."""
    found = amounts.pop(name, 0) + more
    if found:
        amounts[name] = found


def _is_told_by_totals(bucket: Bucket, closed: ClosedCycle) -> bool:
    """Whether the totals of the cycle describe its one allowance completely."""
    is_whole = bucket.granted_ms <= closed.start_ms and bucket.expires_ms >= closed.end_ms
    return is_whole and (bucket.kind == ALLOWANCE or closed.is_unlimited)


def _keep(account: Account, closed: ClosedCycle, count: int) -> None:
    """Add a cycle to the history. Bytes taken by cycles that are forgotten are added to the oldest
    kept."""
    every = [*account.history, closed]
    account.history = every[-count:]
    known = {bucket.id for one in account.history for bucket in one.buckets}
    known.update(bucket.id for bucket in account.buckets)
    oldest = account.history[0]
    # The used bytes of the oldest cycle's own buckets all count as its usage.
    known.difference_update(bucket.id for bucket in oldest.buckets)
    for gone in every[:-count]:
        for name, took in gone.beside.items():
            if name in known:
                add_amount(oldest.beside, name, took)
