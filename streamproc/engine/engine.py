"""The engine: delivers chunks and time to the partitions, and ends in an orderly way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog

from streamproc.engine.changelog import InputMadeAnewError
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Cluster, Input
from streamproc.engine.fetched import Walker
from streamproc.engine.life import State
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.partition import Partition
from streamproc.engine.partitions import Partitions
from streamproc.engine.processor import PoisonError, Processor
from streamproc.engine.repair import Repairs
from streamproc.engine.settings import EngineSettings

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Engine(Generic[T]):
    """Delivers input and time to the partitions that a worker owns."""

    def __init__(
        self,
        settings: EngineSettings,
        processor: Processor[T],
        cluster: Cluster,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        observer: Observer = UNOBSERVED,
        walker: Walker | None = None,
    ) -> None:
        """``walker`` reads the batches of the input; None: the client library does."""
        self.settings = settings
        self.walker = walker
        self.partitions: Partitions[T] = Partitions(settings, processor, cluster, observer)
        self.applied_records = 0
        self._now_ms = now_ms
        self._input: Input
        self._repairs = Repairs(self.partitions, self._crash)

    def attach(self, source: Input) -> None:
        """Set the input whose chunks arrive at :meth:`on_chunk`."""
        self._input = source

    def input_is_sought(self, numbers: set[int]) -> None:
        """Step (d) is done: these partitions apply the input that arrives from now on."""
        for number in numbers:
            if self.partitions[number].state is State.READY:
                self.partitions[number].run()

    async def finish_all(self) -> None:
        """Orderly end: commit everything that was applied. Then ``partitions.close`` closes
        them."""
        await self._repairs.stop()
        await self.partitions.finish(set(self.partitions.states))

    def lag_records(self, partition: Partition[T], topic: str) -> int | None:
        """Readable input of a running partition that is not applied yet; None if unknown so far.

        Transaction markers count too, as in lag tools, unless the input ends with one.
        """
        position = partition.next_offset(topic)
        if partition.intake(topic).has_nothing_waiting(position):
            return 0
        end = self._input.end_offset(topic, partition.number)
        return None if end is None else max(end - position, 0)

    def fetched_until(self, partition: Partition[T], topic: str) -> int | None:
        """The offset at which the fetch of a partition continues; None if unknown."""
        return self._input.fetch_offset(topic, partition.number)

    async def on_chunk(self, event: Any) -> None:
        """Apply a chunk, the value of a Faust event, and acknowledge it after its commit."""
        chunk = event.value
        partition = self.partitions[chunk.partition]
        opened = partition.opened
        is_stale = chunk.epoch != partition.intake(chunk.topic).epoch
        if partition.state is not State.RUNNING or opened is None or is_stale:
            return  # it is not acknowledged, so the next owner of the partition fetches it again
        if chunk.follows > partition.next_offset(chunk.topic):
            # Chunks after an ignored one are ignored too, until the end of the rebalance rewinds
            # the partition.
            if not self._input.is_rebalancing:
                await self._fetch_again(chunk, partition)
            return
        try:
            self._check_that_input_goes_on(chunk, partition)
            while opened.apply(chunk, event.ack):
                if not await self._make_room(chunk, partition, opened):
                    return  # the rest of the chunk is fetched again
        except PoisonError as error:
            self._set_aside(partition, opened, error)
            return
        except Exception as error:
            await self._crash(error)
            return
        self.applied_records += len(chunk.records)
        await self._after_work(partition, opened)
        # Let commits, timers and heartbeats run between chunks.
        await asyncio.sleep(0)

    async def _make_room(
        self, chunk: Chunk, partition: Partition[T], opened: OpenPartition[T]
    ) -> bool:
        """Let a commit empty the outbox; False if the partition takes nothing more of the chunk."""
        await opened.make_room()
        if opened.commit_failure is not None:
            self._repairs.begin(partition, opened, opened.commit_failure, self._input)
            return False
        await asyncio.sleep(0)
        is_here = partition.state is State.RUNNING and partition.opened is opened
        return is_here and chunk.epoch == partition.intake(chunk.topic).epoch

    async def _fetch_again(self, chunk: Chunk, partition: Partition[T]) -> None:
        """The chunk before this one is missing, and this one must not be applied before it."""
        log.warning(
            "a chunk of input is missing; it is fetched again",
            topic=chunk.topic,
            partition=chunk.partition,
            state=partition.state.value,
            missing=chunk.follows - partition.next_offset(chunk.topic),
        )
        start = partition.start_offset(chunk.topic) or 0
        # If the group has just taken the partition away, the next assignment seeks it anyway.
        await self._input.rewind(chunk.topic, chunk.partition, start)

    @staticmethod
    def _check_that_input_goes_on(chunk: Chunk, partition: Partition[T]) -> None:
        """Law 2 while running: detect that a topic was created again, because it begins again."""
        if chunk.begins_again:
            position = partition.next_offset(chunk.topic)
            found = f"it begins again at {chunk.records[0].offset}"
            raise InputMadeAnewError(chunk.topic, chunk.partition, position, found)

    async def on_tick(self) -> None:
        """Do the work that is due, and commit."""
        if self._input.is_rebalancing:
            return
        now_ms = self._now_ms()
        for partition in self.partitions:
            opened = partition.opened
            if partition.state is not State.RUNNING or opened is None:
                continue
            try:
                opened.tick(self._timers_ms(partition, opened, now_ms))
            except PoisonError as error:
                self._set_aside(partition, opened, error)
                continue
            except Exception as error:
                await self._crash(error)
                return
            await self._after_work(partition, opened)
            await asyncio.sleep(0)

    def _timers_ms(self, partition: Partition[T], opened: OpenPartition[T], now_ms: int) -> int:
        """The instant up to which a partition's timers may run: never past input that is waiting.

        A record that arrived before an instant is applied before the work due at that instant,
        also if the worker was down or lags. Otherwise the result would depend on the time at
        which the worker ran (law 5). If no input is waiting, a record can still be on its way:
        therefore the timers stay ``timer_margin_ms`` behind. They are never behind a record
        that is applied already.
        """
        progress = opened.progress
        reached_ms = min(progress.clock_ms, now_ms)
        for topic in self.settings.input_topics:
            position = progress.positions.get(topic, 0)
            if not partition.intake(topic).has_nothing_waiting(position):
                return reached_ms
        return max(reached_ms, now_ms - self.settings.timer_margin_ms)

    async def _after_work(self, partition: Partition[T], opened: OpenPartition[T]) -> None:
        opened.commit_if_due(time.monotonic())
        await opened.wait_if_behind()
        failure = opened.commit_failure
        if failure is not None:
            self._repairs.begin(partition, opened, failure, self._input)

    def _set_aside(
        self, partition: Partition[T], opened: OpenPartition[T], error: PoisonError
    ) -> None:
        """Load the partition again, because its memory contains half of the failed work.

        The record or row that failed is then skipped, and everything else continues (law 17).
        """
        log.error(
            "a record or row failed; it is skipped and its partition is loaded again",
            what=str(error),
            partition=partition.number,
            state=partition.state.value,
            exc_info=error,
        )
        self.partitions.processor.set_aside(error)
        self.partitions.observer.set_aside()
        self._repairs.begin(partition, opened, error, self._input)

    async def _crash(self, error: BaseException) -> None:
        """Stop the worker, because its results would be wrong. Its supervisor starts it again."""
        log.critical("the worker stops because of an error", why=str(error), exc_info=error)
        await self._input.crash(error)
