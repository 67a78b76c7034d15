"""Late usage of the present cycle, and buckets that were bought after it (law 11).

If an allowance was used after a top-up was bought, the top-up could have taken that usage. Late
usage from before the purchase needs the allowance, because the top-up did not exist yet. So the
late usage replaces later usage in the allowance, and that later usage moves into the top-up.
Boundaries show how much was used of each bucket between two purchases: each boundary notes the used
bytes of every bucket when a bucket was bought or ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import Final, NamedTuple

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import (
    PLAN_KINDS,
    UNLIMITED,
    Account,
    Boundary,
    Bucket,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.usage.closed_cycles import change_used, is_live, move_used
from streamproc.core.usage.coverage import unused_bytes

MOST_BOUNDARIES: Final = 8
"""Boundaries per cycle; the last ones are kept."""
MOST_BUCKETS: Final = 16
"""An account with more buckets keeps no boundaries."""
_DEPTH: Final = 2
"""Usage moves into a bucket, and from there other usage into another one, but not further."""


class Moved(NamedTuple):
    """Usage that moved to another bucket."""

    bucket: Bucket
    used_before: int


def note_purchase(account: Account, bought: Bucket, at_ms: int) -> None:
    """A bucket was bought.

    Nothing is noted if no usage of this cycle can be older, or if no other bucket has bytes left:
    then no later usage can move into the new bucket.
    """
    if bought.granted_ms <= max(account.cycle_start_ms, account.activated_ms):
        return
    if any(one.remaining_bytes > 0 for one in account.buckets if one is not bought):
        _note(account, at_ms)


def note_end(account: Account, at_ms: int) -> None:
    """A bucket has ended. Usage after its end cannot move into it."""
    if account.extra is not None and account.extra.boundaries:
        _note(account, at_ms)


def forget_boundaries(account: Account) -> None:
    """A new cycle has begun, or usage changed in a way that boundaries do not describe."""
    extra = account.extra
    if extra is not None and extra.boundaries:
        extra.boundaries, extra.boundary_ms = [], 0
        drop_empty_rare_state(account)


def is_before_boundary(account: Account, time_ms: int) -> bool:
    """Whether usage of an instant is older than the last boundary."""
    return account.extra is not None and time_ms < account.extra.boundary_ms


def used_so_far(account: Account) -> list[tuple[Bucket, int]]:
    """The used bytes of each bucket, to be passed to :func:`note_late`."""
    return [(one, one.used_bytes) for one in _every(account)]


def note_late(account: Account, before: list[tuple[Bucket, int]], time_ms: int) -> None:
    """Usage of an instant was charged: at later boundaries more bytes were used."""
    for bucket, used_bytes in before:
        if bucket.used_bytes > used_bytes:
            _shift(_later(account, time_ms), bucket, bucket.used_bytes - used_bytes)


def make_room(
    account: Account,
    rest_bytes: int,
    rating_group: int,
    roaming_zone: str,
    time_ms: int,
    rules: Rulebook,
) -> list[Moved]:
    """Let late usage that nothing covered replace later usage.

    Returns the buckets into which later usage moved. The sum of their new used bytes is the late
    usage that is covered now.
    """
    minute = local_minute(time_ms, account.time_zone) % DAY_MINUTES
    before = used_so_far(account)
    moves = _Moves(account, rules)
    first = len(moves.boundaries) - len(_later(account, time_ms))
    for bucket in sorted(_every(account), key=Bucket.charge_order):
        scope = rules.scopes.get(bucket.source, EVERYTHING)
        if (
            not rest_bytes
            or bucket.kind == UNLIMITED
            or not bucket.granted_ms <= time_ms < bucket.expires_ms
            or not scope.covers(rating_group, roaming_zone, minute)
        ):
            continue
        moves.receiving = bucket
        freed = moves.free(bucket, rest_bytes, first, _DEPTH)
        change_used(account, bucket, freed)
        _shift(_later(account, time_ms), bucket, freed)
        rest_bytes -= freed
    return [Moved(one, used) for one, used in before if one.used_bytes > used]


class _Moves:
    """Moves usage between buckets, each time within its own interval between boundaries."""

    def __init__(self, account: Account, rules: Rulebook) -> None:
        self.account = account
        self.rules = rules
        self.every = sorted(_every(account), key=Bucket.charge_order)
        self.boundaries = account.extra.boundaries if account.extra is not None else []
        self.receiving: Bucket | None = None
        """Bytes that become free in it are for the late usage."""

    def free(self, bucket: Bucket, most_bytes: int, first: int, depth: int) -> int:
        """Move usage of a bucket elsewhere, from the last interval back to the ``first`` one."""
        freed = 0
        for number in reversed(range(first, len(self.boundaries))):
            amount = min(most_bytes - freed, self._used_within(bucket, number))
            if amount > 0:
                freed += self._move(bucket, amount, number, depth)
        return freed

    def _move(self, bucket: Bucket, most_bytes: int, number: int, depth: int) -> int:
        moved = 0
        for other in self._able(bucket, number):
            room = unused_bytes(other)
            if room < most_bytes - moved and depth > 1:
                room += self.free(other, most_bytes - moved - room, number + 1, depth - 1)
            took = min(most_bytes - moved, room)
            move_used(self.account, bucket, -took)
            change_used(self.account, other, took)
            _shift(self.boundaries[number + 1 :], bucket, -took)
            _shift(self.boundaries[number + 1 :], other, took)
            moved += took
            if moved == most_bytes:
                break
        return moved

    def _able(self, bucket: Bucket, number: int) -> Iterator[Bucket]:
        """Buckets that are valid for a whole interval, and cover or may have covered its usage.

        Those that cover all usage of the bucket come first. One that covers some of it comes later
        in the order of charging: otherwise it would have taken such usage at once.
        """
        valid = list(self._valid(bucket, number))
        scope = self.rules.scopes.get(bucket.source, EVERYTHING)
        scopes = [self.rules.scopes.get(one.source, EVERYTHING) for one in valid]
        whole = [known.contains_whole(scope) for known in scopes]
        yield from compress(valid, whole)
        for one, known, is_whole in zip(valid, scopes, whole, strict=True):
            is_after = one.charge_order() > bucket.charge_order()
            if is_after and not is_whole and known.overlaps(scope):
                yield one

    def _valid(self, bucket: Bucket, number: int) -> Iterator[Bucket]:
        """Other buckets that are valid for a whole interval."""
        start_ms = self.boundaries[number].at_ms
        is_last = number + 1 == len(self.boundaries)
        for one in self.every:
            if one is bucket or one is self.receiving or one.kind == UNLIMITED:
                continue
            if one.granted_ms > start_ms:
                continue
            is_valid = (
                is_live(self.account, one)
                if is_last
                else one.expires_ms >= self.boundaries[number + 1].at_ms
            )
            if is_valid:
                yield one

    def _used_within(self, bucket: Bucket, number: int) -> int:
        after = self.boundaries[number + 1 : number + 2]
        used_bytes = after[0].used.get(bucket.id, 0) if after else bucket.used_bytes
        return used_bytes - self.boundaries[number].used.get(bucket.id, 0)


def _note(account: Account, at_ms: int) -> None:
    every = _every(account)
    if len(every) > MOST_BUCKETS:
        forget_boundaries(account)
        return
    extra = rare_state_of(account)
    used = {one.id: one.used_bytes for one in every if one.used_bytes}
    extra.boundaries = [*extra.boundaries, Boundary(at_ms, used)][-MOST_BOUNDARIES:]
    extra.boundary_ms = at_ms


def _every(account: Account) -> list[Bucket]:
    """Buckets that can take part. An allowance that another plan ended is not used any more, and a
    new one can have its id."""
    return [*account.buckets, *(one for one in account.ended if one.kind not in PLAN_KINDS)]


def _later(account: Account, time_ms: int) -> list[Boundary]:
    boundaries = account.extra.boundaries if account.extra is not None else []
    return [one for one in boundaries if one.at_ms > time_ms]


def _shift(boundaries: list[Boundary], bucket: Bucket, more_bytes: int) -> None:
    for one in boundaries:
        used_bytes = one.used.pop(bucket.id, 0) + more_bytes
        if used_bytes:
            one.used[bucket.id] = used_bytes
