"""Bringing a partition back after its memory became worthless (law 4).

A commit failed or its outcome is unknown, or the application failed half-way through a chunk. The
partition is closed at once; then, for as long as this worker is a member of the group and owns the
partition, it is opened again (which fences whoever else holds it) and its input is rewound to the
position in the changelog. A worker that is no member any more leaves the partition alone: it was
fenced by the new owner, and the group will tell it so (law 3).
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

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RELAPSE_SECONDS = 30.0
"""A partition that breaks again so soon waits longer and longer before it is opened."""


class Repairs(Generic[T]):
    """Takes partitions from BROKEN back to RUNNING, in the background."""

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
        """Break a running partition off and bring it back; not for a memory it has no more."""
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
        if partition.repair is not None:
            partition.repair.cancel()
        pause_seconds = _pause_before(partition)
        repair = self._repair(partition, opened, why, source, pause_seconds)
        partition.repair = asyncio.create_task(repair)

    async def stop(self) -> None:
        """Give up whatever is under way."""
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
        source.pause(partition.number)
        await opened.close()
        if isinstance(why, ForbiddenError):
            await self._crash(why)
            return
        await asyncio.sleep(pause_seconds)
        pause_seconds = FIRST_PAUSE_SECONDS
        while partition.state is State.BROKEN:
            try:
                if await source.is_member():
                    fresh = await self._partitions.reopen(partition)
                    if fresh is not None:
                        await self._let_flow(partition, fresh, source)
                    return
                log.critical(
                    "not a member of the group now, leaving it alone",
                    partition=partition.number,
                    state=partition.state.value,
                )
            except self._partitions.cluster.transient as error:
                log.error(
                    "partition cannot be loaded yet",
                    partition=partition.number,
                    state=partition.state.value,
                    error=repr(error),
                    advice=self._partitions.cluster.advice(error),
                )
            except Exception as error:
                # Its state is unreadable or contradicts the cluster: going on would go wrong.
                await self._crash(error)
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _let_flow(
        self, partition: Partition[T], fresh: OpenPartition[T], source: Input
    ) -> None:
        for topic in self._partitions.settings.input_topics:
            # A topic the state says nothing of starts where the first assignment started it.
            if not await source.rewind(topic, fresh.number, fresh.start_offset(topic) or 0):
                return  # the rebalance that has just begun sees to it
        if partition.state is not State.READY or partition.opened is not fresh:
            return  # so does the one that came meanwhile
        partition.run()
        source.resume(partition.number)
        log.info("partition works again", partition=partition.number, state=partition.state.value)


def _pause_before(partition: Partition[Any]) -> float:
    """None for a first failure; a cause that stays must not make a storm of attempts."""
    now = time.monotonic()
    pause = min(max(2 * partition.pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    if now - partition.broken_at >= RELAPSE_SECONDS:
        pause = 0.0
    partition.broken_at, partition.pause_seconds = now, pause
    return pause
