"""Kafka's log in memory: partitions, transactions, fencing, as far as the engine needs them.

The records of a transaction get their offsets when they are appended. A reader of committed records
gets them when the transaction has ended. After them comes a marker that has an offset and is never
delivered. Aborted records have offsets, too. Readers stop at the first open transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamproc.engine import crashpoints
from streamproc.engine.cluster import NO_HEADERS, Copy, FetchedBatch, HeadersByIndex, Place
from streamproc.engine.errors import TakenOverError
from streamproc.engine.faust.producer import BATCH_BYTES
from streamproc.engine.transaction import NO_COPIES, NONE_HAS_HEADERS

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as consumers get it; the timestamp is in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()
    timestamp_type: int = 0


@dataclass
class Transaction:
    """``committed`` is None while it is open."""

    touched: dict[tuple[str, int], None] = field(default_factory=dict)
    committed: bool | None = None


@dataclass(slots=True)
class _Entry:
    record: LogRecord | None
    """None: a marker, or an offset that is empty now."""
    transaction: Transaction | None = None


class MemoryLog:
    """Topics with the same number of partitions. A topic exists from its first record on."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._entries: dict[tuple[str, int], list[_Entry]] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> LogRecord:
        entries = self._of(topic, partition)
        record = LogRecord(topic, partition, len(entries), key, value, timestamp_ms, headers)
        entries.append(_Entry(record, transaction))
        if transaction is not None:
            transaction.touched[topic, partition] = None
        return record

    def append_copies(
        self, place: Place, copies: Iterable[Copy], transaction: Transaction | None
    ) -> None:
        for key, value, at_ms, headers in copies:
            self.append(*place, key, value, at_ms, headers, transaction)

    def skip(self, topic: str, partition: int) -> None:
        """An offset without a record for readers."""
        self._of(topic, partition).append(_Entry(None))

    def compact(self, topic: str) -> None:
        """Keep only the last committed record of each key, and no tombstone."""
        for (name, partition), entries in self._entries.items():
            if name == topic:
                last = {one.key: one.offset for one in self.read(topic, partition)}
                for entry in entries:
                    record = entry.record
                    if record is None or (
                        entry.transaction and entry.transaction.committed is None
                    ):
                        continue
                    if last.get(record.key) != record.offset or record.value is None:
                        entry.record = None

    def read(self, topic: str, partition: int, start: int = 0) -> list[LogRecord]:
        """Committed records from an offset on."""
        return self.read_from(topic, partition, start, 1 << 60)[0]

    def read_from(
        self, topic: str, partition: int, start: int, limit: int
    ) -> tuple[list[LogRecord], int]:
        """At most ``limit`` committed records from an offset on, and the next offset."""
        found: list[LogRecord] = []
        entries = self._of(topic, partition)
        position, end = start, self.stable_end(topic, partition)
        while position < end and len(found) < limit:
            entry = entries[position]
            position += 1
            if entry.record is None:
                continue
            if entry.transaction is None or entry.transaction.committed:
                found.append(entry.record)
        return found, position

    def stable_end(self, topic: str, partition: int) -> int:
        """Where a reader of committed records stops: at the end, or at the first open
        transaction."""
        entries = self._of(topic, partition)
        if any((topic, partition) in one.touched for one in self._open.values()):
            for offset, entry in enumerate(entries):
                if entry.transaction is not None and entry.transaction.committed is None:
                    return offset
        return len(entries)

    def end(self, topic: str, partition: int) -> int:
        """The next offset."""
        return len(self._of(topic, partition))

    def open_producer(self, transactional_id: str) -> int:
        """Fence the id's earlier producer, abort its transaction; returns the new epoch."""
        self._finish(transactional_id, committed=False)
        self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        return self._epochs[transactional_id]

    def begin(self, transactional_id: str, epoch: int) -> Transaction:
        self.check(transactional_id, epoch)
        if transactional_id in self._open:
            raise RuntimeError(f"{transactional_id} has a transaction under way")
        transaction = self._open[transactional_id] = Transaction()
        return transaction

    def commit(self, transactional_id: str, epoch: int) -> None:
        self.check(transactional_id, epoch)
        self._finish(transactional_id, committed=True)

    def check(self, transactional_id: str, epoch: int) -> None:
        """Raises :class:`TakenOverError` for a producer that has a successor."""
        if self._epochs.get(transactional_id) != epoch:
            raise TakenOverError(f"{transactional_id} was taken over")

    def _finish(self, transactional_id: str, committed: bool) -> None:
        transaction = self._open.pop(transactional_id, None)
        if transaction is None:
            return
        transaction.committed = committed
        for topic, partition in transaction.touched:
            self._of(topic, partition).append(_Entry(None))

    def _of(self, topic: str, partition: int) -> list[_Entry]:
        if not 0 <= partition < self.partitions:
            raise ValueError(f"{topic} has no partition {partition}")
        return self._entries.setdefault((topic, partition), [])


class MemoryConsumer:
    """The part of a consumer of committed records that ``read_to_end`` needs."""

    def __init__(self, log: MemoryLog, records_per_poll: int = 500) -> None:
        self._log = log
        self._limit = records_per_poll
        self._positions: dict[Place, int] = {}

    def assign(self, tps: Iterable[Place]) -> None:
        self._positions = dict.fromkeys(tps, 0)

    def seek(self, tp: Place, offset: int) -> None:
        self._positions[tp] = offset

    async def position(self, tp: Place) -> int:
        return self._positions[tp]

    async def beginning_offsets(self, tps: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Iterable[Place]) -> dict[Place, int]:
        return {tp: self._log.stable_end(tp.topic, tp.partition) for tp in tps}

    async def stop(self) -> None:
        """Close the connections."""

    async def getmany(self, timeout_ms: int = 0) -> dict[Place, list[FetchedBatch]]:
        await asyncio.sleep(0)
        found = {}
        for tp, start in self._positions.items():
            records, self._positions[tp] = self._log.read_from(
                tp.topic, tp.partition, start, self._limit
            )
            if records:
                found[tp] = [FetchedBatch(start, records)]
        return found


Pause = Callable[[int, str], Awaitable[None]]
"""Called with partition and numbered step; it can wait or raise."""


class MemoryWriter:
    """``PartitionWriter`` over a :class:`MemoryLog`: the same steps, the same limits."""

    def __init__(
        self, log: MemoryLog, app_id: str, partition: int, now_ms: Callable[[], int], pause: Pause
    ) -> None:
        self.partition = partition
        self.is_closed = False
        self._log = log
        self._id = f"{app_id}-{partition}"
        self._epoch = -1
        self._now_ms = now_ms
        self._pause = pause

    async def open(self) -> None:
        """Fence the predecessor and abort its open transaction."""
        self._epoch = self._log.open_producer(self._id)

    async def close(self) -> None:
        """Close. The next owner aborts an open transaction."""
        self.is_closed = True

    async def commit(
        self,
        changelog: str,
        changes: Iterable[tuple[bytes | None, bytes | None]],
        outputs: dict[str, Iterable[tuple[bytes | None, bytes | None]]],
        copies: Mapping[Place, Iterable[Copy]] = NO_COPIES,
        headers: Mapping[str, HeadersByIndex] = NONE_HAS_HEADERS,
    ) -> None:
        """Write everything or nothing; the steps are those of engine/README.md."""
        transaction = self._log.begin(self._id, self._epoch)
        await self._step("2")
        self._append(changelog, changes, transaction)
        await self._step("3")
        for topic, records in outputs.items():
            self._append(topic, records, transaction, headers.get(topic, NO_HEADERS))
        for place, moved in copies.items():
            self._log.append_copies(place, moved, transaction)
        await self._step("4")
        await self._step("5")
        self._log.commit(self._id, self._epoch)
        await self._step("6")

    async def _step(self, step: str) -> None:
        crashpoints.reached("commit", step)
        await self._pause(self.partition, step)
        if self.is_closed:
            raise RuntimeError(f"the writer of partition {self.partition} was closed")

    def _append(
        self,
        topic: str,
        records: Any,
        transaction: Transaction,
        headers: HeadersByIndex = NO_HEADERS,
    ) -> None:
        self._log.check(self._id, self._epoch)
        for index, (key, value) in enumerate(records):
            if len(key or b"") + len(value or b"") > BATCH_BYTES:
                raise ValueError(f"a record for {topic} exceeds {BATCH_BYTES} bytes")
            self._log.append(
                topic,
                self.partition,
                key,
                value,
                self._now_ms(),
                headers.get(index, ()),
                transaction=transaction,
            )
