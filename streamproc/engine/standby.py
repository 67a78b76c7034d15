"""Warm copies: standby partitions follow their changelog, so a takeover reads only its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from streamproc.engine.changelog import NewerFormError, load_batches
from streamproc.engine.cluster import Cluster, Place
from streamproc.engine.life import State
from streamproc.engine.partition import Partition, WarmCopy
from streamproc.engine.rows import Rows
from streamproc.supervision import start_task

log = structlog.get_logger(__name__)


class Standbys:
    """Reads the changelogs of standby partitions with one reader, in the background."""

    def __init__(self, cluster: Cluster, new_rows: Callable[[], Rows[Any]]) -> None:
        self._cluster = cluster
        self._new_rows = new_rows
        self._followed: list[Partition[Any]] = []
        self._topic = ""
        self._task: asyncio.Task[None] | None = None

    async def follow(self, topic: str, partitions: Iterable[Partition[Any]]) -> None:
        """Follow exactly these partitions; copies of others are dropped."""
        wanted = list(partitions)
        if set(self._followed) == set(wanted) and self._task is not None and not self._task.done():
            return
        await self.stop()
        self._topic = topic
        for partition in self._followed:
            if partition not in wanted and partition.state is State.STANDBY:
                await partition.close()
        for partition in wanted:
            if partition.state is State.CLOSED:
                partition.follow(WarmCopy(self._new_rows()))
        self._followed = wanted
        if wanted:
            self._task = start_task(self._run(), "standby partitions", lambda _: None)

    async def promote(self, partition: Partition[Any]) -> WarmCopy:
        """Hand over the copy of a partition; an empty copy if there is none."""
        copy, partition.copy = partition.copy, None
        if copy is None:
            return WarmCopy(self._new_rows())
        self._followed = [one for one in self._followed if one is not partition]
        # Nothing may write to these rows any more; follow() starts the reader again.
        await self.stop()
        return copy

    async def stop(self) -> None:
        """Stop reading. The copies stay unchanged."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except asyncio.CancelledError:
                raise
            except NewerFormError as error:
                # If this worker gets one of these partitions, it refuses it and ends.
                log.critical("warm copies are not followed any more", why=str(error))
                return
            except Exception as error:
                # A copy that lags only makes a takeover slower.
                log.warning(
                    "the reader of standby partitions failed; trying again", error=repr(error)
                )
                await asyncio.sleep(1.0)

    async def _read(self) -> None:
        copies = {one.number: one.copy for one in self._followed if one.copy is not None}
        reader = await self._cluster.reader()
        try:
            places = [Place(self._topic, number) for number in copies]
            reader.assign(places)
            beginnings = await reader.beginning_offsets(places)
            for place in places:
                copy = copies[place.partition]
                reader.seek(place, max(copy.next_offset, beginnings[place]))
            while True:
                for place, batches in (await reader.getmany(timeout_ms=500)).items():
                    copy = copies[place.partition]
                    copy.progress = load_batches(copy.rows, batches, copy.progress)
                    # Only after all of them, so that a cancelled read is repeated and not skipped.
                    copy.next_offset = batches[-1].records[-1].offset + 1
        finally:
            await reader.stop()
