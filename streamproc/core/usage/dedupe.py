"""Each event is charged once: what identifies it, and how long its identity is remembered (law 10).

An event is accepted from ``max_ahead`` before its own time until it is ``max_age`` old. So two
copies of it that are both young enough arrive at most ``max_ahead + max_age`` apart. An identity is
remembered for that long after its arrival. What comes later is rejected for its age. ``ages.py``
says what holds when these limits change.

The memory belongs to a partition and not to an account: an account of any number of events has
the same size. The core asks the memory and tells it what counted; ``engine/ids.py`` keeps it.
"""

from __future__ import annotations

from typing import Protocol

from xxhash import xxh3_64_digest

from streamproc.core.rules.limits import Limits
from streamproc.core.state.account import Account
from streamproc.core.usage.ages import AgeMemory

OLD_ID_BYTES = 8
OLD_SEGMENT_MS = 7 * 86_400_000

# Prefixes of names. The name of an event begins with a digit.
_TAKEN_BACK = b"back:"
_OLD = b"old:"
_OLD_TAKEN_BACK = "taken back:"


class SeenEvents(AgeMemory, Protocol):
    """The memory of the identities that counted, as the core sees it.

    It keeps a digest of each name, which includes the subscriber. It is asked about the instant at
    which an event arrived, so the answer is the same whenever something is really thrown away.
    """

    @property
    def old_until_ms(self) -> int:
        """Until this instant there may be names of earlier releases (:func:`move_old_ids`)."""

    def is_seen(self, name: bytes, received_ms: int) -> bool:
        """Whether a name is remembered, for an event that arrived at this instant."""

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None:
        """Remember a name until an instant, or a little longer."""

    def expect_old(self, until_ms: int) -> None:
        """There are names of earlier releases until this instant."""


def is_seen(ids: SeenEvents, subscriber: str, source: str, event_id: str, received_ms: int) -> bool:
    """Whether an event counted before; CloudEvents' identity is source plus id."""
    return ids.is_seen(name_of(subscriber, source, event_id), received_ms) or (
        received_ms < ids.old_until_ms
        and is_seen_by_old(ids, subscriber, source, event_id, received_ms)
    )


def is_seen_by_old(
    ids: SeenEvents, subscriber: str, source: str, event_id: str, received_ms: int
) -> bool:
    """Whether an event counted under an earlier release."""
    return ids.is_seen(_old_name(subscriber, digest(source, event_id)), received_ms)


def remember(ids: SeenEvents, name: bytes, source: str, received_ms: int, limits: Limits) -> None:
    """Remember an event that counted, by the name that :func:`name_of` gives it."""
    until_ms = received_ms + limits.remembered_ms(source)
    # An event that has waited in the account can be older than what is gone already. Its copy may
    # have waited with it.
    ids.remember(name, received_ms, max(until_ms, ids.forgotten_ms))


def is_taken_back(
    ids: SeenEvents, subscriber: str, of_source: str, of_id: str, received_ms: int
) -> bool:
    """Whether a refund of this event counted before."""
    if ids.is_seen(_TAKEN_BACK + name_of(subscriber, of_source, of_id), received_ms):
        return True
    if received_ms >= ids.old_until_ms:
        return False
    old = digest(_OLD_TAKEN_BACK + of_source, of_id)
    return ids.is_seen(_old_name(subscriber, old), received_ms)


def remember_taken_back(
    ids: SeenEvents, subscriber: str, of_source: str, of_id: str, received_ms: int, limits: Limits
) -> None:
    """Remember that this event was taken back, for at least as long as the event itself."""
    name = _TAKEN_BACK + name_of(subscriber, of_source, of_id)
    remember(ids, name, of_source, received_ms, limits)


def name_of(subscriber: str, source: str, event_id: str) -> bytes:
    """What identifies an event. native/src/ids.rs makes the same."""
    # The lengths separate the parts; a separator could occur inside them.
    return f"{len(subscriber)}:{len(source)}:{subscriber}{source}{event_id}".encode()


def digest(source: str, event_id: str) -> bytes:
    """Eight bytes for a source and an id. Earlier releases kept them in the account."""
    return xxh3_64_digest(f"{len(source)}:{source}{event_id}".encode())


def move_old_ids(account: Account, subscriber: str, ids: SeenEvents, limits: Limits) -> bool:
    """Move the ids that an earlier release kept in the account into the memory of the partition.

    Returns whether there were any.
    """
    seen, marks = account.seen_ids, account.seen_marks
    if not seen:
        return False
    at = 0
    for segment, count in zip(marks[::2], marks[1::2], strict=True):
        begin_ms = segment * OLD_SEGMENT_MS
        until_ms = begin_ms + OLD_SEGMENT_MS + limits.longest_remembered_ms
        ids.expect_old(until_ms)
        for _ in range(count):
            name = _old_name(subscriber, seen[at : at + OLD_ID_BYTES])
            ids.remember(name, begin_ms, until_ms)
            at += OLD_ID_BYTES
    account.seen_ids, account.seen_marks = b"", []
    return True


def _old_name(subscriber: str, old: bytes) -> bytes:
    return _OLD + subscriber.encode() + old
