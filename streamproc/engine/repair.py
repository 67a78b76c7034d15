"""Opens a partition again after its memory became unusable (law 4).

A commit failed or its outcome is unknown, or the application failed within a chunk. The partition
is closed at once. If this worker is a member of the group and owns the partition, it opens it
again, which fences any other owner. Then the input is rewound to the position in the changelog. A
worker that is not a member any more does nothing: the new owner has fenced it, and the group will
revoke the partition (law 3).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import structlog

from streamproc.engine.cluster import Input
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.life import State
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.partition import Partition
from streamproc.engine.partitions import Partitions
from streamproc.supervision import start_task

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RELAPSE_SECONDS = 30.0
"""If a partition breaks again within this time, each repair waits longer than the last one."""


class Repairs(Generic[T]):
    """Moves partitions from BROKEN back to RUNNING, in the background."""

    def __init__(
        self,
        partitions: Partitions[T],
        crash: Callable[[BaseException], Coroutine[Any, Any, None]],
    ) -> None:
        self._partitions = partitions
        self._crash = crash

    def begin(
        self,
        partition: Partition[T],
        opened: OpenPartition[T],
        why: BaseException,
        source: Input,
    ) -> None:
        """Close a running partition and repair it, unless it has other memory by now."""
        if partition.state is not State.RUNNING or partition.opened is not opened:
            return
        partition.break_off()
        log.error(
            "partition is loaded again",
            partition=partition.number,
            state=partition.state.value,
            why=repr(why),
            advice=self._partitions.cluster.advice(why),
        )
        # An earlier repair of the same partition works on memory that does not exist any more.
        if partition.repair is not None:
            partition.repair.cancel()
        pause_seconds = _pause_before(partition)
        repair = self._repair(partition, opened, why, source, pause_seconds)
        partition.repair = start_task(repair, "repair of a partition", self._give_up)

    def _give_up(self, why: BaseException) -> None:
        """A repair has failed in a way that nobody expected, so the partition would apply
        nothing any more."""
        start_task(self._crash(why), "end of the worker", lambda _: None)

    async def stop(self) -> None:
        """Cancel all repairs."""
        tasks = [one.repair for one in self._partitions if one.repair is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repair(
        self,
        partition: Partition[T],
        opened: OpenPartition[T],
        why: BaseException,
        source: Input,
        pause_seconds: float,
    ) -> None:
        # Paused first, so that no chunk arrives while there is no memory.
        source.pause(partition.number)
        await opened.close()
        # A missing permission does not come back by trying again.
        if isinstance(why, ForbiddenError):
            await self._crash(why)
            return
        await asyncio.sleep(pause_seconds)
        pause_seconds = FIRST_PAUSE_SECONDS
        while partition.state is State.BROKEN:
            try:
                # A worker outside its group must not open the partition: that would fence
                # the new owner.
                if await source.is_member():
                    fresh = await self._partitions.reopen(partition)
                    if fresh is not None:
                        await self._let_flow(partition, fresh, source)
                    return
                log.critical(
                    "this worker is not in its group now; the new owner of the partition continues",
                    partition=partition.number,
                    state=partition.state.value,
                )
            except self._partitions.cluster.transient as error:
                log.error(
                    "partition cannot be loaded yet; trying again",
                    partition=partition.number,
                    state=partition.state.value,
                    error=repr(error),
                    advice=self._partitions.cluster.advice(error),
                )
            except Exception as error:
                # Its state is unreadable or does not fit the cluster. To continue would give
                # wrong results.
                await self._crash(error)
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _let_flow(
        self, partition: Partition[T], fresh: OpenPartition[T], source: Input
    ) -> None:
        for topic in self._partitions.settings.input_topics:
            # A topic without a position in the state starts where the first assignment started it.
            if not await source.rewind(topic, fresh.number, fresh.start_offset(topic) or 0):
                return  # the rebalance that has just begun opens it
        if partition.state is not State.READY or partition.opened is not fresh:
            return  # the rebalance that came meanwhile opens it
        partition.run()
        source.resume(partition.number)
        log.info("partition works again", partition=partition.number, state=partition.state.value)


def _pause_before(partition: Partition[Any]) -> float:
    """No pause before a first repair. Later ones wait, so that a lasting cause makes few
    attempts."""
    now = time.monotonic()
    pause = min(max(2 * partition.pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    if now - partition.broken_at >= RELAPSE_SECONDS:
        pause = 0.0
    partition.broken_at, partition.pause_seconds = now, pause
    return pause
