"""A queue of keys by due instant, at eight bytes an entry for all that is not near.

Entries lie in buckets of about a minute that hold keys only; a bucket is opened into a heap of
exact instants when its time comes. A row's due instant is always asked of the row itself (law 19),
so an entry may be stale: it is dropped when it comes up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

NEVER_DUE = 1 << 53
SPAN_BITS = 16
SPAN_MS = 1 << SPAN_BITS
"""A power of two: the first bytes of a packed instant are the number of its bucket."""


class DueQueue:
    """Keys by due instant; ``due_of`` gives a key's present one, NEVER_DUE if there is none."""

    def __init__(self, due_of: Callable[[bytes], int]) -> None:
        self.dropped: set[bytes] = set()
        """Keys whose entry was taken out: they are pushed again when their row is stored."""
        self._due_of = due_of
        self._buckets: dict[int, list[bytes]] = {}
        self._order: list[int] = []
        """A heap of the buckets' numbers."""
        self._near: list[tuple[int, bytes]] = []
        self._opened = -1 << 62
        """The latest bucket that was opened."""

    def push(self, due_ms: int, key: bytes) -> None:
        """Queue a key whose row is due at ``due_ms``."""
        number = due_ms >> SPAN_BITS
        if number <= self._opened:
            heappush(self._near, (due_ms, key))
            return
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = [key]
            heappush(self._order, number)
        else:
            bucket.append(key)

    def rebuild(self, buckets: dict[int, list[bytes]]) -> None:
        """Begin anew with these keys, by their due instants shifted by ``SPAN_BITS``."""
        self._buckets = buckets
        self._order = list(buckets)
        heapify(self._order)
        self._near = []
        self._opened = -1 << 62
        self.dropped.clear()

    def pop(self, now_ms: int, limit: int) -> Iterator[bytes]:
        """At most ``limit`` keys due at or before ``now_ms``, earliest first."""
        while limit and self._reaches(now_ms):
            due_ms, key = heappop(self._near)
            self.dropped.add(key)
            if self._due_of(key) == due_ms:
                limit -= 1
                yield key

    @property
    def next_due_ms(self) -> int:
        """No queued instant is earlier, and :meth:`pop` up to it moves it on; NEVER_DUE if none."""
        near, order = self._near, self._order
        earliest_ms = near[0][0] if near else NEVER_DUE
        return min(earliest_ms, order[0] << SPAN_BITS) if order else earliest_ms

    def _reaches(self, now_ms: int) -> bool:
        """Whether the earliest instant has come; buckets that have begun are opened to know it."""
        order = self._order
        # At midnight a bucket may hold everybody: before its time nothing waits for its opening.
        while order and (begin_ms := order[0] << SPAN_BITS) <= now_ms:
            if self._near and self._near[0][0] < begin_ms:
                break
            self._open(heappop(order))
        return bool(self._near) and self._near[0][0] <= now_ms

    def _open(self, number: int) -> None:
        self._opened = number
        due_of = self._due_of
        found = [(due_of(key), key) for key in self._buckets.pop(number)]
        exact = [one for one in found if one[0] >> SPAN_BITS == number]
        if len(exact) < len(found):
            self.dropped.update(key for due_ms, key in found if due_ms >> SPAN_BITS != number)
        self._near += exact
        heapify(self._near)
