"""Charging usage to buckets (laws 8 and 9)."""

from __future__ import annotations

from bisect import bisect_right, insort

from msgspec import Struct

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.rulebook import Crossing, OwnThresholds, Rulebook
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import UNLIMITED, Account, Bucket
from streamproc.core.usage.arming import re_arm
from streamproc.core.usage.own_thresholds import own_of


class Crossed(Struct, gc=False):
    """Thresholds one bucket crossed by one event, ascending."""

    bucket: Bucket
    crossings: tuple[Crossing, ...]


def charge(
    account: Account,
    used_bytes: int,
    rating_group: int,
    roaming_zone: str,
    time_ms: int,
    rules: Rulebook,
) -> list[Crossed] | None:
    """Charge usage at ``time_ms``. Usage that no bucket covers is overage.

    Returns the thresholds crossed, or None if there are none (the common case).
    """
    rest = used_bytes
    crossed: list[Crossed] | None = None
    scopes = rules.scopes
    minute = -1
    own = own_of(account, rules) if account.extra is not None else ()
    for bucket in account.buckets:
        granted, before = bucket.granted_bytes, bucket.used_bytes
        # ``remaining_bytes`` is written out here: this is the innermost loop of the program.
        remaining = granted - before - bucket.expired_bytes - bucket.rolled_over_bytes
        # An unlimited bucket never has bytes left: its grant grows with its usage.
        if remaining <= 0:
            if bucket.kind != UNLIMITED:
                continue
            remaining, granted = rest, 0
        if not bucket.granted_ms <= time_ms < bucket.expires_ms:
            continue
        scope = scopes.get(bucket.source)
        if scope is not None:
            # The local time is calculated only if some scope needs it, because it is slow.
            if minute < 0 and scope.hours is not None:
                minute = local_minute(time_ms, account.time_zone) % DAY_MINUTES
            if not scope.covers(rating_group, roaming_zone, minute):
                continue
        take = rest if rest < remaining else remaining
        bucket.used_bytes = after = before + take
        if not granted:
            bucket.granted_bytes = after  # unlimited: the bytes used count as its grant
        # An unlimited bucket is looked up with a grant of 0. So all of them share their levels,
        # although their grants grow.
        levels, crossings = rules.levels(bucket.kind, bucket.source, granted, own)
        low = bisect_right(levels, before)
        if low < len(levels) and levels[low] <= after:
            high = bisect_right(levels, after, low)
            crossed = crossed or []
            crossed.append(Crossed(bucket, crossings[low:high]))
        rest -= take
        if not rest:
            return crossed
    account.overage_bytes += rest
    return crossed


def crossed_from(bucket: Bucket, used_bytes: int, rules: Rulebook) -> Crossed:
    """What a bucket has crossed since ``used_bytes`` were used of it; own thresholds are
    ignored."""
    return Crossed(bucket, crossings_between(rules, bucket, used_bytes, bucket.used_bytes))


def crossings_between(
    rules: Rulebook,
    bucket: Bucket,
    low_bytes: int,
    high_bytes: int,
    own: OwnThresholds = (),
) -> tuple[Crossing, ...]:
    """The thresholds of a bucket above ``low_bytes`` and at or below ``high_bytes`` used.

    ``own`` are the subscriber's own thresholds.
    """
    levels, crossings = rules.levels(bucket.kind, bucket.source, bucket.granted_bytes, own)
    low = bisect_right(levels, low_bytes)
    return crossings[low : bisect_right(levels, high_bytes, low)]


def charge_late(
    account: Account,
    used_bytes: int,
    rating_group: int,
    roaming_zone: str,
    time_ms: int,
    rules: Rulebook,
) -> tuple[list[Crossed] | None, list[tuple[Bucket, int]]]:
    """Charge usage as of ``time_ms`` if buckets that were valid then have ended since.

    Returns the thresholds crossed (none of an ended bucket: the subscriber could not act on it),
    and the bytes that each ended bucket took.
    """
    valid = [one for one in account.ended if one.granted_ms <= time_ms < one.expires_ms]
    if not valid:
        return charge(account, used_bytes, rating_group, roaming_zone, time_ms, rules), []
    before = [bucket.used_bytes for bucket in valid]
    live = account.buckets
    # For this charge, the expired bytes of the ended buckets can be used again. Afterwards the rest
    # expires once more.
    for bucket in valid:
        bucket.expired_bytes = 0
    account.buckets = sorted([*live, *valid], key=Bucket.charge_order)
    crossed = charge(account, used_bytes, rating_group, roaming_zone, time_ms, rules)
    account.buckets = live
    for bucket in valid:
        bucket.expired_bytes = bucket.remaining_bytes
    still_live = [one for one in crossed or () if not any(one.bucket is b for b in valid)]
    taken = [
        (bucket, bucket.used_bytes - used)
        for bucket, used in zip(valid, before, strict=True)
        if bucket.used_bytes > used
    ]
    return still_live or None, taken


def add_bucket(account: Account, bucket: Bucket) -> None:
    """Insert a bucket at its place in the charge order."""
    insort(account.buckets, bucket, key=Bucket.charge_order)


def regrant(bucket: Bucket, granted_bytes: int, account: Account) -> None:
    """Change a bucket's grant. Used bytes stay used, so nothing becomes overage.

    Thresholds are levels of used bytes. A larger grant moves them above the used bytes, which
    re-arms exactly those (law 13). The caller counts the change in ``account.grants``.
    """
    # A grant below the used bytes would make used bytes overage.
    granted_bytes = max(granted_bytes, bucket.used_bytes)
    if granted_bytes != bucket.granted_bytes:
        bucket.granted_bytes = granted_bytes
        re_arm(bucket, account)
