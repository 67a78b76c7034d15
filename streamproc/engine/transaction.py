"""One Kafka transaction per partition and commit (laws 1 and 3).

The transactional id names the input partition, so opening the producer fences a predecessor and
aborts what it left open. The steps are those of docs/design.md, "Commit protocol".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerFenced

from streamproc.engine import crashpoints
from streamproc.engine.faust.advice import FORBIDDEN, ForbiddenError
from streamproc.errors import StreamprocError

Records = Iterable[tuple[bytes | None, bytes | None]]

BATCH_BYTES = 900_000
"""Below Kafka's default message.max.bytes of 1 MiB."""


TRANSIENT = (KafkaError, OSError, TimeoutError)
"""What may go away by itself: the broker is down, slow, or elects a leader."""

OPEN_LIMIT_SECONDS = 30.0
COMMIT_LIMIT_SECONDS = 30.0
TRANSACTION_TIMEOUT_MS = 60_000
"""Above the commit limit: the broker must not abort what this side still waits for."""


class FencedError(StreamprocError):
    """Another worker has opened this partition; it must not be touched here any more."""


class PartitionWriter:
    """The transactional producer of one input partition."""

    def __init__(self, bootstrap: str, app_id: str, partition: int) -> None:
        self.partition = partition
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"{app_id}-{partition}",
            acks="all",
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )

    async def open(self) -> None:
        """Fence the predecessor and abort its open transaction.

        Raises :class:`ForbiddenError`, aiokafka's other errors, or TimeoutError after
        ``OPEN_LIMIT_SECONDS``.
        """
        try:
            async with asyncio.timeout(OPEN_LIMIT_SECONDS):
                await self._producer.start()
        except BaseException as error:
            await self.close()
            if isinstance(error, FORBIDDEN):
                raise ForbiddenError(error) from error
            if isinstance(error, AssertionError):
                # A broker that has just come back may name no brokers, itself included.
                raise KafkaConnectionError(f"no brokers known yet ({error})") from error
            raise

    async def close(self) -> None:
        """Let go without committing anything; an open transaction is left to be aborted.

        ``AIOKafkaProducer.stop`` would first wait until everything pending is sent, which takes
        for ever when the broker is gone; here nothing uncommitted is worth sending. Its sender's
        tasks wait for one another: a commit for batches that nobody sends once the sender stops.
        """
        producer = self._producer
        producer._closed = True
        tasks = _tasks_of(producer._sender)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await producer.client.close()

    async def commit(self, changelog: str, changes: Records, outputs: dict[str, Records]) -> None:
        """Write everything or nothing; returns when a ``read_committed`` reader can see it.

        Raises :class:`FencedError`, :class:`ForbiddenError`, TimeoutError after
        ``COMMIT_LIMIT_SECONDS``, or what aiokafka raises. After any error nothing may be assumed,
        not even that nothing was committed: close this writer, open a new one and load the state
        again (law 4).
        """
        try:
            async with asyncio.timeout(COMMIT_LIMIT_SECONDS):
                await self._commit(changelog, changes, outputs)
        except ProducerFenced as error:
            raise FencedError(f"partition {self.partition} was taken over") from error
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is not None:
                raise ForbiddenError(refusal) from error
            raise

    def _refusal(self, error: BaseException) -> BaseException | None:
        """The broker's refusal behind an error: what comes of it first is often another one."""
        end = self._producer._txn_manager.wait_for_transaction_end()
        is_known = end is not None and end.done() and not end.cancelled()
        for one in (error, end.exception() if is_known else None):
            if isinstance(one, FORBIDDEN):
                found: BaseException = one
                return found
        return None

    async def _commit(self, changelog: str, changes: Records, outputs: dict[str, Records]) -> None:
        # 2 Begin. (1, taking the partition's changes, was the caller's.)
        await self._producer.begin_transaction()
        crashpoints.reached("commit", "2")
        # 3 Changed states and 5 the progress record: one batch after the other, in order.
        crashpoints.reached("commit", "3")
        sent = await self._append(changelog, changes)
        crashpoints.reached("commit", "5")
        # 4 Reminders, audit, rejects.
        for topic, records in outputs.items():
            sent += await self._append(topic, records)
        crashpoints.reached("commit", "4")
        # aiokafka would commit without a batch that the broker has refused.
        await asyncio.gather(*sent)
        # 6 Commit.
        await self._producer.commit_transaction()
        crashpoints.reached("commit", "6")

    async def _append(self, topic: str, records: Records) -> list[asyncio.Future[Any]]:
        """Hand over records; returns what to await until the broker has them."""
        sent, now_ms = [], int(time.time() * 1000)
        batch, count = self._producer.create_batch(), 0
        append = batch._builder.append  # the batch's own adds as much time again
        for key, value in records:
            if append(count, now_ms, key, value, _NO_HEADERS) is None:
                sent.append(await self._send(batch, count, topic))
                batch, count = self._producer.create_batch(), 0
                append = batch._builder.append
                if append(count, now_ms, key, value, _NO_HEADERS) is None:
                    raise ValueError(f"a record for {topic} exceeds {BATCH_BYTES} bytes")
            count += 1
        if count:
            sent.append(await self._send(batch, count, topic))
        return sent

    async def _send(self, batch: Any, count: int, topic: str) -> asyncio.Future[Any]:
        batch._relative_offset = count
        sent: asyncio.Future[Any] = await self._producer.send_batch(
            batch, topic, partition=self.partition
        )
        return sent


_NO_HEADERS: list[tuple[str, bytes]] = []


def _tasks_of(sender: Any) -> list[asyncio.Task[Any]]:
    """The tasks that a producer's sender has started and that still run."""
    found = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_locals.get("self") is sender:
            found.append(task)
    return found
