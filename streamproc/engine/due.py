"""A queue of keys by due instant. An entry takes eight bytes unless it is due soon.

Entries are in buckets of about a minute that contain keys only. When the time of a bucket comes, it
is opened into a heap of exact instants. The queue always asks the row for its due instant (law 19).
So an entry can be stale; it is dropped when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

NEVER_DUE = 1 << 53
SPAN_BITS = 16
SPAN_MS = 1 << SPAN_BITS
"""A power of two, so that the first bytes of a packed instant are the number of its bucket."""


class DueQueue:
    """Keys by due instant. ``due_of`` returns the present instant of a key, NEVER_DUE if there is
    none."""

    def __init__(self, due_of: Callable[[bytes], int]) -> None:
        self.dropped: set[bytes] = set()
        """Keys whose entry was taken out. They are pushed again when their row is stored."""
        self._due_of = due_of
        self._buckets: dict[int, list[bytes]] = {}
        self._order: list[int] = []
        """A heap of bucket numbers."""
        self._near: list[tuple[int, bytes]] = []
        self._opened = -1 << 62
        """The latest bucket that was opened."""

    def push(self, due_ms: int, key: bytes) -> None:
        """Add a key whose row is due at ``due_ms``."""
        number = due_ms >> SPAN_BITS
        # Its bucket is opened already, so the entry goes straight to the exact instants.
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
        """Replace all keys; ``buckets`` are their due instants shifted by ``SPAN_BITS``."""
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
            # The row may have another due instant by now; then a newer entry exists.
            if self._due_of(key) == due_ms:
                limit -= 1
                yield key

    @property
    def next_due_ms(self) -> int:
        """No queued instant is earlier; NEVER_DUE if there is none. :meth:`pop` up to it moves it
        forward."""
        near, order = self._near, self._order
        earliest_ms = near[0][0] if near else NEVER_DUE
        return min(earliest_ms, order[0] << SPAN_BITS) if order else earliest_ms

    def _reaches(self, now_ms: int) -> bool:
        """Whether the earliest instant has come. Buckets that have begun are opened to find out."""
        order = self._order
        # A midnight bucket can contain every subscriber. It is opened only when its time comes.
        while order and (begin_ms := order[0] << SPAN_BITS) <= now_ms:
            if self._near and self._near[0][0] < begin_ms:
                break
            self._open(heappop(order))
        return bool(self._near) and self._near[0][0] <= now_ms

    def _open(self, number: int) -> None:
        self._opened = number
        due_of = self._due_of
        found = [(due_of(key), key) for key in self._buckets.pop(number)]
        # A row that moved out of this bucket has a newer entry, or gets one when it is stored.
        exact = [one for one in found if one[0] >> SPAN_BITS == number]
        if len(exact) < len(found):
            self.dropped.update(key for due_ms, key in found if due_ms >> SPAN_BITS != number)
        self._near += exact
        heapify(self._near)
