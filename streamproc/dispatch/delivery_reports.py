"""Matches delivery reports with their messages and writes receipts.

A report can come before the answer to its submit, after a restart, or to another dispatcher than
the one that sent the message. So all reports are written to one topic that every dispatcher reads.
Reports without a matching message are kept for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from streamproc.contracts.records.receipts import Status
from streamproc.dispatch.doubts import KnownIds, Suspects, part_in_doubt
from streamproc.dispatch.early_reports import Early, EarlyReports
from streamproc.dispatch.elsewhere import Elsewhere
from streamproc.dispatch.journal import JournalEntry, read_key
from streamproc.dispatch.ledger import Ledger
from streamproc.dispatch.matching import AwaitedPart, AwaitedParts
from streamproc.dispatch.model import DeliveryReport, ReceiptsOf
from streamproc.dispatch.outcome_records import receipt_of, settled_of

LAST_PART_MS: Final = 15_000
"""After the last part's report, how long to wait for reports of the other parts if the gateway
never sent one."""
_NOT_YET: Final = -1


class Deliveries:
    """Messages of all partitions that wait for reports.

    ``receipts`` says by gateway of which parts reports come. ``partitions`` is how many there are:
    messages of those that are not open here are not known here. ``shared`` are gateways whose
    account other senders use too.
    """

    def __init__(
        self,
        receipts: Mapping[str, ReceiptsOf] | None = None,
        partitions: int = 1,
        shared: Iterable[str] = (),
    ) -> None:
        self.shared = set(shared)
        """Reports of unknown ids say nothing about messages of these gateways. It grows."""
        self._complete_since_ms: int | None = None
        self._receipts = receipts or {}
        self.partitions = partitions
        self._outstanding = AwaitedParts()
        self._suspects = Suspects()
        self._known = KnownIds()
        self._ways: dict[str, set[bool]] = {}
        """By gateway, whether reports have named messages by their ids unchanged (True), converted
        (False)."""
        self._ledgers: dict[int, Ledger] = {}
        self._has_opened = False
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
        self._has_opened = True
        ledger.noted = partial(self._note, ledger.partition)
        for message_id, entry in (*ledger.take_ended(), *ledger.open.items()):
            self._note(ledger.partition, message_id, entry)
        for message_id, entry in ledger.open.items():
            self._await(ledger.partition, message_id, entry)
            if len(entry.done) > 1 and entry.reported.get(max(entry.done)) == "delivered":
                self._last_part[ledger.partition, message_id] = _NOT_YET

    def unload(self, ledger: Ledger) -> None:
        """A partition was closed."""
        self._ledgers.pop(ledger.partition, None)
        self._suspects.close(ledger.partition)
        for message_id, entry in ledger.open.items():
            self.drop(ledger.partition, message_id, entry)

    def drop(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """Wait for no more reports of a message."""
        for number, sms_id in entry.done.items():
            part = AwaitedPart(partition, message_id, number, _peer(entry))
            self._outstanding.remove(entry.gateway, sms_id, part)
        self._last_part.pop((partition, message_id), None)

    def know(self, ids: Iterable[str], forget_ms: int) -> None:
        """A gateway gave these ids to parts of messages of any state."""
        self._known.add(ids, forget_ms)

    def expect(self, ledger: Ledger, message_id: str, entry: JournalEntry, now_ms: int) -> None:
        """A message was accepted, or may have been. Its reports may have come already."""
        self._await(ledger.partition, message_id, entry)
        for key, (report, position, _) in list(self._early.perhaps_about(entry)):
            if self._apply(report, now_ms) or self._claim(report, position, now_ms):
                self._early.drop(key)

    def report(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """A report was read, at a position of the reports topic."""
        if position is not None:
            self._next[position[0]] = position[1] + 1
        if self._apply(report, now_ms) or self._claim(report, position, now_ms):
            return
        self._early.add(report, position, now_ms)

    def sweep(self, now_ms: int, forget_ms: int | None = None) -> None:
        """Drop early reports whose message never came, and stop waiting for parts without a
        report. Ids are forgotten as of ``forget_ms``."""
        self._known.sweep(now_ms if forget_ms is None else forget_ms)
        if self._has_opened and self._is_complete_here():
            # What they are about may have become certain.
            self._has_opened, self._complete_since_ms = False, now_ms
            for key, (report, position, _) in self._early.all():
                if self._apply(report, now_ms) or self._claim(report, position, now_ms):
                    self._early.drop(key)
        for early in self._early.sweep(now_ms):
            self._suspect_others(early)
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
        part = self._named(report)
        if part is None:
            return False
        ledger = self._ledgers[part.partition]
        entry = ledger.open[part.id]
        if report.state == "enroute":
            return True
        entry.reported[part.number] = report.state
        self._outstanding.remove(report.gateway, entry.done[part.number], part)
        self._known.add([report.message_id], entry.forget_ms)
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
        if entry.trace and entry.facts is not None:
            ledger.settled(settled_of(message_id, ledger.partition, entry, status, now_ms))
        self.drop(ledger.partition, message_id, entry)
        entry.state = "settled"
        ledger.write(message_id, entry)

    def _named(self, report: DeliveryReport) -> AwaitedPart | None:
        """The part that a report names by its id. In doubt about the way in which its gateway
        writes ids, the report waits."""
        key = report.gateway, report.message_id, report.peer
        exact, changed = self._outstanding.find(*key), self._outstanding.find_converted(*key)
        ways = self._ways.setdefault(report.gateway, set())
        part = exact or changed
        if exact and changed:
            if len(ways) != 1:
                return None
            part = exact if ways == {True} else changed
        if part is None:
            return None
        is_usual = ways == {part is exact} or (part is exact and not ways)
        if not is_usual and self._suspects.are_others(report.peer, (part.partition, part.id)):
            return None
        ways.add(part is exact)
        return part

    def _is_complete_here(self) -> bool:
        """Whether every message of this group of dispatchers is known here."""
        return len(self._ledgers) >= self.partitions

    def _suspect_others(self, early: Early) -> None:
        """A report that no message of ours explains shows that the account has other senders."""
        report, since_ms = early.report, self._complete_since_ms
        if since_ms is None or early.read_ms < since_ms or not self._is_complete_here():
            return
        if self._suspects.are_none(report.peer) and not self._known.knows(report.message_id):
            self.shared.add(report.gateway)

    def unplaced(self) -> list[int]:
        """Keys of reports that settle a message in doubt if they are about no message of the
        partitions that are not open here."""
        if self._is_complete_here() or self._suspects.are_empty():
            return []
        return [
            key
            for key, (report, position, _) in self._early.all()
            if self._meant(report, position) is not None
        ]

    def place(self, keys: Iterable[int], elsewhere: Elsewhere, now_ms: int) -> None:
        """The journals of all partitions that are not open here were read after these reports
        came."""
        for key in keys:
            early = self._early.get(key)
            if early is None or elsewhere.explains(early.report):
                continue
            meant = self._meant(early.report, early.position)
            if meant is not None and self._settle_doubt(*meant, early.report, now_ms):
                self._early.drop(key)

    def _claim(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> bool:
        """A report of an id that nobody knows: it names a message if no other one can be meant."""
        meant = self._meant(report, position) if self._is_complete_here() else None
        return meant is not None and self._settle_doubt(*meant, report, now_ms)

    def _meant(
        self, report: DeliveryReport, position: tuple[int, int] | None
    ) -> tuple[Ledger, str, int] | None:
        """The message and part in doubt, if no other one that is known here can be meant."""
        found = self._suspects.only(report.peer)
        if found is None or report.gateway in self.shared:
            return None
        if self._known.knows(report.message_id):
            return None
        partition, message_id = found
        ledger = self._ledgers[partition]
        if position is not None and position[1] < ledger.reports_read.get(position[0], 0):
            return None  # read before a restart: it was about something else then
        entry = ledger.open.get(message_id)
        number = None if entry is None else part_in_doubt(entry, report)
        return None if number is None else (ledger, message_id, number)

    def _settle_doubt(
        self, ledger: Ledger, message_id: str, number: int, report: DeliveryReport, now_ms: int
    ) -> bool:
        """The gateway accepted this part under the report's id. Returns whether the report is
        applied."""
        partition, entry = ledger.partition, ledger.open[message_id]
        assert entry.facts is not None  # every entry of an open message has facts
        if entry.gateway != report.gateway:
            entry.former += entry.done.values()
            entry.gateway, entry.done, entry.reported = report.gateway, {}, {}
        entry.done[number] = report.message_id
        if len(entry.done) == entry.facts.parts:
            entry.state = "accepted"
            entry.doubtful -= 1
            received_ms = report.received_ms
            ledger.receipt(receipt_of(message_id, partition, entry, "accepted", received_ms))
        part = AwaitedPart(partition, message_id, number, _peer(entry))
        self._outstanding.add(entry.gateway, report.message_id, part)
        ledger.write(message_id, entry)
        return self._apply(report, now_ms)

    def _note(self, partition: int, message_id: str, entry: JournalEntry | None) -> None:
        self._suspects.note(partition, message_id, entry)
        if entry is not None:
            self._known.add((*entry.done.values(), *entry.former), entry.forget_ms)

    def _await(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        if entry.state in ("accepted", "uncertain"):
            for number, sms_id in entry.done.items():
                if number not in entry.reported:
                    part = AwaitedPart(partition, message_id, number, _peer(entry))
                    self._outstanding.add(entry.gateway, sms_id, part)


def _peer(entry: JournalEntry) -> str:
    return entry.facts.peer if entry.facts else ""
