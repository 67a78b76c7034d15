"""Two states of a partition: stored in its changelog, and recalculated from its input."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from streamproc.core.instants import DAY_MS, LAST_MS
from streamproc.core.state.account import Account
from streamproc.engine.changelog import (
    PROGRESS_KEY,
    InputMadeAnewError,
    Progress,
    decode_progress,
    mark_of,
)
from streamproc.engine.cluster import LogReader, Place
from streamproc.engine.ids import is_of_ids
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.errors import StreamprocError
from streamproc.tools.verify.checkpoint import Checkpoint
from streamproc.tools.verify.sample import SubscriberSample
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.without_worker import apply_records

REST_OF_COMMIT_SECONDS = 2.0
PATIENCE_MS = 200
EVERYBODY = SubscriberSample()


class DeletedInputError(StreamprocError):
    """A part of the input from which the state was calculated has been deleted."""


@dataclass
class Kept:
    """The content of a changelog at one commit."""

    rows: Rows[Account]
    progress: Progress = field(default_factory=Progress)


async def read_kept(
    reader: LogReader,
    changelog: str,
    partition: int,
    rows: Rows[Account],
    sample: SubscriberSample = EVERYBODY,
) -> Kept:
    """The changelog up to the last complete commit. Workers may be writing at this moment."""
    kept = Kept(rows)
    place = Place(changelog, partition)
    reader.assign([place])
    end = (await reader.end_offsets([place]))[place]
    position = (await reader.beginning_offsets([place]))[place]
    reader.seek(place, position)
    # A commit ends with its progress record. The present end can lie within a commit.
    waiting: dict[bytes, bytes | None] = {}
    deadline = float("inf")
    while position < end or waiting:
        if position >= end:
            deadline = min(deadline, time.monotonic() + REST_OF_COMMIT_SECONDS)
            if time.monotonic() > deadline:
                break  # a worker did not write these, but would load them
        for record in await _fetch(reader):
            if record.key != PROGRESS_KEY:
                if sample.takes(record.key) or is_of_ids(record.key):
                    waiting[record.key] = record.value
                continue
            kept.progress = decode_progress(record.value)
            rows.load(waiting)
            waiting.clear()
        position = await reader.position(place)
    rows.load(waiting)
    rows.ids.loaded()
    return kept


async def check_input(
    reader: LogReader, partition: int, progress: Progress, starts: Mapping[str, int]
) -> None:
    """Check that the input is there from ``starts`` to the positions of the state.

    Raises :class:`DeletedInputError` or :class:`InputMadeAnewError`.
    """
    places = [Place(topic, partition) for topic in progress.positions]
    firsts = await reader.beginning_offsets(places)
    ends = await reader.end_offsets(places)
    for place in places:
        topic, position = place.topic, progress.positions[place.topic]
        if position > ends[place]:
            raise InputMadeAnewError(topic, partition, position, f"it ends at {ends[place]}")
        if firsts[place] > starts.get(topic, 0) and position > 0:
            raise DeletedInputError(
                f"{topic}-{partition} begins at offset {firsts[place]}: what was before has been "
                f"deleted (retention), so its states cannot be recalculated"
            )


@dataclass
class _Reading:
    """One topic of the input, as far as it is read."""

    place: Place
    start: int
    position: int
    at: int
    waiting: list[Any] = field(default_factory=list)
    """Records that were fetched and not given out yet."""

    @property
    def first_ms(self) -> int:
        """The earliest timestamp of what waits: one record with a wrong clock says nothing."""
        stamps: list[int] = [one.timestamp for one in self.waiting]
        return min(stamps)

    def take(self, until_ms: int) -> list[Any]:
        """What waits, up to the last record that is earlier than this instant."""
        count = len(self.waiting)
        while self.waiting[count - 1].timestamp >= until_ms:
            count -= 1
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


async def read_input(
    reader: LogReader, partition: int, progress: Progress, begin: Checkpoint
) -> AsyncIterator[tuple[str, list[Any], int]]:
    """The input from a checkpoint to the positions, as (topic, records, instant).

    Records of several topics come in turn, a day of each: a worker has read them side by side. No
    record that follows is much earlier than the instant.

    Raises :class:`InputMadeAnewError`.
    """
    readings = []
    for topic, position in sorted(progress.positions.items()):
        start = begin.positions.get(topic, 0)
        if start < position:
            # From the record before it: it tells whether the topic is still the same.
            readings.append(_Reading(Place(topic, partition), start, position, max(start - 1, 0)))
    assigned: _Reading | None = None
    while True:
        for one in readings:
            while not one.waiting and one.at < one.position:
                if assigned is not one:
                    reader.assign([one.place])
                    reader.seek(one.place, one.at)
                    assigned = one
                await _read_on(one, reader, progress, begin)
        readings = [one for one in readings if one.waiting]
        if not readings:
            return
        first_ms = min(one.first_ms for one in readings)
        until_ms = first_ms + DAY_MS if len(readings) > 1 else 1 << 63
        for one in readings:
            if one.first_ms < until_ms:
                yield one.place.topic, one.take(until_ms), first_ms


async def _read_on(one: _Reading, reader: LogReader, progress: Progress, begin: Checkpoint) -> None:
    topic, partition = one.place.topic, one.place.partition
    fetched = await _fetch(reader)
    if one.start and fetched and fetched[0].offset < one.start:
        _check_mark(topic, partition, one.start, fetched[0], begin.marks)
    one.waiting = [record for record in fetched if one.start <= record.offset < one.position]
    if one.waiting:
        _check_mark(topic, partition, one.position, one.waiting[-1], progress.marks)
    one.at = await reader.position(one.place)


async def _fetch(reader: LogReader) -> list[Any]:
    """The records of the next fetch; possibly none."""
    fetched = await reader.getmany(timeout_ms=PATIENCE_MS)
    return [record for batches in fetched.values() for one in batches for record in one.records]


async def rebuild(
    reader: LogReader,
    partition: int,
    progress: Progress,
    processor: QuotaProcessor,
    begin: Checkpoint,
    sample: SubscriberSample,
    seen: Callable[[str, list[Any], Checkpoint, Rows[Account]], None],
    ids_key: bytes,
) -> tuple[Rows[Account], Checkpoint]:
    """Apply the input from a checkpoint up to the positions; returns the rows and their place.

    ``seen`` is called after each fetch, with its records and the place and rows after them. The
    checkpoint has no rows yet. ``ids_key`` is the partition's key of digests.
    """
    rows: Rows[Account] = processor.new_rows()
    rows.load(dict(begin.rows))
    rows.loaded()
    rows.ids.begin(ids_key)
    at = Checkpoint(begin.made_for, positions={**begin.positions}, marks={**begin.marks})
    at.clock_ms = begin.clock_ms
    async for topic, records, first_ms in read_input(reader, partition, progress, begin):
        # As timers do it, which are never past input that waits.
        if not rows.ids.forgets_with_arrivals:
            rows.ids.expire(first_ms)
        at.clock_ms = _apply(processor, topic, partition, records, rows, at.clock_ms, sample)
        at.positions[topic] = records[-1].offset + 1
        at.marks[topic] = mark_of(records[-1])
        seen(topic, records, at, rows)
    # What lies between the last record and the position are markers of transactions.
    at.positions |= progress.positions
    return rows, at


def _apply(
    processor: QuotaProcessor,
    topic: str,
    partition: int,
    records: list[Any],
    rows: Rows[Account],
    clock_ms: int,
    sample: SubscriberSample,
) -> int:
    """Apply the records of the sample; all others move only the partition's clock."""
    if sample.is_all:
        return apply_records(processor, topic, partition, records, rows, Outbox(), clock_ms)
    for record in records:
        if sample.takes(record.key):
            clock_ms = apply_records(
                processor, topic, partition, [record], rows, Outbox(), clock_ms
            )
        elif record.timestamp < LAST_MS:
            clock_ms = max(clock_ms, record.timestamp)
    return clock_ms


async def timed_closely(
    reader: LogReader,
    partition: int,
    progress: Progress,
    processor: QuotaProcessor,
    keys: Set[bytes],
    within_ms: int,
    begin: Checkpoint,
) -> set[bytes]:
    """The subscribers with an event so shortly before due work that the order is uncertain.

    With the wall clock the timer may have run first, if the worker lagged or was down.
    """
    rows: Rows[Account] = Rows(processor)
    rows.ids.forgets_with_arrivals = False
    rows.load({key: row for key, row in begin.rows.items() if key in keys or is_of_ids(key)})
    rows.loaded()
    close = set(keys) & set(begin.excused)
    clock_ms = begin.clock_ms
    async for topic, records, _ in read_input(reader, partition, progress, begin):
        for record in records:
            if record.key not in keys:
                continue
            # The state before the record has the due time that the worker's timer knew.
            account = rows.get(record.key)
            if account and 0 < account.next_due_ms - record.timestamp <= within_ms:
                close.add(record.key)
            # The messages of the outbox are not used: only the state counts here.
            clock_ms = apply_records(
                processor, topic, partition, [record], rows, Outbox(), clock_ms
            )
    return close


def _check_mark(
    topic: str, partition: int, position: int, last: Any, marks: Mapping[str, int]
) -> None:
    mark = marks.get(topic)
    if last.offset == position - 1 and mark is not None and mark != mark_of(last):
        found = "the last of these records is another one now"
        raise InputMadeAnewError(topic, partition, position, found)
