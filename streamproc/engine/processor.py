"""The application as the engine sees it: its inputs and its outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from streamproc.engine.cluster import Copy, Headers, Place
from streamproc.engine.rows import RowCodec, Rows
from streamproc.errors import StreamprocError

T = TypeVar("T")


class Outbox:
    """Records for the output topics, in the order of their causes."""

    def __init__(self, limit: int | None = None) -> None:
        """``limit``: from so many records on it is full; None: never."""
        self._limit = limit
        self.left_records = 0
        """How many of the last records of a chunk the application has left: so much is due before
        them that it does not fit in here. They are applied after a commit."""
        self.topics: dict[str, list[tuple[bytes | None, bytes | None]]] = {}
        self.headers: dict[str, dict[int, Headers]] = {}
        """Headers of those records in ``topics`` that have some, by topic and index."""
        self.copies: dict[Place, list[Copy]] = {}
        """Records for other partitions than the input's, by destination."""
        self.counts: Counter[tuple[str, ...]] = Counter()
        """Any figures that the application counts. An observer gets them when they are
        committed."""
        self.times_ms: dict[str, list[int]] = {}
        """Durations of which the application keeps a distribution, for the observer too."""
        self.since_ms: dict[str, Counter[int]] = {}
        """Instants (ms) and how often: the observer measures the time from them to the commit."""
        self.fetched_ns = 0
        """When the chunk that is being applied was fetched."""
        self.traced: list[Any] = []
        """What the application traces and what ends with the commit, for the observer."""

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Records are sent as always. What is counted meanwhile does not count."""
        kept = self.counts, self.times_ms, self.since_ms
        self.counts, self.times_ms, self.since_ms = Counter(), {}, {}
        try:
            yield
        finally:
            self.counts, self.times_ms, self.since_ms = kept

    @property
    def is_full(self) -> bool:
        """Whether a commit shall come before more work is done than a record has."""
        return self._limit is not None and sum(map(len, self.topics.values())) >= self._limit

    def put(
        self, topic: str, key: bytes | None, value: bytes, headers: Headers | None = None
    ) -> None:
        """Send a record with the next commit, to the partition number of the input."""
        records = self.topics.get(topic)
        if records is None:
            records = self.topics[topic] = []
        if headers:
            self.headers.setdefault(topic, {})[len(records)] = headers
        records.append((key, value))

    def put_copy(self, topic: str, partition: int, copy: Copy) -> None:
        """Send a record to a partition of its own with the next commit."""
        self.copies.setdefault(Place(topic, partition), []).append(copy)


class PoisonError(StreamprocError):
    """The application failed at one record, or at the due work of one row. Nothing else is
    affected.

    ``record`` is (topic, partition, offset), ``key`` is the key of a row; one of them is None.
    """

    def __init__(
        self, record: tuple[str, int, int] | None = None, key: bytes | None = None
    ) -> None:
        what = f"record {record}" if record else "due work of a row"
        super().__init__(f"{what} could not be applied")
        self.record = record
        self.key = key


class Processor(RowCodec[T], Protocol[T]):
    """The application's work on records. It is pure except for ``rows`` and ``outbox``."""

    @property
    def epoch(self) -> int:
        """Changes with what the results depend on beside the input, such as rules; above zero."""

    def new_rows(self) -> Rows[T]:
        """Empty rows of a partition, in the form that the application needs."""

    def apply(
        self,
        topic: str,
        partition: int,
        records: Sequence[Any],
        rows: Rows[T],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        """Apply records of one partition in order; returns the partition's clock afterwards.

        If ``outbox.is_full``, the last ones may be left, and :attr:`Outbox.left_records` says so.
        """

    def tick(self, rows: Rows[T], outbox: Outbox, clock_ms: int, now_ms: int, limit: int) -> None:
        """Do due work, for at most ``limit`` rows."""

    def set_aside(self, poison: PoisonError) -> None:
        """Skip what failed from now on. A failed record is rejected when it comes again."""
