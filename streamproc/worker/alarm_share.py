"""A worker's share of alarms: what it counts at each commit, and what is so now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from streamproc.alarms.shares import (
    EVENTS,
    UNREADABLE,
    AlarmPart,
    Share,
    ShareCounts,
    joined,
    masked,
)
from streamproc.alarms.table import (
    BEHIND_SECONDS,
    FAILED_TRANSACTIONS,
    FAILED_WINDOW_SECONDS,
    MEMORY_SHARE,
    STORM_BEHIND_SECONDS,
    TIMED_PROMISE_SECONDS,
    USAGE_PROMISE_SECONDS,
)
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import to_ms
from streamproc.core.state.events import Instant
from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.partition import Partition
from streamproc.engine.processor import Outbox
from streamproc.worker.counting import SLOT, USAGE
from streamproc.worker.quota_processor import QuotaProcessor

LATE_MS: Final = {USAGE: USAGE_PROMISE_SECONDS * 1000, SLOT: TIMED_PROMISE_SECONDS * 1000}
LOOKED_AT: Final = 200
"""So many records of a commit are looked at for a sample."""
_MISSED: Final = b'"decision":"missed"'
SOME: Final = 2
"""Subscribers of each partition that a share names."""


class _Cause(Struct):
    due_time: Instant | UnsetType = UNSET


class _When(Struct):
    """The fields of a reminder that say from when it is late."""

    as_of: Instant
    cause: _Cause


_decode_when = msgspec.json.Decoder(_When).decode


class WorkerShare:
    """Counts commits, and makes the share of one worker."""

    def __init__(self, topics: WorkerTopics, app_id: str, process: str) -> None:
        self.counts = ShareCounts()
        self._reminders, self._audit = topics.reminders, topics.audit
        self._app_id = app_id
        self._process = process
        self._failed_ms: list[int] = []

    def committed(self, outbox: Outbox, now_ms: int) -> None:
        """Count what a commit has written."""
        add = self.counts.add
        late = sum(
            count
            for kind, instants_ms in outbox.since_ms.items()
            for since_ms, count in instants_ms.items()
            if now_ms - since_ms > LATE_MS[kind]
        )
        if late:
            add("RemindersLate", late, self._late_ones(outbox, now_ms))
        rejected = read = 0
        for (name, *labels), count in outbox.counts.items():
            if name == "events":
                read += count
                rejected += count if labels == ["rejected"] else 0
                if labels == ["forwarded"]:
                    add("WrongPartition", count, self._forwarded_ones(outbox))
            elif name == "decisions" and labels == ["missed"]:
                add("RemindersMissed", count, self._missed_ones(outbox))
            elif name == "rejects" and labels == ["wrong_partition"]:
                add("WrongPartition", count)
        add(EVENTS, read)
        add("RejectsShare", rejected)

    def commit_failed(self, now_ms: int) -> None:
        """A transaction failed."""
        self._failed_ms.append(now_ms)

    def set_aside(self) -> None:
        """Work is skipped."""
        self.counts.add("WorkSetAside", 1)

    def take(
        self,
        engine: Engine[Any],
        processor: QuotaProcessor,
        now_ms: int,
        memory_share: float,
        *,
        has_refused_rules: bool,
    ) -> Share:
        """The share of now; its counts begin at 0 again."""
        running = [
            one
            for one in engine.partitions
            if one.state is State.RUNNING and one.opened is not None
        ]
        self._failed_ms = [
            one for one in self._failed_ms if one > now_ms - FAILED_WINDOW_SECONDS * 1000
        ]
        levels = {}
        for name, is_so in (
            ("TransactionsFailing", len(self._failed_ms) > FAILED_TRANSACTIONS),
            ("MemoryNear", memory_share > MEMORY_SHARE),
            ("RulesRefused", has_refused_rules),
        ):
            if is_so:
                levels[name] = _rows_of(running)
        behind_ms = BEHIND_SECONDS * 1000
        late = [one for one in running if lag_ms(engine, one, now_ms) > behind_ms]
        undone = [
            one
            for one in running
            if one.opened and due_behind_ms(processor, one.opened, now_ms) > behind_ms
        ]
        for name, found in (("InputBehind", late), ("DueWorkBehind", undone)):
            if found:
                levels[name] = _rows_of(found)
        storm = _storm_of(processor, running, now_ms)
        levels["StormPastItsWindow"] = storm
        return Share(
            self._process,
            "worker",
            now_ms,
            self._app_id,
            engine.settings.partitions,
            {
                one.number: processor.customers_in(one.opened.rows)
                for one in running
                if one.opened is not None
            },
            {one.number: masked(islice(_stored(one), SOME)) for one in running},
            {name: part for name, part in levels.items() if part.concerned},
            self.counts.take(),
        )

    def _late_ones(self, outbox: Outbox, now_ms: int) -> list[str]:
        def is_late(value: bytes | None) -> bool:
            try:
                told = _decode_when(value or b"")
            except UNREADABLE:
                return False
            due = told.cause.due_time
            if due is UNSET:
                return now_ms - to_ms(told.as_of) > LATE_MS[USAGE]
            return now_ms - to_ms(due) > LATE_MS[SLOT]

        return _some_of(outbox, self._reminders, is_late)

    def _missed_ones(self, outbox: Outbox) -> list[str]:
        return _some_of(outbox, self._audit, lambda value: _MISSED in (value or b""))

    @staticmethod
    def _forwarded_ones(outbox: Outbox) -> list[str]:
        copies = islice(chain.from_iterable(outbox.copies.values()), LOOKED_AT)
        return masked(one.key for one in copies if one.key is not None)


def lag_ms(engine: Engine[Any], partition: Partition[Any], now_ms: int) -> int:
    """How old the last applied record of a running partition is, if there is more; else 0."""
    opened = partition.opened
    if opened is None:
        return 0
    for topic in engine.settings.input_topics:
        if engine.lag_records(partition, topic):
            return max(now_ms - opened.progress.clock_ms, 0)
    return 0


def due_behind_ms(processor: QuotaProcessor, opened: OpenPartition[Any], now_ms: int) -> int:
    """The age of the oldest due work of a partition that is not done yet."""
    return max(now_ms - opened.rows.next_due_ms, 0) if processor.lateness_counts else 0


def _stored(partition: Partition[Any]) -> dict[bytes, bytes]:
    return partition.opened.rows.stored if partition.opened is not None else {}


def _rows_of(partitions: Iterable[Partition[Any]]) -> AlarmPart:
    known = [_stored(one) for one in partitions]
    return AlarmPart(sum(map(len, known)), joined(masked(islice(one, SOME)) for one in known))


def _storm_of(
    processor: QuotaProcessor, partitions: Iterable[Partition[Any]], now_ms: int
) -> AlarmPart:
    """The messages of classes whose oldest message waits for too long."""
    waiting = 0
    samples = []
    for partition in partitions:
        pace = processor.storm_of(partition.opened.rows) if partition.opened is not None else None
        for urgency, (count, due_ms) in (pace.waiting if pace is not None else {}).items():
            if pace is not None and now_ms - due_ms > STORM_BEHIND_SECONDS * 1000:
                waiting += count
                samples.append(masked(pace.first_keys(urgency, SOME)))
    return AlarmPart(waiting, joined(samples))


def _some_of(outbox: Outbox, topic: str, fits: Callable[[bytes | None], bool]) -> list[str]:
    records = islice(outbox.topics.get(topic, []), LOOKED_AT)
    return masked(key for key, value in records if key is not None and fits(value))
