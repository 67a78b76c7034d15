"""Opening a partition: steps (a) to (c) of engine/README.md, from the fencing to complete rows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

import structlog

from streamproc.engine import crashpoints
from streamproc.engine.changelog import (
    InputMadeAnewError,
    PartitionsMovedError,
    Progress,
    read_to_end,
    tell_deleted_input,
)
from streamproc.engine.cluster import Cluster, LogReader, Place
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.forms import refuse_newer
from streamproc.engine.ids import KEY_BYTES
from streamproc.engine.life import State
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.partition import Partition, WarmCopy
from streamproc.engine.processor import Processor
from streamproc.engine.settings import EngineSettings
from streamproc.engine.standby import Standbys
from streamproc.engine.transaction import PartitionWriter

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Opener(Generic[T]):
    """Loads the memory of a partition from the changelog."""

    def __init__(
        self,
        settings: EngineSettings,
        cluster: Cluster,
        standbys: Standbys,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._standbys = standbys
        self._observer = observer

    async def open(
        self, partition: Partition[T], changelog: str, processor: Processor[T], form: int
    ) -> OpenPartition[T]:
        """Fence the predecessor and load the rows. After an error nothing stays open.

        Raises :class:`NewerFormError` before the predecessor is fenced.
        """
        began = time.perf_counter()
        reader = await self._cluster.reader()
        try:
            with self._reading():
                await refuse_newer(reader, changelog, partition.number)
            writer = PartitionWriter(self._cluster.producer(partition.number))
            await writer.open()  # (a)
            crashpoints.reached("open", "a")
            try:
                with self._reading():
                    loaded = await self._load(reader, partition, changelog)  # (b)
            except BaseException:
                await writer.close()
                raise
        finally:
            await reader.stop()
        copy, start, progress, end, begins = loaded
        copy.rows.loaded()  # (c)
        copy.rows.ids.begin(os.urandom(KEY_BYTES))
        crashpoints.reached("open", "c")
        seconds = time.perf_counter() - began
        self._observer.opened(end - start, seconds)
        log.info(
            "partition opened",
            partition=partition.number,
            state=State.READY.value,
            rows=len(copy.rows),
            changelog_read=end - start,
            warm=start > 0,
            seconds=round(seconds, 3),
        )
        return OpenPartition(
            partition.number,
            copy.rows,
            progress,
            writer,
            processor,
            changelog,
            self._settings,
            begins,
            self._observer,
            int(time.time() * 1000),
            form,
        )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """What the broker does not let this worker read is named."""
        try:
            yield
        except self._cluster.forbidden as error:
            raise ForbiddenError(error, self._settings.broker, "Read") from error

    async def _load(
        self, reader: LogReader, partition: Partition[T], changelog: str
    ) -> tuple[WarmCopy, int, Progress, int, dict[str, int]]:
        """The rows, where reading began, the progress, where it ended, and where inputs begin."""
        number = partition.number
        copy = await self._standbys.promote(partition)
        start = copy.next_offset
        progress, end = await read_to_end(
            reader, changelog, number, start, copy.rows, copy.progress
        )
        crashpoints.reached("open", "b")
        self._check_partitions(changelog, number, progress)
        return copy, start, progress, end, await self._check_positions(reader, number, progress)

    def _check_partitions(self, changelog: str, number: int, progress: Progress) -> None:
        """All topics may have been given more partitions while no worker ran."""
        now = self._settings.partitions
        if now and progress.partitions and progress.partitions != now:
            raise PartitionsMovedError(changelog, number, progress.partitions, now)
        progress.partitions = now

    async def _check_positions(
        self, reader: LogReader, number: int, progress: Progress
    ) -> dict[str, int]:
        """Law 2: a position beyond the end of a topic means that the topic was created again.

        Returns the first offsets of the topics. Only this method logs input that was
        deleted before them.
        """
        topics = [topic for topic in progress.positions if topic in self._settings.input_topics]
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
