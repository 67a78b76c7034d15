"""What the engine asks of Kafka, as protocols.

``engine/faust/`` provides them with Faust and aiokafka; tests provide them with a log in memory. So
the life of a partition can be read, and tested, without any of the three libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

Records = Iterable[tuple[bytes | None, bytes | None]]
"""Keys and values; a value of None is a deletion."""

Errors = tuple[type[BaseException], ...]


class Place(NamedTuple):
    """One partition of one topic. Faust's and aiokafka's own names of it are equal to it."""

    topic: str
    partition: int


class FetchedBatch:
    """Records of one batch, and from which offset on they are the next ones."""

    __slots__ = ("asked_offset", "records")

    def __init__(self, asked_offset: int, records: list[Any]) -> None:
        self.asked_offset = asked_offset
        self.records = records


class LogReader(Protocol):
    """Reads committed records of chosen partitions in bulk, as a member of no group."""

    def assign(self, places: Iterable[Place]) -> None:
        """From now on read these partitions, and no others."""

    async def beginning_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The first offset that there is, of any partitions."""

    async def end_offsets(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """The offset after the last committed record, of any partitions."""

    def seek(self, place: Place, offset: int) -> None:
        """Go on at an offset."""

    async def position(self, place: Place) -> int:
        """Where reading goes on; it passes the markers of transactions, too."""

    async def getmany(self, timeout_ms: int) -> Mapping[Place, list[FetchedBatch]]:
        """What comes within so long; it may be nothing."""

    async def stop(self) -> None:
        """Let go."""


class Producer(Protocol):
    """The transactional producer of one input partition."""

    async def start(self) -> None:
        """Fence the predecessor and abort the transaction that it left open."""

    async def begin(self) -> None:
        """Begin a transaction."""

    async def append(self, topic: str, records: Records) -> list[asyncio.Future[Any]]:
        """Hand records over; returns what to await until the broker has them."""

    async def commit(self) -> None:
        """Make all of the transaction visible."""

    async def close(self) -> None:
        """Let go at once; an open transaction is left to be aborted."""

    def meaning_of(self, error: BaseException) -> BaseException | None:
        """The engine's own error for what a commit raised; None if it has none."""


class Cluster(Protocol):
    """The brokers, as far as the opening of a partition needs them."""

    transient: Errors
    """What may go away by itself: the broker is down, slow, or elects a leader."""
    forbidden: Errors
    """What the broker does not allow, which does not change by waiting."""

    def producer(self, partition: int) -> Producer:
        """A producer that is not started yet."""

    async def reader(self) -> LogReader:
        """A reader, ready to be used."""

    def advice(self, error: BaseException) -> str:
        """What an operator can do about an error; empty if nobody knows."""


class Input(Protocol):
    """The input of this worker as a member of its group."""

    @property
    def is_rebalancing(self) -> bool:
        """Whether the group is giving and taking partitions at this moment."""

    def pause(self, partition: int) -> None:
        """Deliver nothing of a partition until it is resumed."""

    def resume(self, partition: int) -> None:
        """Deliver a partition's input again."""

    async def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Go on at an offset; False if the group has just taken the partition away."""

    def end_offset(self, topic: str, partition: int) -> int | None:
        """The offset after the last readable record, by the last fetch; None before the first."""

    async def is_member(self) -> bool:
        """Whether the group still counts on this worker."""

    async def crash(self, error: BaseException) -> None:
        """End the worker."""
