"""All partitions of a worker: opened, finished and closed as the group assigns and revokes them.

Before each rebalance the group's protocol revokes every partition; afterwards it assigns them. So a
revoked partition keeps its memory in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

import structlog

from streamproc.engine.cluster import Cluster
from streamproc.engine.forms import SILENT_FORM
from streamproc.engine.housekeeping import give_memory_back
from streamproc.engine.life import IN_MEMORY, State
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.opening import Opener
from streamproc.engine.partition import Partition
from streamproc.engine.processor import Processor
from streamproc.engine.settings import EngineSettings
from streamproc.engine.standby import Standbys

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Partitions(Generic[T]):
    """The partitions that this worker knows, by number. Each is created at its first use."""

    def __init__(
        self,
        settings: EngineSettings,
        processor: Processor[T],
        cluster: Cluster,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.settings = settings
        self.processor = processor
        self.cluster = cluster
        self.observer = observer
        self.has_assignment = False
        """Whether the group has ever assigned partitions to this worker."""
        self.form = SILENT_FORM
        """The form that is written: all workers of the group read it, as of the last assignment."""
        self._all: dict[int, Partition[T]] = {}
        self._changelog = ""
        self._standbys = Standbys(cluster, lambda: self.processor.new_rows())
        self._opener: Opener[T] = Opener(settings, cluster, self._standbys, observer)
        self._lock = asyncio.Lock()
        """Held while partitions are opened or closed."""

    def __getitem__(self, number: int) -> Partition[T]:
        partition = self._all.get(number)
        if partition is None:
            partition = self._all[number] = Partition(number)
        return partition

    def __iter__(self) -> Iterator[Partition[T]]:
        return iter(list(self._all.values()))

    @property
    def states(self) -> dict[int, State]:
        """The state of each partition that was ever here, by number."""
        return {number: partition.state for number, partition in self._all.items()}

    @property
    def opened(self) -> list[OpenPartition[T]]:
        """The memory of the partitions that are open."""
        return [partition.opened for partition in self if partition.opened is not None]

    async def own(
        self, actives: set[int], standbys: set[int], changelog: str, form: int = SILENT_FORM
    ) -> None:
        """An assignment: this worker owns exactly ``actives`` and has warm copies of
        ``standbys``. All workers of the group read ``form``."""
        async with self._lock:
            self._changelog = changelog
            self._write_form(form)
            self.observer.assigned()
            before = {one.number for one in self if one.state in IN_MEMORY}
            log.info(
                "partitions assigned",
                partitions=sorted(actives),
                new=sorted(actives - before),
                gone=sorted(before - actives),
                standby=sorted(standbys),
            )
            for partition in self:
                await self._keep_or_close(partition, partition.number in actives)
            new = [self[number] for number in sorted(actives) if not _is_taken(self[number])]
            await asyncio.gather(*(self._open_patiently(partition) for partition in new))
            if new:
                # Loading frees much memory that the C library would otherwise keep.
                give_memory_back()
            await self._standbys.follow(changelog, [self[number] for number in sorted(standbys)])
            self.has_assignment = True

    async def reopen(self, partition: Partition[T]) -> OpenPartition[T] | None:
        """Load a partition again (law 4); None if this worker must not open it any more."""
        async with self._lock:
            if partition.state is not State.BROKEN:
                return None
            return await self._open(partition)

    async def finish(self, numbers: set[int]) -> None:
        """A revocation: apply nothing more to these, and commit what was applied."""
        revoked = [self[number] for number in numbers]
        here = sorted(one.number for one in revoked if one.state in IN_MEMORY)
        if here:
            log.info("partitions revoked", partitions=here)
        # Before any wait, so that no partition applies more input meanwhile.
        for partition in revoked:
            if partition.state is State.RUNNING:
                partition.begin_finishing()
        await self._end_openings(revoked)
        finishing = [one for one in revoked if one.state is State.FINISHING]
        results = await asyncio.gather(*(one.finish() for one in finishing), return_exceptions=True)
        for partition, result in zip(finishing, results, strict=True):
            # The end of the worker may have closed it meanwhile.
            if isinstance(result, BaseException) and partition.state is State.FINISHING:
                # Its memory is unusable now (law 4). The next owner loads it again.
                log.error(
                    "the commit before a revocation failed; the next owner repeats its work",
                    partition=partition.number,
                    state=State.CLOSED.value,
                    error=repr(result),
                )
                await partition.close()

    async def close(self) -> None:
        """Close everything."""
        async with self._lock:
            # An opening must not be stopped in the middle: it could still fence the next owner.
            for partition in self:
                if partition.state not in (State.STANDBY, State.OPENING):
                    await partition.close()
            await self._standbys.stop()

    def _write_form(self, form: int) -> None:
        """From the next commits on."""
        if form != self.form:
            log.info("another form of the state is written", form=form, before=self.form)
        self.form = form
        for opened in self.opened:
            opened.write_form(form)

    async def _keep_or_close(self, partition: Partition[T], is_active: bool) -> None:
        """Apply an assignment to a partition that is here."""
        if is_active and partition.state is State.SUSPENDED:
            partition.give_back()
        elif partition.state is State.FINISHING or (
            not is_active and partition.state not in (State.STANDBY, State.OPENING)
        ):
            await partition.close()

    async def _end_openings(self, revoked: list[Partition[T]]) -> None:
        """Wait for openings that have begun; begin no others.

        The wait is necessary: an opening that ends after the revocation would fence the new owner.
        """
        await _close_broken(revoked)
        # Openings hold the lock, so this waits for them.
        async with self._lock:
            pass
        # An opening that failed meanwhile has made its partition broken.
        await _close_broken(revoked)
        for partition in revoked:
            if partition.state is State.READY:
                partition.suspend()

    async def _open_patiently(self, partition: Partition[T]) -> None:
        """Open a partition, and try again while the broker does not answer. Raises the last
        error."""
        await self._open(partition, self.settings.open_patience_seconds)

    async def _open(
        self, partition: Partition[T], patience_seconds: float = 0.0
    ) -> OpenPartition[T]:
        partition.begin_opening()
        try:
            opened = await self._load(partition, patience_seconds)
        except BaseException:
            partition.give_up_opening()
            raise
        partition.take_over(opened)
        return opened

    async def _load(self, partition: Partition[T], patience_seconds: float) -> OpenPartition[T]:
        began = time.monotonic()
        while True:
            try:
                return await self._opener.open(
                    partition, self._changelog, self.processor, self.form
                )
            except self.cluster.transient as error:
                if time.monotonic() - began > patience_seconds or not patience_seconds:
                    raise
                log.warning(
                    "a partition cannot be opened yet; trying again",
                    partition=partition.number,
                    state=partition.state.value,
                    error=repr(error),
                    advice=self.cluster.advice(error),
                )
                await asyncio.sleep(1.0)


def _is_taken(partition: Partition[T]) -> bool:
    """Whether it is open, or being opened."""
    return partition.opened is not None or partition.state is State.OPENING


async def _close_broken(partitions: list[Partition[T]]) -> None:
    """Close broken partitions that do not belong to this worker any more, so that nobody reopens
    them."""
    for partition in partitions:
        if partition.state is State.BROKEN:
            await partition.close()
