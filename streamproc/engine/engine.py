"""The engine: brings chunks and time to the partitions, and ends well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog

from streamproc.engine.changelog import InputMadeAnewError
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Cluster, Input
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.owner import Owner
from streamproc.engine.processor import PoisonError, Processor
from streamproc.engine.repair import Repairs
from streamproc.engine.settings import EngineSettings

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Engine(Generic[T]):
    """Brings the input and the time to the partitions that a worker owns."""

    def __init__(
        self,
        settings: EngineSettings,
        processor: Processor[T],
        cluster: Cluster,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.settings = settings
        self.owner = Owner(settings, processor, cluster)
        self.applied_records = 0
        self._now_ms = now_ms
        self._input: Input
        self._finishing = False
        self._repairs = Repairs(self.owner, self._crash)

    def attach(self, source: Input) -> None:
        """Whose chunks come to :meth:`on_chunk`."""
        self._input = source

    def position(self, topic: str, number: int) -> int | None:
        """Where input of a partition must start; None if its state says nothing of the topic."""
        partition = self.owner.partitions.get(number)
        return partition.start_offset(topic) if partition else None

    def next_offset(self, topic: str, number: int) -> int:
        """The first offset that the state of a partition does not contain, as far as it says."""
        partition = self.owner.partitions.get(number)
        return partition.progress.positions.get(topic, 0) if partition else 0

    async def finish(self, numbers: set[int]) -> None:
        """Before a revocation: apply nothing more, commit what was applied."""
        self._finishing = True
        try:
            await self.owner.disown(numbers)
            open_ones = [p for n, p in self.owner.partitions.items() if n in numbers]
            results = await asyncio.gather(
                *(partition.finish() for partition in open_ones), return_exceptions=True
            )
            for partition, result in zip(open_ones, results, strict=True):
                if isinstance(result, BaseException):
                    # Its memory is dirty now (law 4): the next owner loads it anew.
                    log.error(
                        "commit before revocation failed, partition dropped",
                        partition=partition.number,
                        error=repr(result),
                    )
                    self.owner.partitions.pop(partition.number, None)
                    await partition.close()
        finally:
            self._finishing = False

    async def finish_all(self) -> None:
        """Graceful end: commit everything that was applied; ``owner.close`` then lets go."""
        await self._repairs.stop()
        await self.finish(set(self.owner.partitions))

    async def on_chunk(self, event: Any) -> None:
        """Apply a chunk, the value of a Faust event, and acknowledge it after its commit."""
        chunk = event.value
        partition = self.owner.partitions.get(chunk.partition)
        stale = chunk.epoch != self._input.epoch(chunk.topic, chunk.partition)
        if partition is None or stale or self._finishing:
            return  # not acknowledged: it is fetched again by whoever owns the partition then
        if chunk.follows > partition.progress.positions.get(chunk.topic, 0):
            # Nor what comes after such a one, before the rebalance's end rewinds the partition.
            if not self._input.is_rebalancing:
                await self._fetch_again(chunk, partition)
            return
        try:
            self._check_that_input_goes_on(chunk, partition)
            partition.apply(chunk, event.ack)
        except PoisonError as error:
            self._set_aside(partition, error)
            return
        except Exception as error:
            await self._crash(error)
            return
        self.applied_records += len(chunk.records)
        await self._after_work(partition)
        # Let commits, timers and heartbeats breathe between chunks.
        await asyncio.sleep(0)

    async def _fetch_again(self, chunk: Chunk, partition: OpenPartition[T]) -> None:
        """Input that was fetched has not come here: nothing behind it may be applied before it."""
        log.warning(
            "input is missing, fetched again",
            topic=chunk.topic,
            partition=chunk.partition,
            missing=chunk.follows - partition.progress.positions.get(chunk.topic, 0),
        )
        start = partition.start_offset(chunk.topic) or 0
        # A rebalance that begins at this very moment will do it else.
        await self._input.rewind(chunk.topic, chunk.partition, start)

    @staticmethod
    def _check_that_input_goes_on(chunk: Chunk, partition: OpenPartition[T]) -> None:
        """Law 2 while running: a topic that was made anew begins again."""
        if chunk.begins_again:
            position = partition.progress.positions.get(chunk.topic, 0)
            found = f"it begins again at {chunk.records[0].offset}"
            raise InputMadeAnewError(chunk.topic, chunk.partition, position, found)

    async def on_tick(self) -> None:
        """Do what fell due, and commit."""
        if self._finishing or self._input.is_rebalancing:
            return
        now_ms = self._now_ms()
        for partition in list(self.owner.partitions.values()):
            try:
                partition.tick(self._timers_ms(partition, now_ms))
            except PoisonError as error:
                self._set_aside(partition, error)
                continue
            except Exception as error:
                await self._crash(error)
                return
            await self._after_work(partition)
            await asyncio.sleep(0)

    def _timers_ms(self, partition: OpenPartition[T], now_ms: int) -> int:
        """Up to when a partition's timers may run: never past input that is waiting.

        What arrived before an instant is applied before what falls due at it, also when a worker
        was down or lags; else it would matter when it looked (law 5). With nothing waiting there
        may still be a record on its way, for which the clock waits a little; but none that comes
        before those which are applied.
        """
        progress = partition.progress
        reached_ms = min(progress.clock_ms, now_ms)
        for topic in self.settings.input_topics:
            position = progress.positions.get(topic, 0)
            if not self._input.has_nothing_waiting(topic, partition.number, position):
                return reached_ms
        return max(reached_ms, now_ms - self.settings.timer_margin_ms)

    async def _after_work(self, partition: OpenPartition[T]) -> None:
        partition.commit_if_due(time.monotonic())
        await partition.wait_if_behind()
        failure = partition.commit_failure
        if failure is not None:
            self._repairs.begin(partition, failure, self._input)

    def _set_aside(self, partition: OpenPartition[T], error: PoisonError) -> None:
        """Load the partition again, for half of the work is in memory; then the cause is left out.

        It silences nothing else (law 17).
        """
        log.error("work set aside", what=str(error), exc_info=error)
        self.owner.processor.set_aside(error)
        self._repairs.begin(partition, error, self._input)

    async def _crash(self, error: BaseException) -> None:
        """Stop the worker: going on would be wrong. Its supervisor starts it again."""
        log.critical("the worker stops", why=str(error), exc_info=error)
        await self._input.crash(error)
