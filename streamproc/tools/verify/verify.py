"""Compares the changelog with a recalculation from the input, one partition after the other.

The input is applied again up to the position in each partition's progress record, so workers may
continue meanwhile. It needs memory for two copies of the rows of the largest partition, or of the
sample's rows. A checkpoint keeps the recalculated rows for the next comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from streamproc.core.privacy import mask
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, unpack
from streamproc.core.step.transition import advance
from streamproc.engine.changelog import InputMadeAnewError, Progress
from streamproc.engine.faust.log_reader import committed_consumer
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES, Rows
from streamproc.tools.verify.checkpoint import Checkpoint, load, made_for, path_of, save
from streamproc.tools.verify.comparing import SCHEDULE, Difference, difference, differing_fields
from streamproc.tools.verify.rebuilding import (
    EVERYBODY,
    DeletedInputError,
    Kept,
    check_input,
    read_kept,
    rebuild,
    timed_closely,
)
from streamproc.tools.verify.sample import Sample
from streamproc.worker.applying import let_time_pass
from streamproc.worker.placement import Placement
from streamproc.worker.processor import QuotaProcessor
from streamproc.worker.settings import Native, WorkerSettings

LATEST_TIMERS_MS = 900_000
"""How long after an instant its timers may have run, by the wall clock (a worker was down)."""

SEVERAL_TOPICS = "events in several input topics, whose order of arrival is not known"
OTHER_RULES = "the rules have changed since the first record, or are not the ones given here"
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
    begun_anew: str = ""
    """Why the checkpoint was of no use; empty if it was, or if there is none."""


async def verify_partition(
    settings: WorkerSettings,
    rules: Rulebook,
    partition: int,
    now_ms: int,
    advanced: Callable[[int], None] = lambda _: None,
    partitions: int = 0,
    sample: Sample = EVERYBODY,
    checkpoints: Path | None = None,
) -> PartitionReport:
    """Compare one partition. ``advanced`` is called with the number of records applied since the
    last call.

    ``partitions`` is their number; 0: not known. Then the place of records is not checked.
    ``checkpoints`` is the folder of checkpoints; None: there are none.

    Raises aiokafka's errors, CheckpointError, and ``ProgressError`` and ``NewerStateError`` for
    records of a newer release.
    """
    consumer = committed_consumer(settings.broker)
    await consumer.start()
    try:
        work = _Work(settings, rules, partition, now_ms, consumer, partitions, sample)
        if checkpoints is not None:
            work.checkpoint_path = path_of(checkpoints, settings.app_id, partition)
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
        sample: Sample,
    ) -> None:
        self._sample = sample
        self.checkpoint_path: Path | None = None
        self._begin = Checkpoint(made_for(rules.fingerprint, settings.clock, (), sample))
        self._has_other_rules = False
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
            self._consumer, settings.changelog, report.partition, Rows(processor), self._sample
        )
        for key in kept.rows.stored:
            right = self._placement.elsewhere(key, report.partition)
            if right is not None:
                report.misplaced[key] = right
        if not kept.progress.positions:
            return
        self._has_several = len(kept.progress.positions) > 1
        self._has_other_rules = self._were_others(kept)
        self._load_checkpoint(kept.progress)

        await check_input(self._consumer, report.partition, kept.progress, self._begin.positions)
        rebuilt, place = await rebuild(
            self._consumer,
            report.partition,
            kept.progress,
            processor,
            self._begin,
            self._sample,
            lambda topic, records: self._saw(topic, records, advanced),
        )
        report.elsewhere = processor.counts["wrong_partition"]
        place.rows = dict(rebuilt.stored) if self.checkpoint_path is not None else {}
        until_ms = self._now_ms
        if settings.clock == "event":
            until_ms = kept.progress.clock_ms
            if place.clock_ms != until_ms:
                wrong = f"the clock is at {until_ms} ms instead of {place.clock_ms} ms"
                report.differences.append(Difference("(no subscriber)", report.partition, [wrong]))
        let_time_pass(processor, rebuilt, Outbox(), until_ms)
        self._compare(kept.rows, rebuilt, until_ms)
        if self._wrong and settings.clock == "wall":
            await self._excuse_timers(kept.progress, place)
        report.differences += self._wrong.values()
        self._save_checkpoint(place)

    def _were_others(self, kept: Kept) -> bool:
        """Whether rows were calculated under other rules, or under ones that nobody noted."""
        epochs, fingerprint = kept.progress.epochs, self._rules.fingerprint
        if epochs is not UNSET:
            return set(epochs) != {fingerprint}
        # Written by an earlier release. The rows say under which rules they were scheduled.
        return any(_rules_id(data) != fingerprint for data in kept.rows.stored.values())

    def _load_checkpoint(self, progress: Progress) -> None:
        wanted = made_for(
            self._rules.fingerprint, self._settings.clock, tuple(progress.positions), self._sample
        )
        self._begin = Checkpoint(wanted)
        if self.checkpoint_path is not None:
            self._begin, why = load(self.checkpoint_path, wanted, progress)
            self.report.begun_anew = why
        self._topic_of = dict(self._begin.topic_of)
        self._in_several = set(self._begin.in_several)

    def _save_checkpoint(self, place: Checkpoint) -> None:
        if self.checkpoint_path is None:
            return
        place.topic_of, place.in_several = self._topic_of, sorted(self._in_several)
        place.excused = sorted({*place.excused, *self._begin.excused})
        save(self.checkpoint_path, place)

    def _saw(self, topic: str, records: list[Any], advanced: Callable[[int], None]) -> None:
        self.report.records += len(records)
        advanced(len(records))
        taken = [one for one in records if self._sample.takes(one.key)]
        if topic == self._settings.topics.forwarded:
            self._in_several.update(record.key for record in taken)
        elif self._has_several:
            self._note_topics(topic, taken)

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
            if key in report.misplaced:
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
        elif self._has_other_rules or _is_of_other_rules(kept, rebuilt):
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

    async def _excuse_timers(self, progress: Progress, place: Checkpoint) -> None:
        close = await timed_closely(
            self._consumer,
            self.report.partition,
            progress,
            self._processor("off"),
            self._wrong.keys(),
            LATEST_TIMERS_MS,
            self._begin,
        )
        place.excused = sorted(close)
        for key in close:
            del self._wrong[key]
            self.report.not_comparable[TIMERS] += 1


def _rules_id(data: bytes) -> int | None:
    """The rules under which a row was scheduled; None if it cannot be read."""
    try:
        account = unpack(data[DUE_BYTES:])
    except msgspec.DecodeError:
        return None
    return account.rules_id


def _is_of_other_rules(kept: Account | None, rebuilt: Account | None) -> bool:
    if kept is None or rebuilt is None or kept.rules_id == rebuilt.rules_id:
        return False
    return differing_fields(kept, rebuilt) <= SCHEDULE
