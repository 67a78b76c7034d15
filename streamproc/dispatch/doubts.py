"""Messages that a gateway may have accepted without an answer, and the reports about them.

The gateway's id of such a message never came, so its report names an unknown id. The report settles
the message under three conditions. The message is the only one in doubt to the report's number. No
other message to that number is in progress. The report came after the message was sent. Other
senders with the same account could mislead this; then give the dispatcher an account of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.ledger import Ledger
from streamproc.dispatch.matching import peer_hash
from streamproc.dispatch.model import DeliveryReport

CLOCK_SKEW_MS: Final = 1_000
"""A report may have been received by another dispatcher, by its clock."""
HANDLED_LIMIT: Final = 50_000
"""Remembered ids of settled parts, because a message center may report them again."""

ORPHANS_LIMIT: Final = 10_000
"""Numbers to which a copy without an answer went beside one with an answer."""

Place = tuple[int, str]
"""Partition and message id."""


class Doubts:
    """Messages in doubt by gateway and recipient."""

    def __init__(self) -> None:
        self._by_peer: dict[tuple[str, str], dict[Place, None]] = {}
        self._peers: dict[Place, tuple[str, str]] = {}
        self._handled: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._orphans: OrderedDict[tuple[str, str], int] = OrderedDict()

    def add(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """It is unknown whether the entry's gateway accepted the message."""
        place = partition, message_id
        if entry.facts is None or place in self._peers:
            return
        key = entry.gateway, entry.facts.peer
        self._peers[place] = key
        self._by_peer.setdefault(key, {})[place] = None

    def remove(self, partition: int, message_id: str) -> None:
        """The message is not in doubt any more."""
        key = self._peers.pop((partition, message_id), None)
        if key is not None:
            del self._by_peer[key][partition, message_id]
            if not self._by_peer[key]:
                del self._by_peer[key]

    def handled(self, report: DeliveryReport) -> None:
        """A part with a known id was reported. The same report may come once more."""
        self._handled[report.gateway, report.message_id] = None
        if len(self._handled) > HANDLED_LIMIT:
            self._handled.popitem(last=False)

    def orphaned(self, entry: JournalEntry) -> None:
        """A later copy was accepted: the earlier one may be reported until it is forgotten."""
        if entry.facts is not None:
            self._orphans[entry.gateway, entry.facts.peer] = entry.forget_ms
            if len(self._orphans) > ORPHANS_LIMIT:
                self._orphans.popitem(last=False)

    def only(self, report: DeliveryReport, now_ms: int) -> Place | None:
        """The message in doubt that the report may be about, if there is one and no other."""
        if not report.peer or (report.gateway, report.message_id) in self._handled:
            return None
        if now_ms < self._orphans.get((report.gateway, report.peer), 0):
            return None
        found = self._by_peer.get((report.gateway, report.peer), {})
        return next(iter(found)) if len(found) == 1 else None

    def part_of(self, report: DeliveryReport, entry: JournalEntry, ledger: Ledger) -> int | None:
        """The part that the report is about; None if it must be about something else."""
        if entry.facts is None or entry.state == "intent":
            return None
        if report.received_ms < entry.sent_ms - CLOCK_SKEW_MS:
            return None
        for other in ledger.messages.values():
            is_there = other.in_flight and other.gateway == report.gateway
            if is_there and peer_hash(other.subscriber) == report.peer:
                return None  # its answer may be on the way, and with it the id
        known = entry.done if entry.gateway == report.gateway else {}
        missing = (one for one in range(1, entry.facts.parts + 1) if one not in known)
        return next(missing, None)
