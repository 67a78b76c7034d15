"""What the journals of other dispatchers say about reports that nobody here can place.

A reminder of a pool goes to a member's number from the pool's partition, and another dispatcher may
have that. Each intent is committed before its message is sent. So a journal that is read after a
report came has the message that the report is about, or it is in another journal.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.dispatch.doubts import KnownIds, Suspects
from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.model import DeliveryReport


class Elsewhere:
    """Suspects and ids of partitions that are not open here, as of when their journals were
    read."""

    def __init__(self) -> None:
        self._suspects = Suspects()
        self._known = KnownIds()

    def add(self, partition: int, entries: Iterable[tuple[str, JournalEntry]]) -> None:
        """The journal of a partition was read."""
        for message_id, entry in entries:
            self._suspects.note(partition, message_id, entry)
            self._known.add((*entry.done.values(), *entry.former), entry.forget_ms)

    def explains(self, report: DeliveryReport) -> bool:
        """Whether the report can be about a message of these partitions."""
        return not self._suspects.are_none(report.peer) or self._known.knows(report.message_id)
