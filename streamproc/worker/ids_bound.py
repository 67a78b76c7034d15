"""Bounds how many identities of events a partition remembers, and says so before that is reached.

Nothing is forgotten in silence: what a partition has to forget early, it also rejects from then on,
because nobody can know whether it counted (``core/usage/ages.py``). So late events of the earliest
day are the price, and never an event that is charged twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.limits import Limits
from streamproc.core.state.account import Account
from streamproc.engine.ids import IdMemory
from streamproc.engine.life import State
from streamproc.engine.partitions import Partitions
from streamproc.worker.hourly import Hourly

log = structlog.get_logger(__name__)

NEAR_SHARE = 0.8
BYTES_PER_ID = 12
"""What an id takes in the memory of a worker, rounded up."""
_MOST_WARNINGS = 10_000
_OTHERS = -1, ""


class IdsBound:
    """The bound of every partition of a worker."""

    def __init__(self, most_ids: int, now: Callable[[], float] = time.monotonic) -> None:
        """``now`` is monotonic, in seconds."""
        self._most_ids = most_ids
        self._warnings = Hourly[tuple[int, str]](now, _MOST_WARNINGS, _OTHERS)

    def look_at_all(self, partitions: Partitions[Account], limits: Limits) -> None:
        """Look at every partition that runs here."""
        for partition in partitions:
            opened = partition.opened
            if partition.state is State.RUNNING and opened is not None:
                clock_ms = opened.progress.clock_ms
                self.look(partition.number, opened.rows.ids, limits, clock_ms)

    def look(self, partition: int, ids: IdMemory, limits: Limits, clock_ms: int) -> bool:
        """Warn if the bound is near, and keep it; returns whether anything was forgotten early.

        ``clock_ms`` is the partition's clock.
        """
        count = len(ids)
        if count < self._most_ids * NEAR_SHARE:
            return False
        first_day = ids.days()[0]
        is_over = count > self._most_ids
        # A source must stay able to be a day late. So the bound gives way to a day of events.
        shortest_ms = min([limits.max_age_ms, *limits.max_age_by_source.values()])
        if is_over and first_day * DAY_MS <= clock_ms + shortest_ms - DAY_MS:
            ids.expire(first_day * DAY_MS)
            log.critical(
                "a partition remembers too many events and forgets the ids of its earliest day: "
                "late events of that time are rejected from now on. Give sources a smaller "
                "max_age_days, or the topics more partitions, or raise --ids-per-partition",
                partition=partition,
                forgotten=count - len(ids),
                ids=len(ids),
                bound=self._most_ids,
            )
            return True
        words = (
            "a partition remembers more events than the bound allows, but needs all of them: "
            "sources must stay able to be a day late"
            if is_over
            else "a partition remembers nearly as many events as the bound allows"
        )
        if self._warnings.note((partition, words)) is not None:
            log.warning(
                f"{words}. Give sources a smaller max_age_days (docs/rules.md), or the topics more "
                "partitions, or raise --ids-per-partition",
                partition=partition,
                ids=count,
                bound=self._most_ids,
                memory_mb=count * BYTES_PER_ID // 1_000_000,
            )
        return False
