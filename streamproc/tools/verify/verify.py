"""Compares the changelog with a recalculation from the input, one partition after the other.

The input is applied again up to the position in each partition's progress record, so workers may
continue meanwhile. It needs memory for two copies of the rows of the largest partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamproc.core.privacy import mask
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, unpack
from streamproc.core.step.transition import advance
from streamproc.engine.changelog import InputMadeAnewError, Progress
from streamproc.engine.faust.log_reader import committed_consumer
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES, Rows
from streamproc.tools.verify.comparing import SCHEDULE, Difference, difference, differing_fields
from streamproc.tools.verify.rebuilding import (
    DeletedInputError,
    check_input,
    read_kept,
    rebuild,
    timed_closely,
)
from streamproc.worker.applying import let_time_pass
from streamproc.worker.placement import Placement
from streamproc.worker.processor import QuotaProcessor
from streamproc.worker.settings import Native, WorkerSettings

LATEST_TIMERS_MS = 900_000
"""How long after an instant its timers may have run, by the wall clock (a worker was down)."""

SEVERAL_TOPICS = "events in several input topics, whose order of arrival is not known"
OTHER_RULES = "scheduled by rules that are not the ones given here"
TIMERS = "an event that arrived about when something fell due: which was first is not known"


@dataclass
class PartitionReport:
    """The result for one partition."""

    partition: int
    records: int = 0
    """Input records that were applied."""
    equal: int = 0
    differences: list[Difference] = field(default_factory=list)
    not_comparable: Counter[str] = field(default_factory=Counter)
    """Subscribers whose states differ for a legitimate reason, by reason."""
    misplaced: dict[bytes, int] = field(default_factory=dict)
    """Accounts that are in this partition but belong in another one, with its number."""
    elsewhere: int = 0
    """Input records that are not in the partition of their key: rejected, or forwarded."""
    obstacle: str = ""
    """Why the partition could not be verified; empty if it was."""


async def verify_partition(
    settings: WorkerSettings,
    rules: Rulebook,
    partition: int,
    now_ms: int,
    advanced: Callable[[int], None] = lambda _: None,
    partitions: int = 0,
) -> PartitionReport:
    """Compare one partition. ``advanced`` is called with the number of records applied since the
    last call.

    ``partitions`` is their number; 0: not known. Then the place of records is not checked.

    Raises aiokafka's errors, and ``ProgressError`` and ``NewerStateError`` for records of a
    newer release.
    """
    consumer = committed_consumer(settings.broker)
    await consumer.start()
    try:
        work = _Work(settings, rules, partition, now_ms, consumer, partitions)
        try:
            await work.run(advanced)
        except (DeletedInputError, InputMadeAnewError) as error:
            work.report.obstacle = str(error)
        return work.report
    finally:
        await consumer.stop()


async def with_two_accounts(
    settings: WorkerSettings, reports: Iterable[PartitionReport]
) -> set[bytes]:
    """Which of the misplaced accounts exist in their right partition, too.

    Raises aiokafka's errors.
    """
    wanted: dict[int, set[bytes]] = {}
    for report in reports:
        for key, right in report.misplaced.items():
            wanted.setdefault(right, set()).add(key)
    found: set[bytes] = set()
    if not wanted:
        return found
    consumer = committed_consumer(settings.broker)
    await consumer.start()
    try:
        # Only partitions that can hold a second account are read.
        for right, keys in wanted.items():
            rows: Rows[Account] = Rows(QuotaProcessor)
            await read_kept(consumer, settings.changelog, right, rows)
            found |= keys & rows.stored.keys()
    finally:
        await consumer.stop()
    return found


class _Work:
    """The comparison of one partition."""

    def __init__(
        self,
        settings: WorkerSettings,
        rules: Rulebook,
        partition: int,
        now_ms: int,
        consumer: Any,
        partitions: int,
    ) -> None:
        self._placement = Placement(partitions, logs=False)
        self.report = PartitionReport(partition)
        self._settings = settings
        self._rules = rules
        self._now_ms = now_ms
        self._consumer = consumer
        self._topic_of: dict[bytes, str] = {}
        self._in_several: set[bytes] = set()
        self._has_several = False
        self._wrong: dict[bytes, Difference] = {}

    async def run(self, advanced: Callable[[int], None]) -> None:
        """Do the comparison and fill in the report."""
        report, settings = self.report, self._settings
        processor = self._processor(settings.native)
        kept = await read_kept(
            self._consumer, settings.changelog, report.partition, Rows(processor)
        )
        if not kept.progress.positions:
            return
        forwarded = settings.topics.forwarded
        self._has_several = several = len(kept.progress.positions) > 1

        def seen(topic: str, records: list[Any]) -> None:
            report.records += len(records)
            advanced(len(records))
            if topic == forwarded:
                self._in_several.update(record.key for record in records)
            elif several:
                self._note_topics(topic, records)

        await check_input(self._consumer, report.partition, kept.progress)
        rebuilt, clock_ms = await rebuild(
            self._consumer, report.partition, kept.progress, processor, seen
        )
        report.elsewhere = processor.counts["wrong_partition"]
        until_ms = self._now_ms
        if settings.clock == "event":
            until_ms = kept.progress.clock_ms
            if clock_ms != until_ms:
                wrong = f"the clock is at {until_ms} ms instead of {clock_ms} ms"
                report.differences.append(Difference("(no subscriber)", report.partition, [wrong]))
        let_time_pass(processor, rebuilt, Outbox(), until_ms)
        self._compare(kept.rows, rebuilt, until_ms)
        if self._wrong and settings.clock == "wall":
            await self._excuse_timers(kept.progress)
        report.differences += self._wrong.values()

    def _processor(self, native: Native) -> QuotaProcessor:
        settings = self._settings
        processor = QuotaProcessor(
            self._rules, settings.topics, settings.clock, native, self._placement
        )
        processor.lateness_counts = False
        return processor

    def _note_topics(self, topic: str, records: list[Any]) -> None:
        for record in records:
            key = record.key
            if key is not None and self._topic_of.setdefault(key, topic) != topic:
                self._in_several.add(key)

    def _compare(self, kept: Rows[Account], rebuilt: Rows[Account], until_ms: int) -> None:
        report = self.report
        for key in sorted(kept.stored.keys() | rebuilt.stored.keys()):
            data, other = kept.stored.get(key), rebuilt.stored.get(key)
            right = self._placement.elsewhere(key, report.partition)
            if right is not None:
                report.misplaced[key] = right
                continue
            if data == other:
                report.equal += 1
                continue
            try:
                here = self._at(key, data, until_ms)
            except msgspec.DecodeError:
                name = mask(key.decode(errors="replace"))
                unreadable = "the state record in the changelog cannot be read"
                self._wrong[key] = Difference(name, report.partition, [unreadable])
                continue
            self._judge(key, here, self._at(key, other, until_ms))

    def _at(self, key: bytes, data: bytes | None, until_ms: int) -> Account | None:
        """A state after all due work is done: a commit may have come before the timers ran."""
        if data is None:
            return None
        account: Account | None = unpack(data[DUE_BYTES:])
        if account is not None and account.next_due_ms <= until_ms:
            account, _ = advance(account, key.decode(), until_ms, self._rules)
        return account

    def _judge(self, key: bytes, kept: Account | None, rebuilt: Account | None) -> None:
        found = difference(key, self.report.partition, kept, rebuilt)
        if found is None:
            self.report.equal += 1
        elif key in self._in_several or self._is_of_other_order(kept, rebuilt):
            self.report.not_comparable[SEVERAL_TOPICS] += 1
        elif _is_of_other_rules(kept, rebuilt):
            self.report.not_comparable[OTHER_RULES] += 1
        else:
            self._wrong[key] = found

    def _is_of_other_order(self, kept: Account | None, rebuilt: Account | None) -> bool:
        """Under the event clock, records of each input topic move the clock of all subscribers."""
        if not self._has_several or self._settings.clock != "event":
            return False
        if kept is None or rebuilt is None:
            return False
        return differing_fields(kept, rebuilt) <= SCHEDULE

    async def _excuse_timers(self, progress: Progress) -> None:
        close = await timed_closely(
            self._consumer,
            self.report.partition,
            progress,
            self._processor("off"),
            self._wrong.keys(),
            LATEST_TIMERS_MS,
        )
        for key in close:
            del self._wrong[key]
            self.report.not_comparable[TIMERS] += 1


def _is_of_other_rules(kept: Account | None, rebuilt: Account | None) -> bool:
    if kept is None or rebuilt is None or kept.rules_id == rebuilt.rules_id:
        return False
    return differing_fields(kept, rebuilt) <= SCHEDULE
