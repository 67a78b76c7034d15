"""Warm copies: standby partitions follow their changelog, so a takeover reads only the tail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from streamproc.engine.changelog import Progress, load_batches
from streamproc.engine.cluster import Cluster, Place
from streamproc.engine.rows import Rows

log = structlog.get_logger(__name__)


@dataclass
class WarmCopy:
    """Rows as of a changelog offset."""

    rows: Rows[Any]
    progress: Progress = field(default_factory=Progress)
    next_offset: int = 0


class StandbyFollower:
    """Reads the changelogs of standby partitions with one consumer, in the background."""

    def __init__(self, cluster: Cluster, new_rows: Callable[[], Rows[Any]]) -> None:
        self.copies: dict[int, WarmCopy] = {}
        self._cluster = cluster
        self._new_rows = new_rows
        self._topic = ""
        self._task: asyncio.Task[None] | None = None

    async def follow(self, topic: str, partitions: set[int]) -> None:
        """Follow exactly these partitions; copies of others are dropped."""
        if set(self.copies) == partitions and self._task is not None and not self._task.done():
            return
        await self.stop()
        self._topic = topic
        self.copies = {
            number: self.copies.get(number) or WarmCopy(self._new_rows()) for number in partitions
        }
        if partitions:
            self._task = asyncio.create_task(self._run())

    async def promote(self, number: int) -> tuple[Rows[Any], Progress, int]:
        """Hand over a copy: rows, progress, next changelog offset; empty if it was cold."""
        if number in self.copies:
            await self.stop()  # nobody may write to the rows any more; follow() starts again
        copy = self.copies.pop(number, None) or WarmCopy(self._new_rows())
        return copy.rows, copy.progress, copy.next_offset

    async def stop(self) -> None:
        """Stop reading; copies stay as they are."""
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
            except Exception as error:
                # A copy that lags only makes a takeover slower.
                log.warning("standby reader failed, trying again", error=repr(error))
                await asyncio.sleep(1.0)

    async def _read(self) -> None:
        reader = await self._cluster.reader()
        try:
            places = [Place(self._topic, number) for number in self.copies]
            reader.assign(places)
            beginnings = await reader.beginning_offsets(places)
            for place in places:
                copy = self.copies[place.partition]
                reader.seek(place, max(copy.next_offset, beginnings[place]))
            while True:
                for place, batches in (await reader.getmany(timeout_ms=500)).items():
                    copy = self.copies[place.partition]
                    copy.progress = load_batches(copy.rows, batches, copy.progress)
                    # Only after all of them: a cancelled read is read again, never skipped.
                    copy.next_offset = batches[-1].records[-1].offset + 1
        finally:
            await reader.stop()
