"""Compares the changelog with a recalculation from the input, one partition after the other.

The input is applied again up to the position in each partition's progress record, so workers may
continue meanwhile. It needs memory for two copies of the rows of the largest partition, or of the
sample's rows. A checkpoint keeps the recalculated rows for the next comparison, and an unfinished
one keeps them for a run that was killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka.errors import TopicAuthorizationFailedError
from msgspec import UNSET

from streamproc.core.privacy import mask
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, unpack
from streamproc.core.step.transition import advance
from streamproc.core.usage.dedupe import move_old_ids
from streamproc.engine.changelog import InputMadeAnewError, Progress
from streamproc.engine.cluster import LogReader
from streamproc.engine.faust.log_reader import BatchReader
from streamproc.engine.ids import SeenIds, differing, key_of, snapshot
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES, Rows
from streamproc.tools.verify.checkpoint import (
    EVERY_SECONDS,
    Checkpoint,
    finish,
    load,
    load_looked_through,
    load_unfinished,
    made_for,
    path_of,
    reminders_path_of,
    save,
    unfinished_path_of,
)
from streamproc.tools.verify.comparing import (
    SCHEDULE,
    Difference,
    differ_by_clock,
    difference,
    differing_fields,
)
from streamproc.tools.verify.losses import LookedThrough, Missing, MissingOffsets, read_through
from streamproc.tools.verify.rebuilding import (
    EVERYBODY,
    DeletedInputError,
    Kept,
    check_input,
    read_kept,
    rebuild,
    timed_closely,
)
from streamproc.tools.verify.sample import SubscriberSample
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native, WorkerSettings
from streamproc.worker.without_worker import let_time_pass

LATEST_TIMERS_MS = 900_000
"""How long after an instant its timers may have run, by the wall clock (a worker was down)."""

SEVERAL_TOPICS = "events in several input topics, whose order of arrival is not known"
OTHER_RULES = "the rules have changed since the first record, or are not the ones given here"
LOST_INPUT = "the input is not whole, and nobody knows whose events are missing"
LARGEST_SHARE: Final = 0.1
"""Unfinished checkpoints take at most this share of the time."""
OLD_IDS = "some are of an earlier release; they are compared when these are over"
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
    found: set[bytes] = field(default_factory=set)
    """Those subscribers of a sample by name who have an account, in either calculation."""
    elsewhere: int = 0
    """Input records that are not in the partition of their key: rejected, or forwarded."""
    missing: dict[str, Missing] = field(default_factory=dict)
    """What topics have lost in the middle of this partition, by topic."""
    continued_at: int = 0
    """Records that a run had applied that was interrupted; ``records`` contains them."""
    obstacle: str = ""
    """Why the partition could not be verified; empty if it was."""
    ids: str = ""
    """Why the ids of events were not compared, or what differs; empty if they are equal."""
    begun_anew: str = ""
    """Why the checkpoint was of no use; empty if it was, or if there is none."""


async def verify_partition(
    settings: WorkerSettings,
    rules: Rulebook,
    partition: int,
    now_ms: int,
    advanced: Callable[[int], None] = lambda _: None,
    partitions: int = 0,
    sample: SubscriberSample = EVERYBODY,
    checkpoints: Path | None = None,
    every_seconds: float = EVERY_SECONDS,
) -> PartitionReport:
    """Compare one partition. ``advanced`` is called with the number of records applied since the
    last call.

    ``partitions`` is their number; 0: not known. Then the place of records is not checked.
    ``checkpoints`` is the folder of checkpoints; None: there are none. Unfinished ones are written
    every ``every_seconds``, or less often if writing takes long.

    Raises aiokafka's errors, CheckpointError, and ``ProgressError`` and ``NewerStateError`` for
    records of a newer release.
    """
    missing = MissingOffsets()
    reader = BatchReader(settings.broker, missing.mark)
    await reader.start()
    try:
        work = _Work(settings, rules, partition, now_ms, reader, partitions, sample, missing)
        work.every_seconds = every_seconds
        if checkpoints is not None:
            work.checkpoint_path = path_of(checkpoints, settings.app_id, partition)
        try:
            await work.run(advanced)
        except (DeletedInputError, InputMadeAnewError) as error:
            work.report.obstacle = str(error)
        work.report.missing = missing.found
        return work.report
    finally:
        await reader.stop()


async def missing_reminders(
    settings: WorkerSettings, partition: int, checkpoints: Path | None = None
) -> dict[str, Missing] | None:
    """What the topic of reminders has lost in the middle of a partition, by topic; None if this
    client may not read it. The topic must have the partition.

    With a folder of checkpoints each reminder is read once, in whichever run. Raises aiokafka's
    errors and CheckpointError.
    """
    missing, topic = MissingOffsets(), settings.topics.reminders
    known, path = LookedThrough(topic), None
    if checkpoints is not None:
        path = reminders_path_of(checkpoints, settings.app_id, partition)
        known = load_looked_through(path, topic)
    reader = BatchReader(settings.broker, missing.mark)
    await reader.start()
    try:
        known = await read_through(reader, known, partition, missing)
    except TopicAuthorizationFailedError:
        return None
    finally:
        await reader.stop()
    if path is not None:
        save(path, known)
    return missing.found


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
    reader = BatchReader(settings.broker)
    await reader.start()
    try:
        # Only partitions that can hold a second account are read.
        for right, keys in wanted.items():
            rows: Rows[Account] = Rows(QuotaProcessor)
            await read_kept(reader, settings.changelog, right, rows)
            found |= keys & rows.stored.keys()
    finally:
        await reader.stop()
    return found


class _Work:
    """The comparison of one partition."""

    def __init__(
        self,
        settings: WorkerSettings,
        rules: Rulebook,
        partition: int,
        now_ms: int,
        reader: LogReader,
        partitions: int,
        sample: SubscriberSample,
        missing: MissingOffsets,
    ) -> None:
        self._sample = sample
        self.checkpoint_path: Path | None = None
        self.every_seconds = EVERY_SECONDS
        self._missing = missing
        self._due = time.monotonic()
        self._begin = Checkpoint("")
        self._has_other_rules = False
        self._placement = Placement(partitions, logs=False)
        self.report = PartitionReport(partition)
        self._settings = settings
        self._rules = rules
        self._now_ms = now_ms
        self._reader = reader
        self._topic_of: dict[bytes, str] = {}
        self._in_several: set[bytes] = set()
        self._has_several = False
        self._wrong: dict[bytes, Difference] = {}

    async def run(self, advanced: Callable[[int], None]) -> None:
        """Do the comparison and fill in the report."""
        report, settings = self.report, self._settings
        processor = self._processor(settings.native)
        kept = await read_kept(
            self._reader, settings.changelog, report.partition, Rows(processor), self._sample
        )
        for key in kept.rows.stored:
            right = self._placement.elsewhere(key, report.partition)
            if right is not None:
                report.misplaced[key] = right
        if not kept.progress.positions:
            return
        self._has_several = len(kept.progress.positions) > 1
        self._has_other_rules = self._were_others(kept)
        start = self._load_checkpoint(kept)
        await check_input(self._reader, report.partition, kept.progress, start.positions)
        self._watch_for_losses(kept.progress, start)
        self._due = time.monotonic() + self.every_seconds

        def seen(topic: str, records: list[Any], at: Checkpoint, rows: Rows[Account]) -> None:
            self._saw(topic, records, advanced)
            report.elsewhere = start.elsewhere + processor.counts["wrong_partition"]
            self._save_unfinished(at, rows)

        rebuilt, place = await rebuild(
            *(self._reader, report.partition, kept.progress, processor, start),
            *(self._sample, seen, key_of(kept.rows.ids)),
        )
        if self.checkpoint_path is not None:
            place.rows = _all_of(rebuilt)
        until_ms = self._now_ms
        if settings.clock == "event":
            until_ms = kept.progress.clock_ms
            # A record that is missing may have moved the clock.
            if place.clock_ms != until_ms and not self._missing.found:
                wrong = f"the clock is at {until_ms} ms instead of {place.clock_ms} ms"
                report.differences.append(Difference("(no subscriber)", report.partition, [wrong]))
        let_time_pass(processor, rebuilt, Outbox(), until_ms)
        self._compare(kept.rows, rebuilt, until_ms)
        if self._wrong and settings.clock == "wall":
            await self._excuse_timers(kept.progress, place)
        report.differences += self._wrong.values()
        self._compare_ids(kept.rows, rebuilt, place)
        if self.checkpoint_path is not None:
            finish(self.checkpoint_path, self._completed(place))

    def _watch_for_losses(self, progress: Progress, start: Checkpoint) -> None:
        """What an earlier run found missing before its checkpoint is still missing."""
        self._missing.found.update(start.missing)
        for topic, position in progress.positions.items():
            self._missing.watch(topic, start.positions.get(topic, 0), position)

    def _were_others(self, kept: Kept) -> bool:
        """Whether rows were calculated under other rules, or under ones that nobody noted."""
        epochs, fingerprint = kept.progress.epochs, self._rules.fingerprint
        if epochs is not UNSET:
            return set(epochs) != {fingerprint}
        # Written by an earlier release. The rows say under which rules they were scheduled.
        return any(_rules_id(data) != fingerprint for data in kept.rows.stored.values())

    def _load_checkpoint(self, kept: Kept) -> Checkpoint:
        """The place to begin at: where an earlier run was interrupted, else the checkpoint."""
        progress, settings = kept.progress, self._settings
        wanted = made_for(
            *(self._rules.fingerprint, settings.clock, tuple(progress.positions), self._sample),
            key_of(kept.rows.ids),
        )
        self._begin = Checkpoint(wanted)
        if self.checkpoint_path is not None:
            self._begin, why = load(self.checkpoint_path, wanted, progress)
            self.report.begun_anew = why
        start = self._begin
        if self.checkpoint_path is not None:
            start = load_unfinished(self.checkpoint_path, self._begin, progress) or self._begin
        self.report.records = self.report.continued_at = start.records
        self.report.elsewhere = start.elsewhere
        self._topic_of = dict(start.topic_of)
        self._in_several = set(start.in_several)
        return start

    def _save_unfinished(self, at: Checkpoint, rows: Rows[Account]) -> None:
        """Write how far the recalculation is, if it is time for that."""
        began = time.monotonic()
        if self.checkpoint_path is None or began < self._due:
            return
        at = self._completed(msgspec.structs.replace(at, rows=_all_of(rows)))
        at.begun_at = self._begin.positions
        at.records, at.elsewhere = self.report.records, self.report.elsewhere
        save(unfinished_path_of(self.checkpoint_path), at)
        now = time.monotonic()
        self._due = now + max(self.every_seconds, (now - began) / LARGEST_SHARE)

    def _completed(self, place: Checkpoint) -> Checkpoint:
        """With everything that is known besides the rows."""
        place.topic_of, place.in_several = dict(self._topic_of), sorted(self._in_several)
        place.excused = sorted({*place.excused, *self._begin.excused})
        place.missing = dict(self._missing.found)
        return place

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
            if self._sample.subscribers:
                report.found.add(key)
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
        if account is not None:
            # An earlier release kept ids in the row. They do not belong to the state any more.
            move_old_ids(account, key.decode(), SeenIds(), self._rules.limits)
        if account is not None and account.next_due_ms <= until_ms:
            account, _ = advance(account, key.decode(), until_ms, self._rules, SeenIds())
        return account

    def _judge(self, key: bytes, kept: Account | None, rebuilt: Account | None) -> None:
        found = difference(key, self.report.partition, kept, rebuilt)
        if found is None:
            self.report.equal += 1
        elif key in self._in_several or self._is_of_other_order(kept, rebuilt):
            self.report.not_comparable[SEVERAL_TOPICS] += 1
        elif self._missing.found:
            self.report.not_comparable[LOST_INPUT] += 1
        elif self._has_other_rules or _is_of_other_rules(kept, rebuilt):
            self.report.not_comparable[OTHER_RULES] += 1
        else:
            self._wrong[key] = found

    def _compare_ids(self, kept: Rows[Account], rebuilt: Rows[Account], place: Checkpoint) -> None:
        """Compare what both remember of the events that counted (law 10)."""
        missing, added = differing(kept.ids, rebuilt.ids, is_part=not self._sample.is_all)
        if not missing and not added:
            return
        is_old = kept.ids.old_until_ms > kept.ids.forgotten_ms
        if is_old or any(map(_has_old_ids, kept.stored.values())):
            self.report.ids = OLD_IDS
            return
        found = f"{missing:,} only in the changelog, {added:,} only from the input"
        several = self._has_several and SEVERAL_TOPICS
        lost = self._missing.found and LOST_INPUT
        other = self._has_other_rules and OTHER_RULES
        timers = place.excused and TIMERS
        reason = several or lost or other or timers
        if reason:
            self.report.ids = f"{found}; not comparable: {reason}"
            self.report.not_comparable[reason] += 1
        else:
            wrong = f"ids of events: {found}"
            self.report.differences.append(
                Difference("(no subscriber)", self.report.partition, [wrong])
            )

    def _is_of_other_order(self, kept: Account | None, rebuilt: Account | None) -> bool:
        """Under the event clock, records of each input topic move the clock of all subscribers."""
        if not self._has_several or self._settings.clock != "event":
            return False
        if kept is None or rebuilt is None:
            return False
        return differ_by_clock(kept, rebuilt)

    async def _excuse_timers(self, progress: Progress, place: Checkpoint) -> None:
        # From the last place that was compared, not from where a run was interrupted.
        await check_input(self._reader, self.report.partition, progress, self._begin.positions)
        close = await timed_closely(
            self._reader,
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


def _all_of(rows: Rows[Account]) -> dict[bytes, bytes]:
    """Rows and identities, as records of a changelog."""
    return {**rows.stored, **snapshot(rows.ids)}


def _has_old_ids(data: bytes) -> bool:
    """Whether a row has ids of an earlier release; False if it cannot be read."""
    try:
        return bool(unpack(data[DUE_BYTES:]).seen_ids)
    except msgspec.DecodeError:
        return False


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
