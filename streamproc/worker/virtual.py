"""A worker in memory: records in, outputs out; only the records move the time.

It is the worker's own processor on the worker's own rows under ``--clock event``; only Kafka is
missing. Nothing is read or written elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import LAST_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import HELD, Account
from streamproc.engine.cluster import Headers
from streamproc.engine.processor import Outbox, PoisonError
from streamproc.engine.rows import Rows
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native, WrongPartition
from streamproc.worker.without_worker import apply_records, let_time_pass

TOPICS = WorkerTopics.under("", inputs=())
"""These names distinguish the outputs."""

Emit = Callable[[str, bytes | None, bytes], None]
"""Topic (of :data:`TOPICS`), key and value of an output record."""


class InputRecord(NamedTuple):
    """A record of an input topic with the attributes of a consumed record; ``timestamp`` in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


class VirtualWorker:
    """Owns every partition that records come from; outputs are passed to ``emit`` in order."""

    def __init__(
        self,
        rules: Rulebook,
        emit: Emit,
        native: Native = "auto",
        partitions: int = 0,
        wrong_partition: WrongPartition = "refuse",
    ) -> None:
        """``partitions`` is the number of partitions of the input topics; 0 if it is unknown.

        If it is known, records in another partition than that of their key are refused, or applied
        at once in the right one.
        """
        placement = Placement(partitions, wrong_partition, TOPICS.forwarded, logs=False)
        self._processor = QuotaProcessor(rules, TOPICS, "event", native, placement)
        self._outbox = _Outlet(emit)
        self._forwarded = 0
        self.failures: list[PoisonError] = []
        """Errors of records and due work: the program or an installed package is wrong."""
        self._rows: dict[int, Rows[Account]] = {}
        self._clocks: dict[int, int] = {}

    @property
    def subscribers(self) -> int:
        """How many subscribers have a state."""
        return sum(len(rows) for rows in self._rows.values())

    @property
    def has_contracts(self) -> bool:
        """Whether any activation was applied."""
        for rows in self._rows.values():
            rows.take_changes()
            for key in rows.stored:
                account = rows.get(key)
                if account is not None and account.status != HELD:
                    return True
        return False

    def held_until_ms(self) -> list[int]:
        """Until when messages are held (quiet hours, caps); one instant per message."""
        found = []
        for rows in self._rows.values():
            rows.take_changes()
            for key in rows.stored:
                account = rows.get(key)
                if account is not None and account.extra is not None:
                    found += [one.until_ms for one in account.extra.waiting]
        return found

    @property
    def clock_ms(self) -> int:
        """The latest clock of a partition."""
        return max(self._clocks.values(), default=0)

    def apply(self, records: Iterable[InputRecord]) -> None:
        """Apply records, those of one partition in order of their offsets, and do the work that is
        due."""
        for (topic, partition), found in groupby(records, key=attrgetter("topic", "partition")):
            self._apply(topic, partition, list(found))
            self._apply_forwarded()

    def _apply(self, topic: str, partition: int, records: list[InputRecord]) -> None:
        rows, clock_ms = self._rows_of(partition), self._clocks.get(partition, 0)
        self._clocks[partition] = apply_records(
            self._processor,
            topic,
            partition,
            records,
            rows,
            self._outbox,
            clock_ms,
            self.failures.append,
        )
        let_time_pass(
            self._processor, rows, self._outbox, self._clocks[partition], self.failures.append
        )

    def _apply_forwarded(self) -> None:
        copies, self._outbox.copies = self._outbox.copies, {}
        for (topic, partition), moved in copies.items():
            records = [
                InputRecord(topic, partition, offset, *copy[:3], tuple(copy.headers))
                for offset, copy in enumerate(moved, self._forwarded)
            ]
            self._forwarded += len(records)
            self._apply(topic, partition, records)

    def reach(self, partition: int, now_ms: int) -> None:
        """Move the time of a partition, as another subscriber's record would; never backwards."""
        if now_ms >= LAST_MS:
            return
        clock_ms = max(self._clocks.get(partition, 0), now_ms)
        self._clocks[partition] = clock_ms
        let_time_pass(
            self._processor,
            self._rows_of(partition),
            self._outbox,
            clock_ms,
            self.failures.append,
        )

    def next_due_ms(self, partition: int) -> int:
        """No work of a partition is due earlier."""
        rows = self._rows_of(partition)
        rows.take_changes()
        return rows.next_due_ms

    def finish(self, advance_ms: int = 0) -> None:
        """Move the time of all partitions to the latest clock plus ``advance_ms``."""
        until_ms = self.clock_ms + advance_ms
        for partition in self._rows:
            self.reach(partition, until_ms)

    def account(self, partition: int, key: bytes) -> Account | None:
        """A copy of a subscriber's state; None if there is none."""
        rows = self._rows_of(partition)
        rows.take_changes()
        return rows.get(key)

    def _rows_of(self, partition: int) -> Rows[Account]:
        rows = self._rows.get(partition)
        if rows is None:
            rows = self._processor.new_rows()
            rows.partition = partition
            self._rows[partition] = rows
        return rows


class _Outlet(Outbox):
    """Passes outputs on at once."""

    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def put(
        self, topic: str, key: bytes | None, value: bytes, headers: Headers | None = None
    ) -> None:
        self._emit(topic, key, value)
