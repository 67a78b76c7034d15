"""Consumers that read committed records in bulk, outside any group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition

from streamproc.engine.cluster import FetchedBatch, Place
from streamproc.engine.faust.whole_batches import ByBatch, read_whole_batches
from streamproc.kafka.aio_clients import aio_consumer
from streamproc.kafka.settings import Broker


def committed_consumer(broker: Broker, **settings: Any) -> Any:
    """A consumer without a group that reads committed records in bulk."""
    return aio_consumer(
        broker,
        isolation_level="read_committed",
        enable_auto_commit=False,
        group_id=None,
        max_partition_fetch_bytes=8_000_000,
        fetch_max_bytes=64_000_000,
        fetch_max_wait_ms=100,
        **settings,
    )


class BatchReader:
    """A reader on such a consumer: it reads in batches."""

    def __init__(self, broker: Broker, mark: ByBatch | None = None) -> None:
        """``mark`` gets the offsets that have no record."""
        read_whole_batches()
        self._mark = ByBatch() if mark is None else mark
        self._consumer = committed_consumer(broker, key_deserializer=self._mark)

    async def start(self) -> None:
        """Connect to the brokers."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._consumer.stop()

    def assign(self, places: Iterable[Place]) -> None:
        """Read these partitions from now on, and no others."""
        self._consumer.assign(_theirs(places))

    def seek(self, place: Place, offset: int) -> None:
        """Continue to read at an offset."""
        self._consumer.seek(TopicPartition(*place), offset)

    async def position(self, place: Place) -> int:
        """The offset at which reading continues; transaction markers move it too."""
        position: int = await self._consumer.position(TopicPartition(*place))
        return position

    async def beginning_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The first existing offset of each partition."""
        found: Mapping[Place, int] = await self._consumer.beginning_offsets(_theirs(places))
        return found

    async def end_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The offset after the last committed record of each partition."""
        found: Mapping[Place, int] = await self._consumer.end_offsets(_theirs(places))
        return found

    async def getmany(self, timeout_ms: int) -> Mapping[Place, list[FetchedBatch]]:
        """The batches that arrive within the timeout; possibly none."""
        found: Mapping[Place, list[FetchedBatch]]
        self._mark.begin_poll()
        found = await self._consumer.getmany(timeout_ms=timeout_ms)
        return found


def _theirs(places: Iterable[Place]) -> list[Any]:
    return [TopicPartition(*place) for place in places]
