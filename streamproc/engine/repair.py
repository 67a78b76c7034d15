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
from typing import Any

import structlog

from streamproc.engine.cluster import Input
from streamproc.engine.errors import ForbiddenError
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.owner import Owner

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RELAPSE_SECONDS = 30.0
"""A partition that fails again so soon waits longer and longer before it is opened."""


class Repairs:
    """The repairs under way, at most one per partition."""

    def __init__(
        self, owner: Owner[Any], crash: Callable[[BaseException], Coroutine[Any, Any, None]]
    ) -> None:
        self._owner = owner
        self._crash = crash
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._last: dict[int, tuple[float, float]] = {}
        """By partition: when it failed last (monotonic), and the pause that followed."""

    def begin(self, partition: OpenPartition[Any], why: BaseException, source: Input) -> None:
        """Close a partition now and bring it back in the background; repeated calls do nothing."""
        number = partition.number
        if self._owner.partitions.get(number) is not partition:
            return
        log.error(
            "partition is loaded again",
            partition=number,
            why=repr(why),
            advice=self._owner.cluster.advice(why),
        )
        del self._owner.partitions[number]
        old = self._tasks.get(number)
        if old is not None:
            old.cancel()
        pause = self._pause_before(number)
        self._tasks[number] = asyncio.create_task(self._repair(partition, why, source, pause))

    async def stop(self) -> None:
        """Give up whatever is under way."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _pause_before(self, number: int) -> float:
        """None for a first failure; a cause that stays must not make a storm of attempts."""
        now = time.monotonic()
        failed, pause = self._last.get(number, (-RELAPSE_SECONDS, 0.0))
        pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        if now - failed >= RELAPSE_SECONDS:
            pause = 0.0
        self._last[number] = now, pause
        return pause

    async def _repair(
        self, partition: OpenPartition[Any], why: BaseException, source: Input, pause: float
    ) -> None:
        number = partition.number
        source.pause(number)
        await partition.close()
        if isinstance(why, ForbiddenError):
            await self._crash(why)
            return
        await asyncio.sleep(pause)
        pause = FIRST_PAUSE_SECONDS
        while self._owner.lacks(number):
            try:
                if await source.is_member():
                    fresh = await self._owner.reopen(number)
                    if fresh is not None:
                        await self._let_flow(fresh, source)
                    return
                log.critical("not a member of the group now, leaving it alone", partition=number)
            except self._owner.cluster.transient as error:
                log.error(
                    "partition cannot be loaded yet",
                    partition=number,
                    error=repr(error),
                    advice=self._owner.cluster.advice(error),
                )
            except Exception as error:
                # Its state is unreadable or contradicts the cluster: going on would go wrong.
                await self._crash(error)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _let_flow(self, fresh: OpenPartition[Any], source: Input) -> None:
        for topic in self._owner.settings.input_topics:
            # A topic the state says nothing of starts where the first assignment started it.
            if not await source.rewind(topic, fresh.number, fresh.start_offset(topic) or 0):
                return  # the rebalance that has just begun sees to it
        source.resume(fresh.number)
        log.info("partition works again", partition=fresh.number)
