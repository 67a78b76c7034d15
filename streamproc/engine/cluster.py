"""What the engine needs from Kafka, as protocols.

``engine/faust/`` implements them with Faust and aiokafka; tests implement them with a log in
memory. So the life of a partition can be read and tested without any of the three libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

Records = Iterable[tuple[bytes | None, bytes | None]]
"""Keys and values; a value of None deletes the key."""

Headers = Sequence[tuple[str, bytes | None]]
HeadersByIndex = Mapping[int, Headers]
"""Headers of those records of a topic that have some, by the place among these records."""
NO_HEADERS: HeadersByIndex = MappingProxyType({})

Errors = tuple[type[BaseException], ...]


class Copy(NamedTuple):
    """A record that goes to another partition without changes."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers


class Place(NamedTuple):
    """One partition of one topic. The types of Faust and aiokafka for the same are equal to it."""

    topic: str
    partition: int


class FetchedBatch:
    """Records of one batch, and the offset that the consumer expects for the next one."""

    __slots__ = ("asked_offset", "records", "weight")

    def __init__(self, asked_offset: int, records: Sequence[Any], weight: int = 0) -> None:
        """``weight`` is about the memory that the records take."""
        self.asked_offset = asked_offset
        self.records = records
        self.weight = weight


class UnreadBatch:
    """Stands for records that are not read, a batch or one. It is like a record without a value."""

    __slots__ = ("fault", "offset", "timestamp")
    key = value = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_type = 0

    def __init__(self, offset: int, timestamp: int, fault: str) -> None:
        """``offset`` and ``timestamp`` are the last ones; ``fault`` says why they are not read."""
        self.offset = offset
        self.timestamp = timestamp
        self.fault = fault


class LogReader(Protocol):
    """Reads committed records of chosen partitions in bulk, outside any group."""

    def assign(self, places: Iterable[Place]) -> None:
        """Read these partitions from now on, and no others."""

    async def beginning_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The first existing offset of each partition."""

    async def end_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The offset after the last committed record of each partition."""

    def seek(self, place: Place, offset: int) -> None:
        """Continue to read at an offset."""

    async def position(self, place: Place) -> int:
        """The offset at which reading continues; transaction markers move it too."""

    async def getmany(self, timeout_ms: int) -> Mapping[Place, list[FetchedBatch]]:
        """The batches that arrive within the timeout; possibly none."""

    async def stop(self) -> None:
        """Close the connections."""


class Producer(Protocol):
    """The transactional producer of one input partition."""

    async def start(self) -> None:
        """Fence the predecessor and abort the transaction that it left open."""

    async def begin(self) -> None:
        """Begin a transaction."""

    async def append(
        self, topic: str, records: Records, headers: HeadersByIndex = NO_HEADERS
    ) -> list[asyncio.Future[Any]]:
        """Send records; returns futures that are done when the broker has them."""

    async def append_copies(
        self, place: Place, copies: Iterable[Copy]
    ) -> list[asyncio.Future[Any]]:
        """The same for records that have a partition, time and headers of their own."""

    async def commit(self) -> None:
        """Make the whole transaction visible."""

    async def close(self) -> None:
        """Close at once. The broker or the next owner aborts an open transaction."""

    def meaning_of(self, error: BaseException) -> BaseException | None:
        """The engine's own error for an error of a commit; None if it has none."""


class Finished(Protocol):
    """A batch that is complete but for its producer's number and its checksum."""

    def record_count(self) -> int: ...

    def size(self) -> int:
        """Its bytes."""

    def seal(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Write who sends the batch, and the checksum."""

    def data(self) -> bytes: ...


Pack = Callable[[list[tuple[bytes | None, bytes | None]], int, int], list[Finished]]
"""Makes the batches of a transaction from records that all have the same time (ms). The last
argument: a batch has fewer bytes, or a single record."""


class Cluster(Protocol):
    """The brokers, as far as the opening of a partition needs them."""

    transient: Errors
    """Errors that can disappear without action: the broker is down, slow, or elects a leader."""
    forbidden: Errors
    """Errors about missing permissions. Waiting does not help."""

    def producer(self, partition: int) -> Producer:
        """A new producer that is not started yet."""

    async def reader(self) -> LogReader:
        """A started reader."""

    def advice(self, error: BaseException) -> str:
        """What an operator can do about an error; empty if unknown."""


class Input(Protocol):
    """The input of this worker as a member of its group."""

    @property
    def is_rebalancing(self) -> bool:
        """Whether the group is rebalancing at this moment."""

    def pause(self, partition: int) -> None:
        """Deliver nothing from a partition until it is resumed."""

    def resume(self, partition: int) -> None:
        """Deliver the input of a partition again."""

    async def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Continue at an offset; False if the group has just taken the partition away."""

    def end_offset(self, topic: str, partition: int) -> int | None:
        """The offset after the last readable record, by the last fetch; None before the first
        fetch."""

    def fetch_offset(self, topic: str, partition: int) -> int | None:
        """The offset at which the fetch continues, past markers; None if it has none."""

    async def is_member(self) -> bool:
        """Whether the group still has this worker as a member."""

    async def crash(self, error: BaseException) -> None:
        """Stop the worker because of an error."""
