"""The memory of one partition, and the writes that are due next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streamproc.contracts.records.receipts import DeadLetter, Receipt
from streamproc.dispatch.journal import JournalEntry, encode, is_suspect
from streamproc.dispatch.model import Outgoing
from streamproc.dispatch.traced import Settled
from streamproc.dispatch.watermark import Watermark

FORGET_STEP_MS = 900_000
"""Ids are forgotten in groups of a quarter of an hour: a timer for each would need memory."""

Cursor = tuple[int, str]
"""Lane and topic: each lane reads the reminders at its own pace."""


@dataclass
class JournalTransaction:
    """The content of one transaction, and the messages that may be sent after its commit."""

    entries: dict[str, bytes | None] = field(default_factory=dict)
    """Journal values by message id; None deletes."""
    receipts: list[Receipt] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[Cursor, int] = field(default_factory=dict)
    reports: dict[int, int] = field(default_factory=dict)
    release: list[Outgoing] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    """Receipts that have a span."""
    answered: list[str] = field(default_factory=list)
    """Gateways whose answers it contains, one entry for each answer."""

    @property
    def empty(self) -> bool:
        return not (self.entries or self.receipts or self.dead_letters)


class Ledger:
    """The memory of one partition: ids, open entries, and the position of each cursor."""

    def __init__(self, partition: int, entries: Iterable[tuple[str, JournalEntry]]) -> None:
        self.partition = partition
        self.open: dict[str, JournalEntry] = {}
        """Entries in any state but settled."""
        self.cursors: dict[Cursor, Watermark] = {}
        self.began: dict[Cursor, int] = {}
        """Where each cursor started in this process."""
        self.reports_read: dict[int, int] = {}
        """Up to where, by partition, the reports were read for this partition before."""
        self.messages: dict[str, Outgoing] = {}
        """The messages that this process works on."""
        self.closing = False
        self._settled: dict[str, int] = {}
        self._forget: dict[int, list[str]] = {}
        self._batch = JournalTransaction()
        self._committed: dict[Cursor, int] = {}
        self.noted: Callable[[str, JournalEntry | None], None] = lambda _, entry: None
        """Called with each entry that changes; None: it is forgotten."""
        self._ended: list[tuple[str, JournalEntry]] = []
        for message_id, entry in entries:
            self._keep(message_id, entry)
            if entry.state == "settled" and (entry.done or entry.former or entry.doubtful):
                self._ended.append((message_id, entry))

    def __len__(self) -> int:
        return len(self.open) + len(self._settled)

    def take_ended(self) -> list[tuple[str, JournalEntry]]:
        """The settled messages that reports may still name. They are not kept here."""
        taken, self._ended = self._ended, []
        return taken

    def begin(self, cursor: Cursor, position: int) -> None:
        """A cursor starts at ``position``."""
        self.cursors[cursor] = Watermark(position)
        self.began[cursor] = position
        self._committed[cursor] = position

    def knows(self, message_id: str) -> bool:
        """Whether the id is settled, or is not sent any more and only waits for reports."""
        entry = self.open.get(message_id)
        is_out = entry is not None and entry.state in ("accepted", "uncertain")
        return message_id in self._settled or is_out

    def write(self, message_id: str, entry: JournalEntry) -> None:
        """Remember an entry, and write it with the next batch. A settled message keeps no more than
        what reports may still name: its ids, and its number if a copy is in doubt."""
        if entry.state == "settled":
            entry = _ended(entry)
        self._keep(message_id, entry)
        # Encoded now, because the entry may change later.
        self._batch.entries[message_id] = encode(entry)

    def receipt(self, receipt: Receipt) -> None:
        self._batch.receipts.append(receipt)

    def settled(self, told: Settled) -> None:
        """A receipt is of a message that has spans."""
        self._batch.settled.append(told)

    def dead_letter(self, letter: DeadLetter) -> None:
        self._batch.dead_letters.append(letter)

    def release(self, message: Outgoing) -> None:
        """Send the message when the last write is durable."""
        self._batch.release.append(message)

    def answered(self, gateway: str) -> None:
        """The last write is a gateway's answer."""
        self._batch.answered.append(gateway)

    @property
    def untaken(self) -> JournalTransaction:
        """The writes since the last batch was taken."""
        return self._batch

    def sweep(self, now_ms: int) -> list[tuple[str, JournalEntry]]:
        """Forget ids that are old enough; returns those that still waited for reports."""
        dropped = []
        for step in sorted(step for step in self._forget if step * FORGET_STEP_MS <= now_ms):
            for message_id in self._forget.pop(step):
                if message_id in self.messages:
                    self._schedule(message_id, now_ms)  # the message is still in progress
                    continue
                entry = self.open.get(message_id)
                forget_ms = entry.forget_ms if entry else self._settled.get(message_id)
                if forget_ms is None or forget_ms // FORGET_STEP_MS >= step:
                    continue  # it is forgotten already, or a later group contains it
                if entry:
                    dropped.append((message_id, self.open.pop(message_id)))
                self._settled.pop(message_id, None)
                self.noted(message_id, None)
                self._batch.entries[message_id] = None
        return dropped

    def take_batch(self, reports: dict[int, int], force: bool = False) -> JournalTransaction | None:
        """Everything that must be written; None if there is nothing. ``force``: positions alone are
        enough."""
        positions = {
            cursor: mark.value
            for cursor, mark in self.cursors.items()
            if mark.value != self._committed.get(cursor)
        }
        if self._batch.empty and not (force and positions):
            return None
        batch, self._batch = self._batch, JournalTransaction()
        batch.positions = positions
        batch.reports = dict(reports)
        self._committed.update(positions)
        return batch

    def _keep(self, message_id: str, entry: JournalEntry) -> None:
        before = self.open.get(message_id)
        if before is None or before.forget_ms != entry.forget_ms:
            self._schedule(message_id, entry.forget_ms)
        if entry.state == "settled":
            self.open.pop(message_id, None)
            self._settled[message_id] = entry.forget_ms
        else:
            self.open[message_id] = entry
        self.noted(message_id, entry)

    def _schedule(self, message_id: str, forget_ms: int) -> None:
        self._forget.setdefault(forget_ms // FORGET_STEP_MS + 1, []).append(message_id)


def _ended(entry: JournalEntry) -> JournalEntry:
    """What is remembered of a settled message."""
    kept = JournalEntry("settled", entry.forget_ms, done=entry.done, former=entry.former)
    if entry.done:
        kept.gateway = entry.gateway
    kept.doubtful = entry.doubtful
    if is_suspect(kept):
        kept.facts = entry.facts
    return kept
