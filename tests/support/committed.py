"""The records of topics that a ``read_committed`` consumer gets: all of them, or as they arrive."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.cluster import PARTITIONS

SETTLE_SECONDS = 10.0


class Committed:
    """The committed records of topics from their beginnings; use as an async context manager."""

    def __init__(self, bootstrap: str, *topics: str, partitions: int = PARTITIONS) -> None:
        self.records: list[Any] = []
        """Records of aiokafka, of each partition in order, as far as they were read."""
        self.counts: Counter[str] = Counter()
        """How many of them are from each topic."""
        self._bootstrap = bootstrap
        self._tps = [TopicPartition(topic, n) for topic in topics for n in range(partitions)]
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            max_partition_fetch_bytes=8_000_000,
            fetch_max_wait_ms=100,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._tps)
        for tp in self._tps:
            # Not seek_to_beginning: it races with the reset that assign() starts.
            self._consumer.seek(tp, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def more(self) -> list[Any]:
        """The records that arrived since, maybe none; waits a little for them."""
        found = (await self._consumer.getmany(timeout_ms=200)).values()
        new = [record for records in found for record in records]
        self.records += new
        self.counts.update(record.topic for record in new)
        return new

    async def to_end(self) -> list[Any]:
        """Read to the present end; returns all records."""
        ends = await self._settled_ends()
        for tp in self._tps:
            while await self._consumer.position(tp) < ends[tp]:
                await self.more()
        return self.records

    async def _settled_ends(self) -> dict[TopicPartition, int]:
        """The ends of committed records, when no transaction is open (at most SETTLE_SECONDS).

        A producer is informed of its commit before every partition has the marker.
        """
        everything: Any = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=None)
        await everything.start()
        try:
            deadline = time.monotonic() + SETTLE_SECONDS
            while True:
                written = await everything.end_offsets(self._tps)
                ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._tps)
                if ends == written or time.monotonic() > deadline:
                    return ends
                await asyncio.sleep(0.05)  # and asks again
        finally:
            await everything.stop()


async def read_committed(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> list[Any]:
    """Every record for a ``read_committed`` consumer, to the present end."""
    async with Committed(bootstrap, topic, partitions=partitions) as log:
        return await log.to_end()
