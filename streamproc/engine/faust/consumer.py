"""Batched delivery: one Faust event per fetched chunk of a partition instead of one per record.

Stock Faust needs about twenty event-loop callbacks per record. This consumer puts up to
``chunk_records`` fetched records into one :class:`~streamproc.engine.chunk.Chunk`. It also checks
that no input is skipped between one fetch and the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from streamproc.engine import crashpoints
from streamproc.engine.changelog import tell_compacted_input, tell_deleted_input
from streamproc.engine.engine import Engine
from streamproc.engine.errors import ForbiddenError, GroupError
from streamproc.engine.faust.advice import FORBIDDEN, advice
from streamproc.engine.faust.consumer_thread import BatchConsumerThread
from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.faust.whole_batches import read_whole_batches
from streamproc.engine.fetched import joined
from streamproc.engine.intake import Intake
from streamproc.engine.withheld import Withheld
from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)

ALIAS = "streamproc"
GROUP_OFFSETS_SECONDS = 5.0
PATIENCE_SECONDS = 0.1
"""Faust's fetch waits up to 1 s. A fetch started before a rebalance therefore delays the first
fetch of the new partitions. We wait 0.1 s instead; also if there is no partition to fetch from yet.
"""
REFUSALS_CHECK_SECONDS = 1.0
HOLES_CHECK_SECONDS = 5.0


class _AlwaysUnknown(dict[TP, Any]):
    """Faust's read offsets, always unknown, so that Faust never drops a delivery.

    Faust drops records at or below its read offset. That is wrong after a rewind. Here the
    partition drops stale chunks, which it recognises by their epoch.
    """

    def __getitem__(self, tp: TP) -> None:
        return None


class BatchConsumer(driver.Consumer):
    """Delivers chunks, starts at the positions of the table, commits before a revocation."""

    logger = FAUST_LOGGER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _AlwaysUnknown()
        self._fetching = asyncio.Lock()
        """Held by a fetch until its records are chunks, so that input is not sought meanwhile."""
        self._engine: Engine[Any] = self.app.engine
        self._withheld = Withheld()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_for_refusals(self) -> None:
        """Stop if the broker does not let this worker join its group.

        aiokafka raises that error in a fetch, but Faust fetches nothing before it has joined.
        """
        async for _ in self.itertimer(REFUSALS_CHECK_SECONDS, name="refusals"):
            error = self._thread.refusal()
            if error is not None:
                await self.crash(self._refused(error))
                # The client only stores the error, so it is asked at intervals.
                return

    @Service.task
    async def _watch_for_deleted_input(self) -> None:
        async for _ in self.itertimer(HOLES_CHECK_SECONDS, name="holes"):
            self._tell_missing_input()
            self._tell_withheld_input()
            try:
                await self._tell_deleted_input()
            except KafkaError as error:
                log.warning("the check for deleted input failed; it is repeated", error=repr(error))

    async def _tell_deleted_input(self) -> None:
        """Log it as critical if retention deleted input that this worker had not read.

        The client then continues silently at the topic's new start. By now the start may be even
        later, but records that were read in between are not lost.
        """
        holes = {
            TP(*intake.place): intake.take_holes() for intake in self._intakes() if intake.holes
        }
        if not holes:
            return
        try:
            firsts = await self.earliest_offsets(*holes)
        except KafkaError:
            # Keep the holes for the next check.
            for tp, ranges in holes.items():
                self._intake(tp).holes[:0] = ranges
            raise
        for tp, ranges in holes.items():
            # Transaction markers leave holes, too. Only offsets before the first existing one
            # are lost records.
            lost = sum(max(min(firsts[tp], end) - begin, 0) for begin, end in ranges)
            if lost:
                tell_deleted_input(tp.topic, tp.partition, lost)

    def _tell_missing_input(self) -> None:
        """Log it as critical if offsets are missing in the log: only compaction removes them."""
        for intake in self._intakes():
            ranges = intake.take_missing()
            if ranges:
                missing = sum(following - first for first, following in ranges)
                tell_compacted_input(*intake.place, missing, ranges[0][0])

    def _tell_withheld_input(self) -> None:
        """Log it if a transaction that is open withholds input for long."""
        inputs = {tp for tp in self.assignment() if tp.topic in self._engine.settings.input_topics}
        self._withheld.forget_others(inputs)
        for tp in inputs:
            ends = self._thread.ends(tp)
            if ends is not None:
                self._withheld.look(tp, *ends)

    def _intake(self, tp: TP) -> Intake:
        return self._engine.partitions[tp.partition].intake(tp.topic)

    def _intakes(self) -> Iterator[Intake]:
        for partition in self._engine.partitions:
            yield from partition.intakes.values()

    def end_offset(self, tp: TP) -> int | None:
        """The offset after the last readable record, by the last fetch; None before the first
        fetch."""
        end: int | None = self._thread.end_offset(tp)
        return end

    def fetch_offset(self, tp: TP) -> int | None:
        """The offset at which the fetch continues, past markers; None if it has none."""
        at: int | None = self._thread.next_fetch_offset(tp)
        return at

    async def is_member(self) -> bool:
        """Whether the group still has this worker as a member; False if the group cannot be
        asked."""
        beat: bool = await self._thread.heartbeat()
        return beat

    async def _wait_next_records(self, timeout: float) -> Any:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if self._get_active_partitions():
            return await super()._wait_next_records(timeout)
        # Flow control is on, but every partition is still paused.
        await self.sleep(PATIENCE_SECONDS)
        return {}, set()

    def _refused(self, error: BaseException) -> StreamprocError:
        refusal: StreamprocError = GroupError(error, advice(error))
        if isinstance(error, FORBIDDEN):
            refusal = ForbiddenError(error, self._engine.settings.broker, "Read")
        log.critical("the worker stops because the broker refused it", why=str(refusal))
        return refusal

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        async with self._fetching:
            return await self._fetch(active_partitions, timeout)

    async def _fetch(self, active_partitions: Any, timeout: float) -> Any:
        self._thread.mark.begin_poll()
        try:
            fetched = await super()._getmany(active_partitions, min(timeout, PATIENCE_SECONDS))
        except FORBIDDEN as error:
            raise self._refused(error) from error
        self._note_ranges()
        size = self._engine.settings.chunk_records
        # This happens before the next fetch, so that the positions belong to these records.
        for tp in active_partitions or ():
            self._intake(tp).is_read_out = self._thread.is_read_out(tp)
        return {
            tp: self._intake(tp).chunks(
                joined([one.records for one in batches]),
                size,
                sum(one.weight for one in batches),
            )
            for tp, batches in fetched.items()
            if batches and await self._goes_on(tp, batches[0].asked_offset)
        }

    def _note_ranges(self) -> None:
        """Pass on the offsets without a record that the thread has found."""
        for ranges, note in (
            (self._thread.passed, Intake.note_passed),
            (self._thread.missing, Intake.note_missing),
        ):
            while ranges:
                tp, first, following = ranges.popleft()
                # Changelogs are compacted; in input, missing offsets are lost records.
                if tp.topic in self._engine.settings.input_topics:
                    note(self._intake(tp), first, following)

    async def _goes_on(self, tp: TP, asked_offset: int) -> bool:
        """Whether a fetch continues where the last one ended. If not, the partition is fetched
        again."""
        partition, intake = self._engine.partitions[tp.partition], self._intake(tp)
        expected, start = intake.asked, partition.start_offset(tp.topic)
        if not intake.goes_on(asked_offset, start, partition.next_offset(tp.topic)):
            log.warning(
                "the client fetched from an unexpected offset; the partition is fetched again",
                topic=tp.topic,
                partition=tp.partition,
                state=partition.state.value,
                asked=expected,
                found=asked_offset,
            )
            await self._rewind(tp, start or 0)
            return False
        intake.asked = self._thread.next_fetch_offset(tp)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Does nothing: chunks are acknowledged in order, so there are no gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        # Chunks are acknowledged in order, so the highest offset covers all of them.
        acked = self._acked.get(tp)
        if not acked:
            return None
        last: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def rewind(self, tp: TP, offset: int) -> None:
        """Fetch a partition again from an offset. Everything fetched before becomes stale."""
        async with self._fetching:
            await self._rewind(tp, offset)

    async def _rewind(self, tp: TP, offset: int) -> None:
        await self._seek(tp, offset)
        self._intake(tp).begin_epoch(offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.seek_in_thread(partition, offset)

    async def perform_seek(self) -> None:
        """Start input at the position stored with the state, not at the group's offset (law 2).

        A fetch from before the rebalance can still be running. Its records are dropped, because
        their partitions are paused. They must not count as delivered after the seek, or they would
        be missing for ever.
        """
        async with self._fetching:
            await self._perform_seek()

    async def _perform_seek(self) -> None:
        await super().perform_seek()
        inputs = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        starts = {tp: self._engine.partitions[tp.partition].start_offset(tp.topic) for tp in inputs}
        known = {tp: offset for tp, offset in starts.items() if offset is not None}
        # For partitions whose state has no position yet, chunks may have been fetched and dropped.
        # Without a seek the client would continue after them.
        unknown = [tp for tp in inputs if tp not in known]
        firsts = await self.earliest_offsets(*unknown) if unknown else {}
        for tp, offset in {**known, **{tp: firsts[tp] for tp in unknown}}.items():
            await self._rewind(tp, offset)
            self._committed_offset[tp] = offset or None
        self._engine.input_is_sought({tp.partition for tp in inputs})

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was applied, *before* Faust forgets the partitions."""
        crashpoints.reached("revoke", "1")
        await self._engine.partitions.finish({tp.partition for tp in revoked})
        crashpoints.reached("revoke", "2")
        await self._commit_group_offsets()
        crashpoints.reached("revoke", "3")
        await super().on_partitions_revoked(revoked)

    async def commit_and_end_transactions(self) -> None:
        """Faust calls this for its last commit, when the consumer stops."""
        await self._commit_group_offsets()

    async def _commit_group_offsets(self) -> None:
        """Commit group offsets. A failure does not stop the revocation or the end of the worker:
        group offsets are for lag tools only.

        If a worker stops while its group rebalances, the queue of its consumer thread ends. A call
        in the queue is cancelled, and a later call is never answered. An exception or a wait here
        would end that thread before it leaves the group, and the worker would not stop.
        """
        try:
            await asyncio.wait_for(self.force_commit(), GROUP_OFFSETS_SECONDS)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            # A cancellation of this task itself must have its effect.
            if task is not None and task.cancelling():
                raise
            log.warning(
                "group offsets were not committed; lag tools show too much", error=repr(error)
            )


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with :class:`BatchConsumer`."""

    Consumer = BatchConsumer


def register() -> None:
    """Make ``streamproc://host:port`` a broker address for Faust."""
    read_whole_batches()
    TRANSPORTS.aliases[ALIAS] = f"{__name__}:BatchTransport"
