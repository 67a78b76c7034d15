"""Messages that a gateway may have taken without an answer, and which report is about which.

The gateway's id of such a message never came, so its report names an id that nobody knows. It
settles the message if that is the only one in doubt to the report's number, nothing else is under
way there, and the report came after the message had gone. An account that others send through, too,
could mislead this: then give the dispatcher an account of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.ledger import Ledger
from streamproc.dispatch.matching import peer_hash
from streamproc.dispatch.model import DeliveryReport

CLOCK_SKEW_MS: Final = 5_000
"""A report may have been received by another dispatcher, by its clock."""
HANDLED_LIMIT: Final = 50_000
"""Ids of settled parts that are remembered, because a message center may report them again."""

Place = tuple[int, str]
"""Partition and message id."""


class Doubts:
    """By gateway and recipient."""

    def __init__(self) -> None:
        self._by_peer: dict[tuple[str, str], dict[Place, None]] = {}
        self._peers: dict[Place, tuple[str, str]] = {}
        self._handled: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """Nobody knows whether the entry's gateway took it."""
        place = partition, message_id
        if entry.facts is None or place in self._peers:
            return
        key = entry.gateway, entry.facts.peer
        self._peers[place] = key
        self._by_peer.setdefault(key, {})[place] = None

    def remove(self, partition: int, message_id: str) -> None:
        """It is in doubt no more."""
        key = self._peers.pop((partition, message_id), None)
        if key is not None:
            del self._by_peer[key][partition, message_id]
            if not self._by_peer[key]:
                del self._by_peer[key]

    def handled(self, report: DeliveryReport) -> None:
        """A part whose id was known is reported: the same report may come once more."""
        self._handled[report.gateway, report.message_id] = None
        if len(self._handled) > HANDLED_LIMIT:
            self._handled.popitem(last=False)

    def only(self, report: DeliveryReport) -> Place | None:
        """The message in doubt that the report may be about, if there is one and no other."""
        if not report.peer or (report.gateway, report.message_id) in self._handled:
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
