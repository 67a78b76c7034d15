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
    """Brings the input and the time to the partitions that a worker owns."""

    def __init__(
        self,
        settings: EngineSettings,
        processor: Processor[T],
        cluster: Cluster,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.settings = settings
        self.partitions: Partitions[T] = Partitions(settings, processor, cluster, observer)
        self.applied_records = 0
        self._now_ms = now_ms
        self._input: Input
        self._repairs = Repairs(self.partitions, self._crash)

    def attach(self, source: Input) -> None:
        """Whose chunks come to :meth:`on_chunk`."""
        self._input = source

    def input_is_sought(self, numbers: set[int]) -> None:
        """Step (d) is done: these partitions apply the input that comes from now on."""
        for number in numbers:
            if self.partitions[number].state is State.READY:
                self.partitions[number].run()

    async def finish_all(self) -> None:
        """Graceful end: commit everything applied; ``partitions.close`` then lets go."""
        await self._repairs.stop()
        await self.partitions.finish(set(self.partitions.states))

    def lag_records(self, partition: Partition[T], topic: str) -> int | None:
        """Readable input of a running partition that is not applied; None if nobody knows yet.

        The markers of transactions count, as lag tools count them, until input ends at one.
        """
        position = partition.next_offset(topic)
        if partition.intake(topic).has_nothing_waiting(position):
            return 0
        end = self._input.end_offset(topic, partition.number)
        return None if end is None else max(end - position, 0)

    async def on_chunk(self, event: Any) -> None:
        """Apply a chunk, the value of a Faust event, and acknowledge it after its commit."""
        chunk = event.value
        partition = self.partitions[chunk.partition]
        opened = partition.opened
        is_stale = chunk.epoch != partition.intake(chunk.topic).epoch
        if partition.state is not State.RUNNING or opened is None or is_stale:
            return  # not acknowledged: it is fetched again by whoever owns the partition then
        if chunk.follows > partition.next_offset(chunk.topic):
            # Nor what comes after such a one, before the rebalance's end rewinds the partition.
            if not self._input.is_rebalancing:
                await self._fetch_again(chunk, partition)
            return
        try:
            self._check_that_input_goes_on(chunk, partition)
            opened.apply(chunk, event.ack)
        except PoisonError as error:
            self._set_aside(partition, opened, error)
            return
        except Exception as error:
            await self._crash(error)
            return
        self.applied_records += len(chunk.records)
        await self._after_work(partition, opened)
        # Let commits, timers and heartbeats breathe between chunks.
        await asyncio.sleep(0)

    async def _fetch_again(self, chunk: Chunk, partition: Partition[T]) -> None:
        """The chunk before this one never arrived, and this one may not be applied before it."""
        log.warning(
            "input is missing, fetched again",
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
        """Law 2 while running: a topic that was made anew begins again."""
        if chunk.begins_again:
            position = partition.next_offset(chunk.topic)
            found = f"it begins again at {chunk.records[0].offset}"
            raise InputMadeAnewError(chunk.topic, chunk.partition, position, found)

    async def on_tick(self) -> None:
        """Do what fell due, and commit."""
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
        """Up to when a partition's timers may run: never past input that is waiting.

        A record that arrived before an instant is applied before the work that is due at that
        instant, also if the worker was down or lags. Otherwise the result would depend on when the
        worker looked (law 5). If no input is waiting, a record may still be on its way: the timers
        stay ``timer_margin_ms`` behind. They are never behind a record that is applied already.
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
        """Load the partition again, because half of the failed work is in its memory.

        What failed is left out then, and everything else goes on (law 17).
        """
        log.error(
            "work set aside",
            what=str(error),
            partition=partition.number,
            state=partition.state.value,
            exc_info=error,
        )
        self.partitions.processor.set_aside(error)
        self.partitions.observer.set_aside()
        self._repairs.begin(partition, opened, error, self._input)

    async def _crash(self, error: BaseException) -> None:
        """Stop the worker: going on would be wrong. Its supervisor starts it again."""
        log.critical("the worker stops", why=str(error), exc_info=error)
        await self._input.crash(error)
