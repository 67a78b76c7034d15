"""Batched delivery: one Faust event per fetched chunk of a partition instead of one per record.

Stock Faust spends about twenty event-loop callbacks on every record. Here the consumer wraps up to
``chunk_records`` fetched records into one :class:`~streamproc.engine.chunk.Chunk`, and sees to it
that nothing is left out between one fetch and the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain
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
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.faust.advice import FORBIDDEN
from streamproc.engine.faust.consumer_thread import BatchConsumerThread
from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.faust.whole_batches import read_whole_batches
from streamproc.engine.intake import Intake

log = structlog.get_logger(__name__)

ALIAS = "streamproc"
GROUP_OFFSETS_SECONDS = 5.0
PATIENCE_SECONDS = 0.1
"""Faust's fetch waits up to a second. One that began before a rebalance would delay the first fetch
of the partitions that came with it. We wait so long instead, and as long if there is nothing yet to
ask for."""
REFUSALS_CHECK_SECONDS = 1.0
HOLES_CHECK_SECONDS = 5.0


class _AlwaysUnknown(dict[TP, Any]):
    """Faust's read offsets, always unknown, so that Faust itself never drops a delivery.

    Faust drops records at or below its read offset, which goes wrong when a partition is rewound;
    here the partition drops what is stale, by the epoch of the chunk.
    """

    def __getitem__(self, tp: TP) -> None:
        return None


class BatchConsumer(driver.Consumer):
    """Delivers chunks, starts where the table says, commits before a revocation."""

    logger = FAUST_LOGGER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _AlwaysUnknown()
        self._fetching = asyncio.Lock()
        """Held by a fetch until its records are chunks; input is not sought meanwhile."""
        self._engine: Engine[Any] = self.app.engine

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_for_refusals(self) -> None:
        """Stop if this worker may not join its group.

        aiokafka tells that to whoever fetches, and Faust fetches nothing before it has joined.
        """
        async for _ in self.itertimer(REFUSALS_CHECK_SECONDS, name="refusals"):
            error = self._thread.refusal()
            if error is not None:
                await self.crash(_refused(error))
                return

    @Service.task
    async def _watch_for_deleted_input(self) -> None:
        async for _ in self.itertimer(HOLES_CHECK_SECONDS, name="holes"):
            self._tell_missing_input()
            try:
                await self._tell_deleted_input()
            except KafkaError as error:
                log.warning("cannot ask whether input was deleted", error=repr(error))

    async def _tell_deleted_input(self) -> None:
        """Say so loudly if retention took input away that this worker had not read yet.

        The client then goes on at the topic's new beginning, without a word. By now the topic may
        begin still further on: what was read meanwhile is not lost.
        """
        holes = {
            TP(*intake.place): intake.take_holes() for intake in self._intakes() if intake.holes
        }
        if not holes:
            return
        try:
            firsts = await self.earliest_offsets(*holes)
        except KafkaError:
            for tp, ranges in holes.items():
                self._intake(tp).holes[:0] = ranges
            raise
        for tp, ranges in holes.items():
            lost = sum(max(min(firsts[tp], end) - begin, 0) for begin, end in ranges)
            if lost:
                tell_deleted_input(tp.topic, tp.partition, lost)

    def _tell_missing_input(self) -> None:
        """Say so loudly if the log itself leaves offsets out: only compaction does that."""
        for intake in self._intakes():
            ranges = intake.take_missing()
            if ranges:
                missing = sum(following - first for first, following in ranges)
                tell_compacted_input(*intake.place, missing, ranges[0][0])

    def _intake(self, tp: TP) -> Intake:
        return self._engine.partitions[tp.partition].intake(tp.topic)

    def _intakes(self) -> Iterator[Intake]:
        for partition in self._engine.partitions:
            yield from partition.intakes.values()

    def end_offset(self, tp: TP) -> int | None:
        """The offset after the last readable record, by the last fetch; None before the first."""
        end: int | None = self._thread.end_offset(tp)
        return end

    async def is_member(self) -> bool:
        """Whether the group still counts on this worker; False if it cannot be asked."""
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

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        async with self._fetching:
            return await self._fetch(active_partitions, timeout)

    async def _fetch(self, active_partitions: Any, timeout: float) -> Any:
        try:
            fetched = await super()._getmany(active_partitions, min(timeout, PATIENCE_SECONDS))
        except FORBIDDEN as error:
            raise _refused(error) from error
        self._note_ranges()
        size = self._engine.settings.chunk_records
        # Now, before the next fetch: the positions are those after these very records.
        for tp in active_partitions or ():
            self._intake(tp).is_read_out = self._thread.is_read_out(tp)
        return {
            tp: self._intake(tp).chunks(
                list(chain.from_iterable(one.records for one in batches)), size
            )
            for tp, batches in fetched.items()
            if batches and await self._goes_on(tp, batches[0].asked_offset)
        }

    def _note_ranges(self) -> None:
        """What the thread saw of offsets without a record."""
        for ranges, note in (
            (self._thread.passed, Intake.note_passed),
            (self._thread.missing, Intake.note_missing),
        ):
            while ranges:
                tp, first, following = ranges.popleft()
                # Followed changelogs are compacted, and no input.
                if tp.topic in self._engine.settings.input_topics:
                    note(self._intake(tp), first, following)

    async def _goes_on(self, tp: TP, asked_offset: int) -> bool:
        """Whether a fetch goes on where the last one ended; if not, it is fetched again."""
        partition, intake = self._engine.partitions[tp.partition], self._intake(tp)
        expected, start = intake.asked, partition.start_offset(tp.topic)
        if not intake.goes_on(asked_offset, start, partition.next_offset(tp.topic)):
            log.warning(
                "fetched from elsewhere, again",
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
        """Chunks are acknowledged in order, so there are no gaps to remember."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked.get(tp)
        if not acked:
            return None
        last: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def rewind(self, tp: TP, offset: int) -> None:
        """Fetch a partition again from an offset; everything fetched before becomes stale."""
        async with self._fetching:
            await self._rewind(tp, offset)

    async def _rewind(self, tp: TP, offset: int) -> None:
        await self._seek(tp, offset)
        self._intake(tp).begin_epoch(offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.seek_in_thread(partition, offset)

    async def perform_seek(self) -> None:
        """Start input at the position held with the state, not at the group's offset (law 2).

        A fetch of before the rebalance may still be under way. Its records come to nothing, for
        their partitions are paused: counted as delivered after the seek, they would be missing for
        ever.
        """
        async with self._fetching:
            await self._perform_seek()

    async def _perform_seek(self) -> None:
        await super().perform_seek()
        inputs = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        starts = {tp: self._engine.partitions[tp.partition].start_offset(tp.topic) for tp in inputs}
        known = {tp: offset for tp, offset in starts.items() if offset is not None}
        # Of what a state does not know yet, chunks may have been fetched and dropped: left where
        # it is, the client would go on behind them.
        unknown = [tp for tp in inputs if tp not in known]
        firsts = await self.earliest_offsets(*unknown) if unknown else {}
        for tp, offset in {**known, **{tp: firsts[tp] for tp in unknown}}.items():
            await self._rewind(tp, offset)
            self._committed_offset[tp] = offset or None
        self._engine.input_is_sought({tp.partition for tp in inputs})

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was applied *before* Faust forgets the partitions."""
        crashpoints.reached("revoke", "1")
        await self._engine.partitions.finish({tp.partition for tp in revoked})
        crashpoints.reached("revoke", "2")
        await self._commit_group_offsets()
        crashpoints.reached("revoke", "3")
        await super().on_partitions_revoked(revoked)

    async def commit_and_end_transactions(self) -> None:
        """Faust's last commit, when the consumer stops."""
        await self._commit_group_offsets()

    async def _commit_group_offsets(self) -> None:
        """If it fails, the revocation or the ending goes on: group offsets are for lag tools only.

        A worker that stops while its group rebalances ends its consumer thread's queue: a call that
        is in it then is cancelled there, a later one is never answered. Raised or waited for here,
        it would end that thread before it leaves the group, and the worker would not stop.
        """
        try:
            await asyncio.wait_for(self.force_commit(), GROUP_OFFSETS_SECONDS)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            log.warning("group offsets not committed, lag tools are behind", error=repr(error))


def _refused(error: BaseException) -> ForbiddenError:
    refusal = ForbiddenError(error)
    log.critical("the worker stops", why=str(refusal))
    return refusal


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with :class:`BatchConsumer`."""

    Consumer = BatchConsumer


def register() -> None:
    """Make ``streamproc://host:port`` a broker address for Faust."""
    read_whole_batches()
    TRANSPORTS.aliases[ALIAS] = f"{__name__}:BatchTransport"
