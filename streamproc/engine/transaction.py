"""One Kafka transaction per partition and commit (laws 1 and 3).

The transactional id names the input partition, so opening the producer fences a predecessor and
aborts what it left open. The steps are those of docs/design.md, "Commit protocol".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

Records = Iterable[tuple[bytes | None, bytes | None]]

BATCH_BYTES = 900_000
"""Below Kafka's default message.max.bytes of 1 MiB."""


class FencedError(RuntimeError):
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
        )

    async def open(self) -> None:
        """Fence the predecessor and abort its open transaction."""
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise

    async def close(self) -> None:
        """Let go without committing anything; an open transaction is left to be aborted."""
        await self._producer.stop()

    async def commit(self, changelog: str, changes: Records, outputs: dict[str, Records]) -> None:
        """Write everything or nothing; returns when a ``read_committed`` reader can see it.

        Raises :class:`FencedError`, or what aiokafka raises. After any error nothing may be
        assumed: close this writer, open a new one and load the state again (law 4).
        """
        try:
            # 2 Begin. (1, taking the partition's changes, was the caller's.)
            await self._producer.begin_transaction()
            # 3 Changed states and 5 the progress record: one batch after the other, in order.
            await self._append(changelog, changes)
            # 4 Reminders, audit, rejects.
            for topic, records in outputs.items():
                await self._append(topic, records)
            # 6 Commit; waits for every batch above to be acknowledged.
            await self._producer.commit_transaction()
        except ProducerFenced as error:
            raise FencedError(f"partition {self.partition} was taken over") from error

    async def _append(self, topic: str, records: Records) -> None:
        producer = self._producer
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                await producer.send_batch(batch, topic, partition=self.partition)
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None) is None:
                    raise ValueError(f"a record for {topic} exceeds {BATCH_BYTES} bytes")
        if batch.record_count():
            await producer.send_batch(batch, topic, partition=self.partition)
