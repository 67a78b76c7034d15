"""The application, as the engine sees it: what it is given, and what it gives."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol, TypeVar

from streamproc.engine.rows import RowCodec, Rows
from streamproc.errors import StreamprocError

T = TypeVar("T")


class Outbox:
    """Records for the output topics, in the order of their causes."""

    def __init__(self) -> None:
        self.topics: dict[str, list[tuple[bytes | None, bytes | None]]] = {}
        self.counts: Counter[tuple[str, ...]] = Counter()
        """Whatever the application counts. An observer is told it once it is committed."""

    def put(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Send a record with the next commit, to the partition number of the input."""
        records = self.topics.get(topic)
        if records is None:
            records = self.topics[topic] = []
        records.append((key, value))


class PoisonError(StreamprocError):
    """The application failed at one record or at one row's due work; nothing else is affected.

    ``record`` is (topic, partition, offset), ``key`` a row's; one of them is None.
    """

    def __init__(
        self, record: tuple[str, int, int] | None = None, key: bytes | None = None
    ) -> None:
        what = f"record {record}" if record else "due work of a row"
        super().__init__(f"{what} could not be applied")
        self.record = record
        self.key = key


class Processor(RowCodec[T], Protocol[T]):
    """What the application does with records; pure apart from ``rows`` and ``outbox``."""

    def new_rows(self) -> Rows[T]:
        """Empty rows of a partition, of the kind that it works on."""

    def apply(
        self,
        topic: str,
        partition: int,
        records: list[Any],
        rows: Rows[T],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        """Apply records of one partition in order; returns the partition's clock afterwards."""

    def tick(self, rows: Rows[T], outbox: Outbox, clock_ms: int, now_ms: int, limit: int) -> None:
        """Do what is due, at most ``limit`` rows."""

    def set_aside(self, poison: PoisonError) -> None:
        """From now on leave out what failed; a record is rejected when it comes again."""
