"""Plan changes that left an allowance with less (laws 11 and 26).

A grant is never smaller than the used bytes. So the grant after such a change depends on what was
used before it: a refund of that usage lowers the grant again, down to what the plan grants. Late
usage from before the change, as far as the old plan covered it, raises the grant.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import dropwhile
from typing import Final

from streamproc.core.rules.limits import Limits
from streamproc.core.state.account import (
    CLOSED,
    UNLIMITED,
    Account,
    Bucket,
    Downgrade,
    drop_empty_rare_state,
    rare_state_of,
)

MOST_CHANGES: Final = 8
"""Changes of one bucket; the last ones are kept."""
ENDLESS_BYTES: Final = 1 << 60
"""Stands for what an unlimited allowance granted."""
ENDLESS_SHARE_BYTES: Final = 1 << 61
"""The same before a prorated change: what was used until then is granted beside the new share."""


def has_changes(account: Account, bucket: Bucket) -> bool:
    """Whether a plan change left a bucket with less."""
    return bool(_changes_of(account, bucket))


def planned_bytes(account: Account, bucket: Bucket) -> int:
    """What the plan grants: the grant, unless a change raised it to the used bytes."""
    known = _changes_of(account, bucket)
    return known[-1].plan_bytes if known else bucket.granted_bytes


def note_change(
    account: Account, bucket: Bucket, at_ms: int, before_bytes: int, plan_bytes: int
) -> None:
    """A plan change replaces the grant of a bucket; upgrades only matter after a downgrade."""
    known = _changes_of(account, bucket)
    if before_bytes <= plan_bytes and not known:
        return
    change = Downgrade(
        bucket.id,
        bucket.granted_ms,
        at_ms,
        before_bytes,
        bucket.used_bytes,
        plan_bytes,
        account.overage_bytes,
    )
    extra = rare_state_of(account)
    forgotten = known[: 1 - MOST_CHANGES] if len(known) >= MOST_CHANGES else []
    extra.downgrades = [
        *(one for one in extra.downgrades if not any(one is gone for gone in forgotten)),
        change,
    ]


def rename_changes(account: Account, bucket: Bucket, name: str) -> None:
    """A bucket gets another id."""
    for one in _changes_of(account, bucket):
        one.bucket = name


def end_bucket_early(account: Account, bucket: Bucket, end_ms: int) -> None:
    """A plan change ends a bucket. From now on another one may have its id, and begin when it
    began."""
    rename_changes(account, bucket, _name_of_ended(bucket, end_ms))
    bucket.expires_ms = end_ms


def forget_changes(account: Account, bucket: Bucket) -> None:
    """A bucket has no limit any more."""
    known = _changes_of(account, bucket)
    if known:
        extra = rare_state_of(account)
        extra.downgrades = [x for x in extra.downgrades if not any(x is one for one in known)]
        drop_empty_rare_state(account)


def close_changes(account: Account, end_ms: int, limits: Limits) -> None:
    """The present cycle ends. Changes of cycles whose events are too old by now are forgotten."""
    extra = account.extra
    if extra is None or not extra.downgrades:
        return
    oldest_ms = end_ms - limits.longest_remembered_ms
    for one in extra.downgrades:
        one.closed_ms = one.closed_ms or end_ms
    extra.downgrades = [one for one in extra.downgrades if one.closed_ms >= oldest_ms]
    drop_empty_rare_state(account)


def take_back_before(
    account: Account, bucket: Bucket, time_ms: int, most_bytes: int, overage_bytes: int
) -> tuple[int, int] | None:
    """A refund takes back usage of an instant.

    Returns how much of it was used before a change, and how much of that the bucket gives back
    before the overage of the cycle; None if no change came after that instant.
    """
    changes = _changes_of(account, bucket, time_ms)
    if not changes:
        return None
    back_bytes = min(most_bytes, changes[0].used_bytes + changes[0].overage_bytes)
    return back_bytes, min(_without(changes, back_bytes, overage_bytes), bucket.used_bytes)


def lower_grant(account: Account, bucket: Bucket) -> None:
    """Fewer bytes of a bucket are used: it may have its grant for less."""
    known = _changes_of(account, bucket)
    for one in known:
        _set_used(one, min(one.used_bytes, bucket.used_bytes))
    if known:
        _grant(account, bucket, known[-1])


def raise_grants(
    account: Account, covering: Iterable[Bucket], time_ms: int, used_bytes: int
) -> list[tuple[Bucket, int]]:
    """Usage of an instant will be charged to buckets: what the plan of that time covered of it is
    granted.

    Returns the buckets that a later change left with less, each with the bytes that the former plan
    covered.
    """
    extra = account.extra
    if extra is None or not extra.downgrades:
        return []
    rest = used_bytes
    found = []
    touched: list[Downgrade] = []
    for bucket in sorted(covering, key=Bucket.charge_order):
        if bucket.kind == UNLIMITED:
            rest = 0
        if not rest:
            break
        changes = _changes_of(account, bucket, time_ms)
        if not changes:
            rest -= min(rest, bucket.granted_bytes - bucket.used_bytes - bucket.rolled_over_bytes)
            continue
        covered = min(rest, max(changes[0].before_bytes - changes[0].used_bytes, 0))
        rest -= covered
        _shift(changes, covered)
        _grant(account, bucket, changes[-1])
        found.append((bucket, covered))
        touched += changes
    for one in touched:
        one.overage_bytes += rest
    return found


def _changes_of(account: Account, bucket: Bucket, after_ms: int = -1) -> list[Downgrade]:
    """The changes of a bucket, in the order in which they came, from the first one on that was
    after an instant."""
    if account.extra is None or not account.extra.downgrades:
        return []
    cycles = [one for one in account.history if any(bucket is x for x in one.buckets)]
    closed_ms = cycles[0].end_ms if cycles else 0
    is_early = _is_ended_early(account, bucket, closed_ms)
    name = _name_of_ended(bucket, bucket.expires_ms) if is_early else bucket.id
    known = (
        one
        for one in account.extra.downgrades
        if one.bucket == name and one.granted_ms == bucket.granted_ms and one.closed_ms == closed_ms
    )
    return list(dropwhile(lambda one: one.at_ms <= after_ms, known))


def _is_ended_early(account: Account, bucket: Bucket, closed_ms: int) -> bool:
    if any(bucket is one for one in account.buckets):
        return False
    end_ms = account.closed_ms if account.status == CLOSED else account.cycle_end_ms
    return bucket.expires_ms < (closed_ms or end_ms)


def _name_of_ended(bucket: Bucket, end_ms: int) -> str:
    return f"{bucket.id}@{end_ms}"


def _shift(changes: list[Downgrade], more_bytes: int) -> None:
    """More bytes were used before the first of these changes."""
    raised_bytes = beyond_bytes = 0
    for one in changes:
        one.before_bytes += raised_bytes
        before = max(one.plan_bytes, one.used_bytes)
        used_bytes = min(one.used_bytes + more_bytes, one.before_bytes)
        # Later usage that has no room any more was overage.
        beyond_bytes += one.used_bytes + more_bytes - used_bytes
        more_bytes = used_bytes - one.used_bytes
        _set_used(one, used_bytes)
        one.overage_bytes += beyond_bytes
        raised_bytes = max(one.plan_bytes, one.used_bytes) - before


def _without(changes: list[Downgrade], less_bytes: int, overage_bytes: int) -> int:
    """Fewer bytes were used before the first of these changes; returns the bytes for which the
    overage of the cycle (``overage_bytes``) would have had no room.

    Each change lowers the room. Overage until the next one fills what is left of it.
    """
    room_bytes, known_bytes, filled_bytes, fall_bytes = less_bytes, 0, 0, 0
    for one in changes:
        one.before_bytes -= fall_bytes
        filled = min(room_bytes, max(one.overage_bytes - known_bytes, 0))
        known_bytes = one.overage_bytes
        filled_bytes += filled
        less_bytes -= filled
        one.overage_bytes = max(one.overage_bytes - filled_bytes, 0)
        before = max(one.plan_bytes, one.used_bytes)
        _set_used(one, max(one.used_bytes - less_bytes, 0))
        fall_bytes = before - max(one.plan_bytes, one.used_bytes)
        room_bytes = less_bytes - fall_bytes
    return less_bytes - min(room_bytes, max(overage_bytes - known_bytes, 0))


def _set_used(one: Downgrade, used_bytes: int) -> None:
    """The bytes used until a change are others than was known."""
    if one.before_bytes >= ENDLESS_SHARE_BYTES:
        one.plan_bytes += used_bytes - one.used_bytes
    one.used_bytes = used_bytes


def _grant(account: Account, bucket: Bucket, last: Downgrade) -> None:
    more_bytes = max(last.plan_bytes, last.used_bytes) - bucket.granted_bytes
    bucket.granted_bytes += more_bytes
    # Bytes of a bucket that is over are expired (law 9).
    if not any(bucket is one for one in account.buckets):
        bucket.expired_bytes += more_bytes
