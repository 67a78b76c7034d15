"""Owning partitions: opening and letting go of them, as the group gives and takes them.

Faust places partitions and standbys (its assignor), makes the changelog topic and conducts
rebalances. On assignment of a partition (docs/design.md, "Commit protocol"):
(a) open its transactional producer, which fences a predecessor; (b) read its changelog to the end,
from a warm standby copy if there is one; (c) rebuild the due queue; (d) input starts at the
progress record (``BatchConsumer.perform_seek``); (e) only then input flows (``SafeRecovery``).
"""

from __future__ import annotations

import asyncio
import time
from typing import Generic, TypeVar

import structlog

from streamproc.engine import crashpoints
from streamproc.engine.changelog import (
    InputMadeAnewError,
    Progress,
    read_to_end,
    tell_deleted_input,
)
from streamproc.engine.cluster import Cluster, LogReader, Place
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.housekeeping import give_memory_back
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.processor import Processor
from streamproc.engine.settings import EngineSettings
from streamproc.engine.standby import StandbyFollower
from streamproc.engine.transaction import PartitionWriter

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Owner(Generic[T]):
    """The partitions this worker owns, and the warm copies it follows."""

    def __init__(self, settings: EngineSettings, processor: Processor[T], cluster: Cluster) -> None:
        self.settings = settings
        self.cluster = cluster
        self.processor = processor
        self.partitions: dict[int, OpenPartition[T]] = {}
        self.assigned: set[int] = set()
        """What the group gave this worker; a partition under repair is assigned but not open."""
        self.changelog = ""
        self.standby = StandbyFollower(cluster, lambda: self.processor.new_rows())
        self._lock = asyncio.Lock()

    async def own(self, actives: set[int], standbys: set[int], changelog: str) -> None:
        """Make this worker's partitions exactly ``actives`` and its warm copies ``standbys``."""
        async with self._lock:
            self.changelog = changelog
            self.assigned = set(actives)
            for number in [number for number in self.partitions if number not in actives]:
                await self.partitions.pop(number).close()
            new = sorted(number for number in actives if number not in self.partitions)
            await asyncio.gather(*(self._open_patiently(number) for number in new))
            if new:
                give_memory_back()
            await self.standby.follow(changelog, standbys)

    def lacks(self, number: int) -> bool:
        """Whether a partition is this worker's but not open."""
        return number in self.assigned and number not in self.partitions

    async def reopen(self, number: int) -> OpenPartition[T] | None:
        """Load a partition again (law 4); None if it is not this worker's to open any more."""
        async with self._lock:
            return await self._open(number) if self.lacks(number) else None

    async def disown(self, numbers: set[int]) -> None:
        """These are being revoked: whatever is being opened is opened, nothing is opened anew.

        Waiting for the opening matters: done after the revocation, it would fence the new owner.
        """
        self.assigned -= numbers
        async with self._lock:
            pass

    async def close(self) -> None:
        """Let go of everything."""
        self.assigned = set()
        async with self._lock:
            for number in list(self.partitions):
                await self.partitions.pop(number).close()
            await self.standby.stop()

    async def _open_patiently(self, number: int) -> None:
        """Open, trying again while the broker does not answer; the last error is raised."""
        began = time.monotonic()
        while True:
            try:
                await self._open(number)
            except self.cluster.transient as error:
                if time.monotonic() - began > self.settings.open_patience_seconds:
                    raise
                log.warning(
                    "cannot open yet, trying again",
                    partition=number,
                    error=repr(error),
                    advice=self.cluster.advice(error),
                )
                await asyncio.sleep(1.0)
            else:
                return

    async def _open(self, number: int) -> OpenPartition[T]:
        began = time.perf_counter()
        settings = self.settings
        writer = PartitionWriter(self.cluster.producer(number))
        await writer.open()  # (a)
        crashpoints.reached("open", "a")
        try:
            rows, progress, start = await self.standby.promote(number)
            reader = await self.cluster.reader()
            try:
                progress, end = await read_to_end(  # (b)
                    reader, self.changelog, number, start, rows, progress
                )
                crashpoints.reached("open", "b")
                begins = await self._check_positions(reader, number, progress)
            finally:
                await reader.stop()
        except BaseException as error:
            await writer.close()
            if isinstance(error, self.cluster.forbidden):
                raise ForbiddenError(error) from error
            raise
        rows.rebuild_due()  # (c)
        crashpoints.reached("open", "c")
        partition = OpenPartition(
            number, rows, progress, writer, self.processor, self.changelog, settings, begins
        )
        self.partitions[number] = partition
        log.info(
            "partition opened",
            partition=number,
            rows=len(rows),
            changelog_read=end - start,
            warm=start > 0,
            seconds=round(time.perf_counter() - began, 3),
        )
        return partition

    async def _check_positions(
        self, reader: LogReader, number: int, progress: Progress
    ) -> dict[str, int]:
        """Law 2: a position beyond the topic's end means the topic was made anew.

        Returns where the topics begin. What is missing before that is told here, and only here.
        """
        topics = [topic for topic in progress.positions if topic in self.settings.input_topics]
        places = [Place(topic, number) for topic in topics]
        if not places:
            return {}
        firsts = await reader.beginning_offsets(places)
        for place, first in firsts.items():
            if progress.positions[place.topic] < first:
                lost = first - progress.positions[place.topic]
                tell_deleted_input(place.topic, number, lost)
        for place, end in (await reader.end_offsets(places)).items():
            if progress.positions[place.topic] > end:
                raise InputMadeAnewError(
                    place.topic, number, progress.positions[place.topic], f"it ends at {end}"
                )
        return {place.topic: first for place, first in firsts.items()}
