"""A partition's storm: due reminders are sent at a declared rate, the most urgent class first.

What waits here is only an order of keys that are due by their rows anyway (law 19): a new owner of
the partition makes it anew, and a key whose row was dealt with meanwhile is passed over.
"""

from __future__ import annotations

from heapq import heappop, heappush

SECOND_MS = 1000
BURST_MS = 1000
"""So much of the rate may be made up for at once after a pause."""

Waiting = tuple[int, int, bytes]
"""Due instant, deadline, key."""


class StormPace:
    """Keys by class and due instant, and how many reminders may go out by now."""

    def __init__(self) -> None:
        self._classes: dict[int, list[Waiting]] = {}
        self._allowed = 0.0
        self._seen_ms: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self._classes

    def park(self, urgency: int, due_ms: int, deadline_ms: int, key: bytes) -> None:
        """Let a key wait for its turn; a lower ``urgency`` comes first."""
        heappush(self._classes.setdefault(urgency, []), (due_ms, deadline_ms, key))

    def refill(self, now_ms: int, per_second: int) -> None:
        """Time has passed."""
        before = now_ms if self._seen_ms is None else self._seen_ms
        self._seen_ms = now_ms
        more = max(0, now_ms - before) * per_second / SECOND_MS
        most = max(1.0, per_second * BURST_MS / SECOND_MS)
        self._allowed = min(most, self._allowed + more)

    def spend(self, reminders: int) -> None:
        """So many went out, here or with an event of their subscriber."""
        self._allowed -= reminders

    def next_key(self, now_ms: int) -> bytes | None:
        """Whose turn it is; None if all must wait.

        What is past its deadline goes out of turn: it is no reminder any more, only its record.
        """
        for urgency in sorted(self._classes):
            waiting = self._classes[urgency]
            due_ms, deadline_ms, _ = waiting[0]
            if due_ms <= now_ms and (self._allowed >= 1 or deadline_ms < now_ms):
                _, _, key = heappop(waiting)
                if not waiting:
                    del self._classes[urgency]
                return key
        return None
