"""A queue of keys by due instant, at eight bytes an entry for all that is not near.

Entries lie in buckets of a minute that hold keys only; the earliest bucket is opened into a heap
of exact instants. A row's due instant is always asked of the row itself (law 19), so an entry may
be stale: it is dropped when it comes up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

NEVER_DUE = 1 << 53
SPAN_MS = 60_000


class DueQueue:
    """Keys by due instant; ``due_of`` gives a key's present one, NEVER_DUE if there is none."""

    def __init__(self, due_of: Callable[[bytes], int]) -> None:
        self.dropped: set[bytes] = set()
        """Keys that lost an entry since they were pushed last: to be pushed when stored again."""
        self._due_of = due_of
        self._buckets: dict[int, list[bytes]] = {}
        self._order: list[int] = []
        """A heap of the buckets' numbers."""
        self._near: list[tuple[int, bytes]] = []
        self._opened = -1 << 62
        """The latest bucket that was opened."""

    def push(self, due_ms: int, key: bytes) -> None:
        """Queue a key whose row is due at ``due_ms``."""
        number = due_ms // SPAN_MS
        if number <= self._opened:
            heappush(self._near, (due_ms, key))
            return
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = [key]
            heappush(self._order, number)
        else:
            bucket.append(key)

    def rebuild(self, entries: Iterable[tuple[int, bytes]]) -> None:
        """Begin anew with these instants and keys."""
        buckets: dict[int, list[bytes]] = {}
        for due_ms, key in entries:
            number = due_ms // SPAN_MS
            bucket = buckets.get(number)
            if bucket is None:
                buckets[number] = [key]
            else:
                bucket.append(key)
        self._buckets = buckets
        self._order = list(buckets)
        heapify(self._order)
        self._near = []
        self._opened = -1 << 62
        self.dropped.clear()

    def pop(self, now_ms: int, limit: int) -> Iterator[bytes]:
        """At most ``limit`` keys due at or before ``now_ms``, earliest first."""
        while limit and self.next_due_ms <= now_ms:
            due_ms, key = heappop(self._near)
            self.dropped.add(key)
            if self._due_of(key) == due_ms:
                limit -= 1
                yield key

    @property
    def next_due_ms(self) -> int:
        """The earliest queued instant (it may be stale, never too late); NEVER_DUE if none."""
        near, order = self._near, self._order
        while order and (not near or order[0] * SPAN_MS <= near[0][0]):
            self._open(heappop(order))
        return near[0][0] if near else NEVER_DUE

    def _open(self, number: int) -> None:
        self._opened = number
        for key in self._buckets.pop(number):
            due_ms = self._due_of(key)
            if due_ms // SPAN_MS == number:
                heappush(self._near, (due_ms, key))
            else:
                self.dropped.add(key)
