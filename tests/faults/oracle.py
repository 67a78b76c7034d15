"""What the topics must hold, from the log alone: the core applied in log order, record by record.

The same route as ``tests.support.expectation``, but going on from round to round, with the core in
Python (workers may use the compiled part), and keeping the order per subscriber.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from streamproc.contracts.rules_file.load import default_rulebook, load_rules
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS
from streamproc.core.state.account import Account
from streamproc.engine.ids import SeenIds
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import WrongPartition
from tests.support.cluster import PARTITIONS

EVERYTHING = 1 << 60
KINDS = tuple(WorkerTopics.declared())

Sequences = dict[tuple[int, bytes | None], list[bytes]]
"""Output values in order, by partition and subscriber (None: rejects, which name none)."""


class LogEntry(NamedTuple):
    """A record of the input topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[Any, ...] = ()


class NamedIds(SeenIds):
    """Identities with their names, in whose terms the workers' digests are checked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[bytes, int] = {}
        """The day until whose begin a name is kept."""

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None:
        super().remember(name, received_ms, until_ms)
        self.names[name] = until_ms // DAY_MS + 1


class Oracle:
    """State and outputs after the log so far."""

    def __init__(
        self,
        events_topic: str,
        wrong_partition: WrongPartition = "refuse",
        rules: Path | None = None,
    ) -> None:
        self._topic = events_topic
        topics = WorkerTopics.under("", inputs=(events_topic,))
        placement = Placement(PARTITIONS, wrong_partition, topics.forwarded, logs=False)
        rulebook = default_rulebook() if rules is None else load_rules(rules)
        self._processor = QuotaProcessor(rulebook, topics, "event", "off", placement)
        self.ids = [NamedIds() for _ in range(PARTITIONS)]
        self._rows: list[Rows[Account]] = [Rows(self._processor, ids=one) for one in self.ids]
        self.clocks = [0] * PARTITIONS
        self.positions = [0] * PARTITIONS
        """Offset after the last applied record, by partition; 0 before the first."""
        self.outputs: dict[str, Sequences] = {kind: defaultdict(list) for kind in KINDS}
        self.totals = dict.fromkeys(KINDS, 0)
        self.records = 0

    def apply(self, entries: list[LogEntry]) -> None:
        """Apply records that follow those applied so far."""
        for entry in entries:
            self.positions[entry.partition] = entry.offset + 1
            for (topic, number), copies in self._apply(self._topic, entry).items():
                # What is forwarded is applied here at once in its right partition.
                for copy in copies:
                    moved = LogEntry(number, 0, copy.key, copy.value, copy.timestamp_ms)
                    self._apply(topic, moved._replace(headers=tuple(copy.headers)))
                    self.totals["forwarded"] += 1
                    self.outputs["forwarded"][number, copy.key].append(copy.value)
        self.records += len(entries)

    def _apply(self, topic: str, entry: LogEntry) -> dict[Any, list[Any]]:
        """Apply a record in its partition; returns what is to be forwarded."""
        number, outbox = entry.partition, Outbox()
        self.clocks[number] = self._processor.apply(
            topic, number, [entry], self._rows[number], outbox, self.clocks[number]
        )
        self._keep(number, outbox)
        return outbox.copies

    def let_time_pass(self) -> None:
        """Do what is due by each partition's clock."""
        for number, rows in enumerate(self._rows):
            rows.take_changes()
            while rows.next_due_ms <= self.clocks[number]:
                outbox = Outbox()
                self._processor.tick(rows, outbox, self.clocks[number], 0, EVERYTHING)
                rows.take_changes()
                self._keep(number, outbox)

    def states(self) -> dict[bytes, bytes]:
        """Every row as it must lie in the changelog."""
        return {key: data for rows in self._rows for key, data in rows.stored.items()}

    def _keep(self, number: int, outbox: Outbox) -> None:
        for kind, records in outbox.topics.items():
            self.totals[kind] += len(records)
            sequences: Any = self.outputs[kind]
            for key, value in records:
                sequences[number, key].append(value)
