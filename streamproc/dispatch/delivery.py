"""Matches delivery reports with their messages and writes receipts.

A report may come before the answer to its submit, after a restart, or to another dispatcher than
the one that sent the message. All reports go through one topic that every dispatcher reads; those
that match nothing yet are kept for a while.
"""

from __future__ import annotations

from collections import OrderedDict

from streamproc.contracts.records.receipts import Status
from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.ledger import Ledger
from streamproc.dispatch.matching import AwaitedPart, Outstanding
from streamproc.dispatch.model import DeliveryReport
from streamproc.dispatch.says import receipt_of

EARLY_MS = 120_000
"""How long a report may be ahead of the answer to its submit."""
EARLY_LIMIT = 50_000


class Deliveries:
    """Accepted messages of all partitions that wait for reports."""

    def __init__(self) -> None:
        self._outstanding = Outstanding()
        self._ledgers: dict[int, Ledger] = {}
        self._early: OrderedDict[int, tuple[DeliveryReport, tuple[int, int] | None, int]] = (
            OrderedDict()
        )
        self._by_peer: dict[str, set[int]] = {}
        self._count = 0
        self._next: dict[int, int] = {}

    def start(self, positions: dict[int, int]) -> None:
        """From where the reports topic is read: later positions count from here."""
        self._next.update(positions)

    def load(self, ledger: Ledger) -> None:
        """A partition came, with messages that wait for reports."""
        self._ledgers[ledger.partition] = ledger
        for message_id, entry in ledger.open.items():
            if entry.state == "accepted":
                self._add(ledger, message_id, entry)

    def unload(self, ledger: Ledger) -> None:
        """A partition went."""
        self._ledgers.pop(ledger.partition, None)
        for message_id, entry in ledger.open.items():
            self._remove(ledger.partition, message_id, entry)

    def drop(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """A message is forgotten without all its reports."""
        self._remove(partition, message_id, entry)

    def expect(self, ledger: Ledger, message_id: str, entry: JournalEntry) -> None:
        """A message was accepted; its reports may be here already."""
        self._add(ledger, message_id, entry)
        for peer in (_peer(entry), ""):
            for key in sorted(self._by_peer.get(peer, ())):
                if self._apply(self._early[key][0]):
                    self._forget(key)

    def report(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """A report was read, at a position of the reports topic."""
        if position is not None:
            self._next[position[0]] = position[1] + 1
        if self._apply(report):
            return
        self._count += 1
        self._early[self._count] = (report, position, now_ms)
        self._by_peer.setdefault(report.peer, set()).add(self._count)
        if len(self._early) > EARLY_LIMIT:
            self._forget(next(iter(self._early)))

    def sweep(self, now_ms: int) -> None:
        """Give up early reports that stayed alone."""
        while self._early:
            key = next(iter(self._early))
            if now_ms - self._early[key][2] < EARLY_MS:
                return
            self._forget(key)

    def positions(self) -> dict[int, int]:
        """From where the reports topic must be read again after a restart."""
        found = dict(self._next)
        for _, position, _ in self._early.values():
            if position is not None and position[1] < found.get(position[0], position[1] + 1):
                found[position[0]] = position[1]
        return found

    def _forget(self, key: int) -> None:
        report = self._early.pop(key)[0]
        same = self._by_peer[report.peer]
        same.discard(key)
        if not same:
            del self._by_peer[report.peer]

    def _apply(self, report: DeliveryReport) -> bool:
        part = self._outstanding.find(report.gateway, report.message_id, report.peer)
        if part is None:
            return False
        ledger = self._ledgers[part.partition]
        entry = ledger.open[part.id]
        if report.state == "enroute":
            return True
        entry.reported[part.number] = report.state
        self._outstanding.remove(report.gateway, entry.done[part.number], part)
        states = set(entry.reported.values())
        if states == {"delivered"} and len(entry.reported) < len(entry.done):
            ledger.write(part.id, entry)
            return True
        # One lost part spoils the message: say so at once.
        status: Status = "delivered"
        if "failed" in states:
            status = "failed"
        elif "expired" in states:
            status = "expired"
        error = "" if status == "delivered" else "undelivered"
        code = report.code if error else ""
        ledger.receipt(
            receipt_of(part.id, ledger.partition, entry, status, report.received_ms, error, code)
        )
        self._remove(ledger.partition, part.id, entry)
        ledger.write(part.id, JournalEntry("settled", entry.forget_ms))
        return True

    def _add(self, ledger: Ledger, message_id: str, entry: JournalEntry) -> None:
        for number, sms_id in entry.done.items():
            if number not in entry.reported:
                part = AwaitedPart(ledger.partition, message_id, number, _peer(entry))
                self._outstanding.add(entry.gateway, sms_id, part)

    def _remove(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        for number, sms_id in entry.done.items():
            part = AwaitedPart(partition, message_id, number, _peer(entry))
            self._outstanding.remove(entry.gateway, sms_id, part)


def _peer(entry: JournalEntry) -> str:
    return entry.facts.peer if entry.facts else ""
