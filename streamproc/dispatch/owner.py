"""Owned partitions: opens them in order, commits their batches, gives them back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from kafka.errors import KafkaError

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.journal import read_positions
from streamproc.dispatch.ledger import Cursor, JournalTransaction
from streamproc.dispatch.model import Outgoing
from streamproc.dispatch.observing import JournalObserver
from streamproc.dispatch.partition_journal import (
    DispatcherFencedError,
    JournalLostError,
    PartitionJournal,
)
from streamproc.dispatch.progress import DispatchProgress
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.errors import StreamprocError
from streamproc.supervision import in_background, start_task, tell

log = structlog.get_logger(__name__)

COMMIT_RETRY = Backoff(base_ms=500, max_ms=5_000)
LAST_COMMIT_S = 2.0
"""How long the last commits wait for Kafka after the answers of gateways."""


class OwnershipError(StreamprocError):
    """The group assigned a partition to this process, but another one owns its journal."""


class JournalOwner:
    """The journals of owned partitions, and for each a task that commits when there is work."""

    def __init__(
        self,
        settings: DispatchSettings,
        scheduler: Scheduler,
        tally: ReceiptTally,
        observer: JournalObserver,
        send: Callable[[Outgoing], None],
        wake: Callable[[], None],
        now_ms: Callable[[], int],
        progress: DispatchProgress,
        ask_again: Callable[[], None] = lambda: None,
    ) -> None:
        """``ask_again``: makes the group assign its partitions again."""
        self._progress = progress
        self._ask_again = ask_again
        self._settings = settings
        self._scheduler = scheduler
        self._tally = tally
        self._observer = observer
        self._send = send
        self._wake = wake
        self._now_ms = now_ms
        self._journals: dict[int, PartitionJournal] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._committers: dict[int, asyncio.Task[None]] = {}
        self._due: dict[int, asyncio.Event] = {}
        self._forced: set[int] = set()
        self._lost_ms: dict[int, int] = {}
        self._answered = asyncio.Event()
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """It fails when this process cannot continue."""

    async def open(
        self, partition: int, seek: Callable[[int], Awaitable[dict[Cursor, int]]]
    ) -> dict[int, int]:
        """Fence, load, seek, in this order. Only then are records accepted.

        Returns the positions from which the reports topic must be read for this partition.
        """
        log.info("opening a partition", partition=partition)
        names = tuple(lane.name for lane in self._scheduler.lanes)
        journal = PartitionJournal(self._settings, names, partition)
        try:
            # In a thread, because these calls block for seconds.
            await asyncio.to_thread(journal.open)
            content = await asyncio.to_thread(journal.load)
            positions = await seek(partition)
        except BaseException:
            in_background(journal.close, "close of a journal")
            raise
        ledger = self._scheduler.open(partition, content.entries)
        ledger.reports_read = read_positions(content.positions)
        for cursor, position in positions.items():
            ledger.begin(cursor, position)
        self._journals[partition] = journal
        self._locks[partition] = asyncio.Lock()
        self._due[partition] = asyncio.Event()
        self._lost_ms.pop(partition, None)
        work = self._commit_when_due(partition)
        self._committers[partition] = start_task(work, "commits", self.fail)
        log.info("partition opened", partition=partition, remembered=len(content.entries))
        return content.positions

    def commit_positions(self) -> None:
        """Commit also partitions of which only positions have moved."""
        self._forced.update(self._scheduler.ledgers)
        self.commit_soon()

    def check_lost(self) -> None:
        """Raises :class:`OwnershipError` if a partition was lost and no rebalance follows."""
        limit_ms = self._settings.session_timeout_seconds * 3000
        for partition, since_ms in self._lost_ms.items():
            if self._now_ms() - since_ms > limit_ms:
                raise OwnershipError(
                    f"another dispatcher writes the journal of partition {partition}, but the "
                    f"group {self._settings.group} gave it to this one; two groups must not "
                    f"share a journal: give each its own --journal and --group"
                )

    async def give_back(self, partitions: list[int], limit_seconds: float) -> None:
        """Wait for answers, write them, and forget the partitions.

        A message without an answer by then stays an intent: the next owner decides about it.
        """
        owned = [partition for partition in partitions if partition in self._scheduler.ledgers]
        for partition in owned:
            # From now on no message of these partitions is started.
            self._scheduler.ledgers[partition].closing = True
        self.commit_soon()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds):
                await self._answers(owned)
        still = [partition for partition in owned if partition in self._scheduler.ledgers]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_COMMIT_S):
                last = map(self._commit_last, still)
                for error in await asyncio.gather(*last, return_exceptions=True):
                    if error is not None:
                        tell("last commit", error)
        for partition in still:
            self._forget(partition)
        if owned:
            log.info("partitions given back to the group", partitions=owned)

    def answered(self) -> None:
        """A message was settled."""
        self._answered.set()

    def commit_soon(self) -> None:
        """There may be something to write."""
        for event in self._due.values():
            event.set()

    async def _commit_last(self, partition: int) -> None:
        # The committer may be in the middle of a commit, which may never succeed.
        async with self._locks[partition]:
            if partition not in self._journals:
                return  # it was fenced meanwhile
            self._forced.add(partition)
            await self._commit_once(partition)

    async def _commit_when_due(self, partition: int) -> None:
        lock, due = self._locks[partition], self._due[partition]
        while True:
            await due.wait()
            due.clear()
            async with lock:
                if not await self._commit_once(partition):
                    return

    async def _commit_once(self, partition: int) -> bool:
        """Commit what there is and release its messages; False if the partition is lost."""
        ledger = self._scheduler.ledgers.get(partition)
        if ledger is None:
            return False
        force = partition in self._forced
        # Cleared before the commit: a demand that comes during the commit must lead to another one.
        self._forced.discard(partition)
        batch = self._scheduler.take_batch(partition, force)
        if batch is None:
            return True
        is_written = False
        try:
            is_written = await self._commit(partition, batch)
        finally:
            if not is_written:  # also if the time for it is over
                self._scheduler.abandon(batch)
                self._wake()
        if not is_written:
            return False
        self._scheduler.recorded(batch)
        self._wake()
        self._tally.add(batch.receipts)
        self._observer.committed(batch)
        for message in batch.release:
            self._send(message)
        return True

    async def _commit(self, partition: int, batch: JournalTransaction) -> bool:
        journal = self._journals[partition]
        failures = 0
        while True:
            try:
                with self._progress.step(f"commit of partition {partition}"):
                    await asyncio.to_thread(journal.commit, batch)
                return True
            except DispatcherFencedError:
                log.warning(
                    "another dispatcher took a partition over; it is not written here any more",
                    partition=partition,
                )
                self._lost_ms[partition] = self._now_ms()
                self._forget(partition)
                return False
            except JournalLostError as error:
                self._observer.commit_failed()
                log.warning(
                    "the journal of a partition cannot be written at the moment; it is opened "
                    "again when the group has assigned the partition again",
                    partition=partition,
                    error=str(error),
                )
                self._forget(partition)
                self._ask_again()
                return False
            except KafkaError as error:
                self._observer.commit_failed()
                failures += 1
                pause_ms = COMMIT_RETRY.wait_ms(failures, 0.5)
                log.warning(
                    "a commit failed; trying again soon",
                    partition=partition,
                    error=str(error),
                    failures=failures,
                    pause_ms=pause_ms,
                )
                await asyncio.sleep(pause_ms / 1000)

    def fail(self, error: BaseException) -> None:
        """This process cannot continue."""
        if not self.broken.done():
            self.broken.set_exception(error)

    async def _answers(self, partitions: list[int]) -> None:
        ledgers = self._scheduler.ledgers
        while any(self._scheduler.in_flight(one) for one in partitions if one in ledgers):
            self._answered.clear()
            await self._answered.wait()

    def _forget(self, partition: int) -> None:
        self._scheduler.close(partition)
        self._answered.set()
        self._due.pop(partition, None)
        self._locks.pop(partition, None)
        committer = self._committers.pop(partition, None)
        # The committer calls this function itself when it is fenced. It must not cancel itself.
        if committer is not None and committer is not asyncio.current_task():
            committer.cancel()
        journal = self._journals.pop(partition, None)
        if journal is not None:
            # Not awaited: the close can take seconds if the broker is down.
            in_background(journal.close, "close of a journal")
