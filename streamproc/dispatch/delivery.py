"""Matches delivery reports with their messages and writes receipts.

A report can come before the answer to its submit, after a restart, or to another dispatcher than
the one that sent the message. So all reports are written to one topic that every dispatcher reads.
Reports without a matching message are kept for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streamproc.contracts.records.receipts import Status
from streamproc.dispatch.doubts import Doubts
from streamproc.dispatch.early_reports import EarlyReports
from streamproc.dispatch.journal import JournalEntry, read_key
from streamproc.dispatch.ledger import Ledger
from streamproc.dispatch.matching import AwaitedPart, Outstanding
from streamproc.dispatch.model import DeliveryReport, ReceiptsOf
from streamproc.dispatch.number_hashes import NumberHashes
from streamproc.dispatch.says import receipt_of

LAST_PART_MS: Final = 15_000
"""After the last part's report, how long to wait for reports of the other parts if the gateway
never sent one."""
_NOT_YET: Final = -1


class Deliveries:
    """Messages of all partitions that wait for reports.

    ``receipts`` says by gateway of which parts reports come, ``hashes`` name numbers.
    """

    def __init__(
        self, hashes: NumberHashes, receipts: Mapping[str, ReceiptsOf] | None = None
    ) -> None:
        self._receipts = receipts or {}
        self._outstanding = Outstanding()
        self._doubts = Doubts(hashes)
        self._ledgers: dict[int, Ledger] = {}
        self._early = EarlyReports()
        self._next: dict[int, int] = {}
        self._every_part: set[str] = set()
        """Gateways that have sent reports of other parts than the last."""
        self._last_part: dict[tuple[int, str], int] = {}
        """Messages whose only report is that of the last part, and until when reports of the others
        can come."""

    def start(self, positions: dict[int, int]) -> None:
        """Set the positions at which reading of the reports topic starts: later positions count
        from here."""
        self._next.update(positions)

    def load(self, ledger: Ledger) -> None:
        """A partition was opened, with messages that wait for reports."""
        self._ledgers[ledger.partition] = ledger
        for gateway, ids in ledger.take_reported():
            self._doubts.handled(gateway, ids)
        for message_id, entry in ledger.open.items():
            self._await(ledger.partition, message_id, entry)
            if len(entry.done) > 1 and entry.reported.get(max(entry.done)) == "delivered":
                self._last_part[ledger.partition, message_id] = _NOT_YET

    def unload(self, ledger: Ledger) -> None:
        """A partition was closed."""
        self._ledgers.pop(ledger.partition, None)
        for message_id, entry in ledger.open.items():
            self._remove(ledger.partition, message_id, entry)

    def drop(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """A message is forgotten although some of its reports did not come."""
        self._remove(partition, message_id, entry)

    def settled(self, partition: int, message_id: str) -> None:
        """A message in doubt was settled by something else."""
        self._doubts.remove(partition, message_id)

    def expect(self, ledger: Ledger, message_id: str, entry: JournalEntry, now_ms: int) -> None:
        """A message was accepted, or may have been. Its reports may have come already."""
        self._await(ledger.partition, message_id, entry)
        for key, (report, position, _) in self._early.perhaps_about(entry):
            if self._apply(report, now_ms) or self._claim(report, position, now_ms):
                self._early.drop(key)

    def report(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """A report was read, at a position of the reports topic."""
        if position is not None:
            self._next[position[0]] = position[1] + 1
        if self._apply(report, now_ms) or self._claim(report, position, now_ms):
            return
        self._early.add(report, position, now_ms)

    def sweep(self, now_ms: int) -> None:
        """Drop early reports whose message never came, and stop waiting for parts without a
        report."""
        self._early.sweep(now_ms)
        for (partition, message_id), until_ms in list(self._last_part.items()):
            if until_ms == _NOT_YET:
                self._last_part[partition, message_id] = now_ms + LAST_PART_MS
            elif now_ms >= until_ms:
                self._end_waiting(partition, message_id, now_ms)

    def positions(self) -> dict[int, int]:
        """From where the reports topic must be read again after a restart, and, by
        :func:`read_key`, up to where it was read."""
        found = dict(self._next)
        for number, offset in self._early.positions():
            found[number] = min(found.get(number, offset), offset)
        return found | {read_key(number): offset for number, offset in self._next.items()}

    def _apply(self, report: DeliveryReport, now_ms: int) -> bool:
        """Apply a report of a part whose id is known."""
        part = self._outstanding.find(report.gateway, report.message_id, report.peer)
        if part is None:
            return False
        ledger = self._ledgers[part.partition]
        entry = ledger.open[part.id]
        if report.state == "enroute":
            return True
        entry.reported[part.number] = report.state
        self._outstanding.remove(report.gateway, entry.done[part.number], part)
        self._doubts.handled(report.gateway, [report.message_id])
        if part.number != max(entry.done):
            self._every_part.add(report.gateway)
        states = set(entry.reported.values())
        is_whole = entry.state == "accepted"
        if states == {"delivered"} and not (is_whole and self._is_complete(part, entry, now_ms)):
            ledger.write(part.id, entry)
            return True
        # One lost part spoils the whole message, so the failure is reported at once.
        status: Status = "delivered"
        if "failed" in states:
            status = "failed"
        elif "expired" in states:
            status = "expired"
        self._settle(ledger, part.id, entry, status, report.code, report.received_ms)
        return True

    def _is_complete(self, part: AwaitedPart, entry: JournalEntry, now_ms: int) -> bool:
        """Whether no more reports will come; all reports so far are good."""
        if len(entry.reported) >= len(entry.done):
            return True
        mode = self._receipts.get(entry.gateway, "auto")
        if max(entry.done) in entry.reported:
            if mode == "last_part":
                return True
            if mode == "auto" and entry.gateway not in self._every_part:
                self._last_part[part.partition, part.id] = now_ms + LAST_PART_MS
        return False

    def _end_waiting(self, partition: int, message_id: str, now_ms: int) -> None:
        """Only the last part of a long message got a report, so this gateway reports only last
        parts."""
        del self._last_part[partition, message_id]
        ledger = self._ledgers.get(partition)
        entry = None if ledger is None else ledger.open.get(message_id)
        if ledger is None or entry is None or entry.state != "accepted":
            return
        if entry.gateway not in self._every_part:
            self._settle(ledger, message_id, entry, "delivered", "", now_ms)

    def _settle(
        self,
        ledger: Ledger,
        message_id: str,
        entry: JournalEntry,
        status: Status,
        code: str,
        now_ms: int,
    ) -> None:
        error = "" if status == "delivered" else "undelivered"
        receipt = receipt_of(
            message_id, ledger.partition, entry, status, now_ms, error, code if error else ""
        )
        ledger.receipt(receipt)
        self._remove(ledger.partition, message_id, entry)
        # The reports of its other parts may come, and any report once more, also after a restart.
        self._doubts.handled(entry.gateway, entry.done.values())
        ledger.write(
            message_id,
            JournalEntry("settled", entry.forget_ms, entry.gateway, done=entry.done),
        )

    def _claim(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> bool:
        """A report of a message whose id never came: of the only one to that number in doubt."""
        found = self._doubts.only(report, now_ms)
        if found is None:
            return False
        partition, message_id = found
        ledger = self._ledgers[partition]
        if position is not None and position[1] < ledger.reports_read.get(position[0], 0):
            return False  # read before a restart: it was about something else then
        entry = ledger.open[message_id]
        number = self._doubts.part_of(report, entry, ledger)
        if number is None:
            return False
        if entry.gateway != report.gateway:
            entry.gateway, entry.done, entry.reported = report.gateway, {}, {}
        entry.done[number] = report.message_id
        if entry.facts is not None and len(entry.done) == entry.facts.parts:
            self._doubts.remove(partition, message_id)
            entry.state = "accepted"
            received_ms = report.received_ms
            ledger.receipt(receipt_of(message_id, partition, entry, "accepted", received_ms))
        part = AwaitedPart(partition, message_id, number, _peer(entry))
        self._outstanding.add(entry.gateway, report.message_id, part)
        ledger.write(message_id, entry)
        return self._apply(report, now_ms)

    def _await(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        if entry.state in ("accepted", "uncertain"):
            for number, sms_id in entry.done.items():
                if number not in entry.reported:
                    part = AwaitedPart(partition, message_id, number, _peer(entry))
                    self._outstanding.add(entry.gateway, sms_id, part)
        if entry.state == "accepted":
            self._doubts.remove(partition, message_id)
            if entry.doubtful:
                self._doubts.orphaned(entry)
        elif entry.state == "uncertain":
            self._doubts.add(partition, message_id, entry)

    def _remove(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        for number, sms_id in entry.done.items():
            part = AwaitedPart(partition, message_id, number, _peer(entry))
            self._outstanding.remove(entry.gateway, sms_id, part)
        self._doubts.remove(partition, message_id)
        self._last_part.pop((partition, message_id), None)


def _peer(entry: JournalEntry) -> str:
    return entry.facts.peer if entry.facts else ""
