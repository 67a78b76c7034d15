"""Storms of a partition: due reminders are sent at a declared rate, the most urgent class first.

Only the order of keys waits here; their rows say that they are due (law 19). A new owner of the
partition builds the order again. A key is skipped if its row was processed meanwhile.
"""

from __future__ import annotations

from heapq import heappop, heappush

SECOND_MS = 1000
BURST_MS = 1000
"""After a pause, at most this much of the rate is made up at once."""

Waiting = tuple[int, int, bytes]
"""Due instant, deadline, key."""


class StormPace:
    """Keys by class and due instant, and how many reminders may be sent by now."""

    def __init__(self) -> None:
        self._classes: dict[int, list[Waiting]] = {}
        self._allowed = 0.0
        self._seen_ms: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self._classes

    @property
    def waiting(self) -> dict[int, tuple[int, int]]:
        """By urgency: how many keys wait, and the earliest due instant of them. Keys whose row was
        processed meanwhile are among them until their turn comes."""
        return {
            urgency: (len(waiting), waiting[0][0]) for urgency, waiting in self._classes.items()
        }

    def first_keys(self, urgency: int, count: int) -> list[bytes]:
        """Some keys of an urgency; the one whose turn comes first is among them."""
        return [key for _, _, key in self._classes.get(urgency, ())[:count]]

    def park(self, urgency: int, due_ms: int, deadline_ms: int, key: bytes) -> None:
        """Let a key wait for its turn. A smaller ``urgency`` comes first."""
        heappush(self._classes.setdefault(urgency, []), (due_ms, deadline_ms, key))

    def refill(self, now_ms: int, per_second: int) -> None:
        """Add the reminders that the passed time allows."""
        before = now_ms if self._seen_ms is None else self._seen_ms
        self._seen_ms = now_ms
        more = max(0, now_ms - before) * per_second / SECOND_MS
        most = max(1.0, per_second * BURST_MS / SECOND_MS)
        self._allowed = min(most, self._allowed + more)

    def spend(self, reminders: int) -> None:
        """Subtract reminders that were sent, here or with an event of their subscriber."""
        self._allowed -= reminders

    def next_key(self, now_ms: int) -> bytes | None:
        """The key whose turn it is; None if all must wait.

        A key past its deadline does not wait for its turn: it gets only an audit record,
        not a reminder.
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
