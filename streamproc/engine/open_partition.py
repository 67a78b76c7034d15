"""One owned partition: its rows, its outputs, and its commits.

Applying is synchronous, so rows and outputs need no lock. Commits run beside it, one at a time. One
synchronous step (``_take``) takes everything that a commit covers. So the next chunk can be applied
while a commit is in flight. If that commit fails, everything in memory is discarded (law 4).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog
from msgspec import UNSET

from streamproc.engine import crashpoints
from streamproc.engine.changelog import (
    PROGRESS_KEY,
    InputMadeAnewError,
    Progress,
    encode_progress,
    mark_of,
)
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Records
from streamproc.engine.fetched import count_before
from streamproc.engine.forms import WRITES_FORM
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.processor import Outbox, Processor
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings
from streamproc.engine.transaction import PartitionWriter
from streamproc.supervision import start_task

log = structlog.get_logger(__name__)

T = TypeVar("T")
NEVER_MS = 1 << 62


class OpenPartition(Generic[T]):
    """State, outputs and writer of one partition between assignment and revocation."""

    def __init__(
        self,
        number: int,
        rows: Rows[T],
        progress: Progress,
        writer: PartitionWriter,
        processor: Processor[T],
        changelog: str,
        settings: EngineSettings,
        begins: Mapping[str, int] | None = None,
        observer: Observer = UNOBSERVED,
        opened_ms: int = NEVER_MS,
        form: int = WRITES_FORM,
    ) -> None:
        """``begins`` is the first existing offset of each input topic, as far as it is known.

        ``opened_ms`` is the time of the worker, ``form`` what all workers of the group read.
        """
        self.number = number
        rows.partition = number
        self.rows = rows
        self.progress = progress
        progress.written_by = settings.release
        self.write_form(form)
        self.outbox = Outbox(settings.max_outbox_records)
        self.applied_records = 0
        """Records applied since the last commit was taken."""
        self._writer = writer
        self._processor = processor
        self._changelog = changelog
        self._settings = settings
        self._begins = begins or {}
        self._opened_ms = opened_ms
        self._observer = observer
        self._acks: list[Callable[[], Any]] = []
        self._moved = False
        self.commits = 0
        """Transactions that were committed since the opening."""
        self._commit: asyncio.Task[None] | None = None
        self._last_commit = 0.0

    def write_form(self, form: int) -> None:
        """What is written from the next commit on has this form, or the later one that it has."""
        self.progress.version = max(self.progress.version, form)

    def apply(self, chunk: Chunk, ack: Callable[[], Any]) -> int:
        """Apply the records of a chunk that the rows do not contain yet.

        Returns how many of the last ones are left: call :meth:`make_room`, and apply the chunk
        again.

        Raises :class:`InputMadeAnewError` if the rows were calculated from another input topic.
        """
        self.progress.note(self._processor.epoch)
        position = self.progress.positions.get(chunk.topic, 0)
        records = chunk.records
        if records[0].offset < position:
            # After a rewind the client delivers records again that the rows already contain.
            known = count_before(records, position)
            self._recognise(chunk.topic, records[known - 1], position)
            records = records[known:]
        if records:
            self.outbox.fetched_ns = chunk.fetched_ns
            if not self.rows.ids.forgotten_ms:
                # The memory begins with the input, but a wrong clock in the first record of a
                # partition does not make all that follows too old for it.
                first_ms = min(record.timestamp for record in records)
                self.rows.ids.expire(min(first_ms, self._opened_ms))
            self.progress.clock_ms = self._processor.apply(
                chunk.topic,
                self.number,
                records,
                self.rows,
                self.outbox,
                self.progress.clock_ms,
            )
            left, self.outbox.left_records = self.outbox.left_records, 0
            applied = records[: len(records) - left]
            if applied:
                self.progress.positions[chunk.topic] = applied[-1].offset + 1
                self.progress.marks[chunk.topic] = mark_of(applied[-1])
                self.applied_records += len(applied)
                self._moved = True
            if left:
                return left
        # Without new records, too: Faust waits for the acknowledgement of every chunk.
        self._acks.append(ack)
        return 0

    async def make_room(self) -> None:
        """Begin a commit that empties the outbox, when the one in flight is over."""
        await self.settle()
        if self.commit_failure is None:
            self._commit_under_way()

    def start_offset(self, topic: str) -> int | None:
        """Where input starts: at the last applied record, to check that it is still the same
        record.

        If that record is deleted: at the first existing one. None if the state has no position
        for the topic.
        """
        position = self.progress.positions.get(topic)
        if position is None:
            return None
        start = position - 1 if position and topic in self.progress.marks else position
        return max(start, self._begins.get(topic, 0))

    def tick(self, now_ms: int) -> None:
        """Do the work that is due."""
        self._processor.tick(
            self.rows,
            self.outbox,
            self.progress.clock_ms,
            now_ms,
            self._settings.due_per_tick,
        )

    @property
    def has_uncommitted(self) -> bool:
        """Whether anything applied is not committed yet, or is being committed."""
        return self.is_dirty or self._is_committing

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to commit."""
        outbox = self.outbox
        is_moved = self._moved or self._is_of_another_epoch
        return is_moved or self.rows.is_changed or bool(outbox.topics or outbox.copies)

    @property
    def _is_of_another_epoch(self) -> bool:
        """Whether the last commit names another epoch: a partition without input names it, too."""
        epochs = self.progress.epochs
        return bool(epochs) and epochs is not UNSET and epochs[-1] != self._processor.epoch

    @property
    def commit_failure(self) -> BaseException | None:
        """Why the last commit failed; None if it did not."""
        task = self._commit
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception()

    def commit_if_due(self, now: float) -> None:
        """Start a commit if there is work, the interval is over and none is in flight."""
        if self._is_committing or self.commit_failure:
            return
        if self.is_dirty and now - self._last_commit >= self._settings.commit_interval_seconds:
            self._last_commit = now
            self._commit_under_way()

    async def wait_if_behind(self) -> None:
        """Backpressure: wait if too much was applied while a commit is in flight."""
        if self.applied_records >= self._settings.max_uncommitted_records:
            await self.settle()

    async def settle(self) -> None:
        """Wait for the commit in flight, whatever its result."""
        if self._commit is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._commit)

    async def finish(self) -> None:
        """Commit everything applied; raises the errors of the commit.

        A revocation and the end of the worker can both call it. The second caller waits as well.
        """
        if self._commit is not None:
            await self._commit
        # The commit in flight does not cover the latest records, so another one follows.
        while self.is_dirty or self._is_committing:
            await self._commit_under_way()

    @property
    def _is_committing(self) -> bool:
        return self._commit is not None and not self._commit.done()

    def _commit_under_way(self) -> asyncio.Task[None]:
        """The commit in flight; a new one if there is none."""
        if self._commit is None or self._commit.done():
            self._commit = start_task(self._run(*self._take()), "commit")
        return self._commit

    async def close(self) -> None:
        """Close the partition. The next owner aborts what is not committed."""
        task = self._commit
        if task is not None:
            task.cancel()
            # One that has ended is awaited, too: asyncio logs an error that nobody reads.
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        # An error does not matter here: an open transaction is aborted later in any case.
        with contextlib.suppress(Exception):
            await self._writer.close()

    def _recognise(self, topic: str, record: Any, position: int) -> None:
        """Law 2: the record before the position must be the one that was applied."""
        mark = self.progress.marks.get(topic)
        if record.offset == position - 1 and mark is not None and mark != mark_of(record):
            found = "the last of these records is another one now"
            raise InputMadeAnewError(topic, self.number, position, found)

    def _take(self) -> tuple[list[Any], Outbox, list[Callable[[], Any]]]:
        """Step 1: take everything that the commit covers. Later changes belong to the next
        commit."""
        self.progress.note(self._processor.epoch)
        changes: list[Any] = self.rows.take_changes()
        changes.append((PROGRESS_KEY, encode_progress(self.progress)))
        outbox, self.outbox = self.outbox, Outbox(self._settings.max_outbox_records)
        acks = self._acks
        self._acks = []
        self._moved = False
        self.applied_records = 0
        crashpoints.reached("commit", "1")
        return changes, outbox, acks

    async def _run(
        self,
        changes: Records,
        outbox: Outbox,
        acks: list[Callable[[], Any]],
    ) -> None:
        began = time.perf_counter()
        try:
            await self._writer.commit(  # steps 2-6
                self._changelog, changes, outbox.topics, outbox.copies, outbox.headers
            )
        except Exception as error:
            self._observer.commit_failed(time.perf_counter() - began, outbox, error)
            raise
        self.commits += 1
        self._observer.committed(time.perf_counter() - began, outbox)
        for ack in acks:  # 7 Acknowledge to Faust, which commits group offsets in passing.
            ack()
        crashpoints.reached("commit", "7")
