"""aiokafka's transactional producer: sends whole batches, and closes without waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import KafkaConnectionError, ProducerFenced

from streamproc.engine.cluster import (
    NO_HEADERS,
    Copy,
    Headers,
    HeadersByIndex,
    Pack,
    Place,
    Records,
)
from streamproc.engine.errors import ForbiddenError, TakenOverError
from streamproc.engine.faust.advice import FORBIDDEN
from streamproc.engine.faust.finished_batches import SealedLater
from streamproc.kafka.aio_clients import aio_producer
from streamproc.kafka.settings import Broker

BATCH_BYTES = 900_000
"""Less than Kafka's default message.max.bytes of 1 MiB."""

OPEN_LIMIT_SECONDS = 30.0
TRANSACTION_TIMEOUT_MS = 60_000
"""Longer than the commit limit: the broker must not abort a commit that we still wait for."""


class TransactionalProducer:
    """The transactional producer of one input partition."""

    def __init__(
        self, broker: Broker, app_id: str, partition: int, pack: Pack | None = None
    ) -> None:
        """``pack`` makes batches without aiokafka; None: aiokafka appends every record."""
        self.partition = partition
        self._pack = pack
        self._broker = broker
        self._producer: Any = aio_producer(
            broker,
            transactional_id=f"{app_id}-{partition}",
            acks="all",
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )

    async def start(self) -> None:
        """Fence the predecessor and abort its open transaction.

        Raises :class:`ForbiddenError`, other errors of aiokafka, or TimeoutError after
        ``OPEN_LIMIT_SECONDS``.
        """
        try:
            async with asyncio.timeout(OPEN_LIMIT_SECONDS):
                await self._producer.start()
        except BaseException as error:
            await self.close()
            if isinstance(error, FORBIDDEN):
                raise ForbiddenError(error, self._broker, "Write") from error
            if isinstance(error, AssertionError):
                # A broker that has just restarted may know no brokers, not even itself.
                raise KafkaConnectionError(f"no brokers known yet ({error})") from error
            raise

    async def close(self) -> None:
        """Close without committing. An open transaction is aborted later by the broker or the next
        owner.

        ``AIOKafkaProducer.stop`` would first wait until everything pending is sent, which takes for
        ever if the broker is gone. Uncommitted records need not be sent. The tasks of its sender
        wait for one another: a commit waits for batches that nobody sends once the sender stops.
        """
        producer = self._producer
        producer._closed = True
        tasks = _tasks_of(producer._sender)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await producer.client.close()

    async def begin(self) -> None:
        """Begin a transaction."""
        await self._producer.begin_transaction()

    async def commit(self) -> None:
        """Make the whole transaction visible."""
        await self._producer.commit_transaction()

    def meaning_of(self, error: BaseException) -> BaseException | None:
        """The engine's own error for an error of a commit; None if it has none."""
        if isinstance(error, ProducerFenced):
            return TakenOverError(f"partition {self.partition} was taken over")
        refusal = self._refusal(error)
        return None if refusal is None else ForbiddenError(refusal, self._broker, "Write")

    def _refusal(self, error: BaseException) -> BaseException | None:
        """The broker's refusal that is the cause of an error. The error itself is often another
        one."""
        end = self._producer._txn_manager.wait_for_transaction_end()
        is_known = end is not None and end.done() and not end.cancelled()
        for one in (error, end.exception() if is_known else None):
            if isinstance(one, FORBIDDEN):
                found: BaseException = one
                return found
        return None

    async def append(
        self, topic: str, records: Records, headers: HeadersByIndex = NO_HEADERS
    ) -> list[asyncio.Future[Any]]:
        """Send records; returns futures that are done when the broker has them."""
        now_ms = int(time.time() * 1000)
        if self._pack is not None and not headers:
            batches = self._pack(list(records), now_ms, BATCH_BYTES)
            place = Place(topic, self.partition)
            return [await self._send(SealedLater(one), place) for one in batches]
        copies: Iterable[_Copy]
        if headers:
            # The builder takes lists alone.
            copies = (
                (key, value, now_ms, list(headers.get(index, _NONE)))
                for index, (key, value) in enumerate(records)
            )
        else:
            copies = ((key, value, now_ms, _NONE) for key, value in records)
        return await self._append(Place(topic, self.partition), copies)

    async def append_copies(
        self, place: Place, copies: Iterable[Copy]
    ) -> list[asyncio.Future[Any]]:
        """The same for records that have a partition, time and headers of their own."""
        return await self._append(place, copies)

    async def _append(self, place: Place, copies: Iterable[_Copy]) -> list[asyncio.Future[Any]]:
        sent = []
        batch, count = self._producer.create_batch(), 0
        append = batch._builder.append  # the public method of the batch takes twice as long
        for key, value, timestamp_ms, headers in copies:
            if append(count, timestamp_ms, key, value, headers) is None:
                batch._relative_offset = count
                sent.append(await self._send(batch, place))
                batch, count = self._producer.create_batch(), 0
                append = batch._builder.append
                if append(count, timestamp_ms, key, value, headers) is None:
                    raise ValueError(f"a record for {place.topic} exceeds {BATCH_BYTES} bytes")
            count += 1
        if count:
            batch._relative_offset = count
            sent.append(await self._send(batch, place))
        return sent

    async def _send(self, batch: Any, place: Place) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self._producer.send_batch(
            batch, place.topic, partition=place.partition
        )
        return sent


_Copy = tuple[bytes | None, bytes | None, int, Headers]
_NONE: Headers = []


def _tasks_of(sender: Any) -> list[asyncio.Task[Any]]:
    """The tasks that a producer's sender has started and that still run."""
    found = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_locals.get("self") is sender:
            found.append(task)
    return found
