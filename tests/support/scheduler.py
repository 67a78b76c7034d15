"""The dispatcher's scheduler with a clock of its own, for tests without Kafka or gateways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.receipts import DeadLetter, Receipt
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Cause, Reminder
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.journal import JournalEntry, decode_entry, read_positions
from streamproc.dispatch.lanes import Lane, default_lanes
from streamproc.dispatch.model import Accepted, Origin, Outcome, Outgoing
from streamproc.dispatch.number_hashes import NumberHashes
from streamproc.dispatch.router import GatewayLine, Router
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.shaping import Shaper
from streamproc.dispatch.traced import Settled
from streamproc.tracing.context import NO_TRACE, TraceHeaders

START_MS = 1_767_225_600_000
TOPIC = "reminders"


def reminder(
    number: int = 1,
    subscriber: str = "8613800000001",
    kind: str = "usage_percent",
    **fields: Any,
) -> Reminder:
    """A reminder. A test states only the fields that it is about."""
    start = from_ms(START_MS)
    values: dict[str, Any] = {
        "id": f"{number:032x}",
        "kind": kind,
        "rule": "low",
        "subscriber": subscriber,
        "buckets": [],
        "threshold": None,
        "cycle_start": start,
        "cycle_end": start + timedelta(days=31),
        "used_bytes": 8,
        "granted_bytes": 10,
        "remaining_bytes": 2,
        "overage_bytes": 0,
        "as_of": start,
        "locale": "en",
        "text": "80% used",
        "encoding": "gsm7",
        "segments": 1,
        "category": "balance",
        "priority": 1,
        "mandatory": False,
        "not_before": start,
        "expires_time": start + timedelta(hours=24),
        "cause": Cause(due_time=start),
    }
    return Reminder(**{**values, **fields})


HASHES = NumberHashes([b"a key for tests of the scheduler"])


def line(name: str = "main", **fields: Any) -> GatewayLine:
    """A gateway that accepts everything, unless the test says otherwise."""
    shaper = fields.pop("shaper", None) or Shaper(1000.0, 1000, 1000, START_MS)
    values: dict[str, Any] = {"lanes": frozenset({0, 1}), "breaker": Breaker()}
    return GatewayLine(name, shaper, **{**values, **fields})


@dataclass
class Stored:
    """What Kafka has of a partition."""

    journal: dict[str, bytes] = field(default_factory=dict)
    positions: dict[tuple[int, str], int] = field(default_factory=dict)
    reports: dict[int, int] = field(default_factory=dict)
    log: list[tuple[bytes, str]] = field(default_factory=list)


class Table:
    """A scheduler, its journal and its clock. ``sent`` contains the sent messages in order."""

    def __init__(
        self,
        *lines: GatewayLine,
        lanes: tuple[Lane, ...] = default_lanes(),
        backoff: Backoff | None = None,
        honour_expiry: bool = True,
        hashes: NumberHashes = HASHES,
        partitions: int = 1,
    ) -> None:
        self.now_ms = START_MS
        self.partitions = partitions
        self.lines = lines or (line(),)
        self.lanes = lanes
        self.backoff = backoff or Backoff()
        self.honour_expiry = honour_expiry
        self.hashes = hashes
        self.stored = [Stored() for _ in range(partitions)]
        self.receipts: list[Receipt] = []
        self.dead_letters: list[DeadLetter] = []
        self.sent: list[Outgoing] = []
        self.settled: list[Settled] = []
        self.trace: TraceHeaders = NO_TRACE
        """The trace of every reminder."""
        self.restart()

    @property
    def journal(self) -> dict[str, bytes]:
        """The journal of partition 0."""
        return self.stored[0].journal

    @journal.setter
    def journal(self, content: dict[str, bytes]) -> None:
        self.stored[0].journal = content

    @property
    def positions(self) -> dict[tuple[int, str], int]:
        """The committed positions of partition 0."""
        return self.stored[0].positions

    @property
    def reports(self) -> dict[int, int]:
        """From where the reports are read again for partition 0."""
        return self.stored[0].reports

    @property
    def log(self) -> list[tuple[bytes, str]]:
        """The reminders of partition 0."""
        return self.stored[0].log

    def restart(self, opens: Iterable[int] | None = None, *, reads: bool = True) -> None:
        """As after kill -9: only committed data is left. ``opens``: the partitions of this process,
        all by default; ``reads``: it has read the reminders again."""
        for one in self.lines:
            one.shaper.outstanding = 0
        self.router = Router(list(self.lines))
        self.scheduler = Scheduler(
            self.lanes,
            self.router,
            self.backoff,
            lambda: 0.5,
            self.honour_expiry,
            hashes=self.hashes,
            partitions=self.partitions,
        )
        own = range(self.partitions) if opens is None else tuple(opens)
        starts = [self.stored[one].reports.get(0, 0) for one in own]
        self.scheduler.deliveries.start({0: min(starts, default=0)})
        for partition in own:
            self.open(partition, reads=reads)

    def open(self, partition: int, *, reads: bool = True) -> None:
        """The group gives this process a partition."""
        stored = self.stored[partition]
        ledger = self.scheduler.open(partition, self.entries(partition))
        ledger.reports_read = read_positions(stored.reports)
        for number in range(len(self.lanes)):
            ledger.begin((number, TOPIC), stored.positions.get((number, TOPIC), 0))
        ledger.begin((0, "resends"), 0)
        if reads:
            self.read(partition)

    def entries(self, partition: int) -> list[tuple[str, JournalEntry]]:
        """What the journal of a partition says."""
        journal = self.stored[partition].journal
        return [(key, decode_entry(value)) for key, value in journal.items()]

    def put(self, *reminders: Reminder, partition: int = 0) -> None:
        """Append to the log and read it."""
        self.stored[partition].log.extend((encode_effect(one), "") for one in reminders)
        if partition in self.scheduler.ledgers:
            self.read(partition)

    def read(self, partition: int = 0) -> None:
        """Move every lane's cursor to the end of the log."""
        log = self.stored[partition].log
        for lane in range(len(self.lanes)):
            position = self.scheduler.ledgers[partition].cursors[lane, TOPIC].position
            for offset in range(position, len(log)):
                origin = Origin(TOPIC, partition, offset, START_MS)
                self.scheduler.offer(lane, origin, log[offset][0], self.now_ms, trace=self.trace)

    def commit(self) -> list[Outgoing]:
        """Commit the pending writes; returns the messages that may be sent now."""
        return [one for partition in self.scheduler.ledgers for one in self.commit_one(partition)]

    def commit_one(self, partition: int) -> list[Outgoing]:
        """Commit the pending writes of a partition."""
        batch = self.scheduler.take_batch(partition, force=True)
        if batch is None:
            return []
        stored = self.stored[partition]
        for key, value in batch.entries.items():
            if value is None:
                stored.journal.pop(key, None)
            else:
                stored.journal[key] = value
        self.receipts.extend(batch.receipts)
        self.settled.extend(batch.settled)
        self.dead_letters.extend(batch.dead_letters)
        stored.positions.update(batch.positions)
        stored.reports = batch.reports
        self.scheduler.recorded(batch)
        self.sent.extend(batch.release)
        return batch.release

    def step(self, wait_ms: int = 0) -> list[Outgoing]:
        """Let time pass, take and commit; returns the messages that were sent."""
        self.now_ms += wait_ms
        self.scheduler.sweep(self.now_ms)
        self.scheduler.take(self.now_ms)
        return self.commit()

    def answer(self, message: Outgoing, outcome: Outcome | None = None) -> None:
        self.scheduler.settle(message, outcome or Accepted(), self.now_ms)
        self.commit()

    def run(self, outcome: Outcome | None = None, wait_ms: int = 0) -> list[Outgoing]:
        """Send until nothing more can be sent. Every message gets the same answer."""
        gone: list[Outgoing] = []
        while left := self.step(wait_ms):
            gone.extend(left)
            for message in left:
                self.answer(message, outcome)
        return gone

    def statuses(self) -> list[tuple[int, str]]:
        """Number and status of each receipt."""
        return [(int(one.reminder_id, 16), one.status) for one in self.receipts]


def numbers(messages: list[Outgoing]) -> list[int]:
    return [int(message.reminder.id, 16) for message in messages]


def plain(value: Any) -> Any:
    """A struct in the form of JSON."""
    return msgspec.to_builtins(value)
