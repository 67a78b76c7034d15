"""The source of a replay: a recording, or a range of a topic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, Protocol

from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import Struct

from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.errors import MissingTopicError, TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.recording import LogRecord, RecordingReader
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import readable_partitions

BUFFERED_RECORDS = 20_000
"""How many records of one partition can wait for the others."""


class Position(Struct):
    """The state of a replay: everything that the next run needs to continue exactly there."""

    source: str
    records: int = 0
    """Records read, selected or not."""
    sent: int = 0
    offsets: dict[str, int] = {}
    """Next source offset by partition (topics only)."""
    ends: dict[str, int] = {}
    shift_ms: int = 0
    last_ms: int = 0
    partitions: int = 0
    """How many the topic that is written has; 0: an earlier release did not note it."""
    done: bool = False

    def passed(self, record: LogRecord) -> None:
        """Count a record of the source as read."""
        self.records += 1
        if self.ends:
            self.offsets[str(record.partition)] = (record.offset or 0) + 1


class Source(Protocol):
    """Records in an order that never changes."""

    identity: str
    """Identifies the source, to check that it is the same one again."""

    def begin(self) -> Position:
        """The position before the first record."""

    def records(self, position: Position) -> Iterator[LogRecord]:
        """The records from ``position`` on."""

    def total(self) -> int | None:
        """Number of all records, if known in advance."""

    def span_ms(self) -> tuple[int, int] | None:
        """Smallest and largest record timestamp; None if there is no record."""


class FileSource:
    """A recording."""

    def __init__(self, path: Path) -> None:
        self.reader = RecordingReader(path)
        self.identity = f"file {self.reader.digest()}"

    def begin(self) -> Position:
        return Position(self.identity)

    def records(self, position: Position) -> Iterator[LogRecord]:
        return self.reader.records(position.records)

    def total(self) -> int | None:
        index = self.reader.index
        return None if index is None else index.records

    def span_ms(self) -> tuple[int, int] | None:
        return self.reader.span_ms()


Range = Mapping[int, int]
"""Offsets by partition."""


class TopicSource:
    """A range of a topic. Its partitions are merged by timestamp; the order within each does not
    change."""

    def __init__(
        self,
        bootstrap: Broker,
        topic: str,
        *,
        from_offsets: Range | int | None = None,
        to_offsets: Range | int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        """Offsets and times limit the range. Ends are exclusive and are fixed here.

        Raises :class:`TopicError`.
        """
        self._bootstrap = bootstrap
        self.topic = topic
        numbers = readable_partitions(bootstrap, topic)
        if not numbers:
            raise MissingTopicError(
                f"there is no topic {topic} at {bootstrap}; correct the broker or the name"
            )
        _refuse_unknown(topic, numbers, from_offsets, to_offsets)
        consumer = open_consumer(bootstrap)
        try:
            places = [TopicPartition(topic, number) for number in numbers]
            first = consumer.beginning_offsets(places)
            last = consumer.end_offsets(places)
            starts, ends = dict(first), dict(last)
            if from_ms is not None:
                starts.update(_by_time(consumer, places, from_ms, last))
            if to_ms is not None:
                ends.update(_by_time(consumer, places, to_ms, last))
            for place in places:
                low = _bound(from_offsets, place.partition, starts[place])
                starts[place] = max(low, first[place])
                ends[place] = min(_bound(to_offsets, place.partition, ends[place]), last[place])
        except KafkaError as error:
            raise TopicError(said(error, bootstrap, "Read", f"topic {topic}")) from error
        finally:
            consumer.close()
        self.cut = [one.partition for one in places if 0 < first[one] == starts[one] < last[one]]
        """Partitions whose first records were deleted. The range may begin among these."""
        self._starts: dict[str, int] = {str(one.partition): starts[one] for one in places}
        self._ends: dict[str, int] = {str(one.partition): ends[one] for one in places}
        # It names the requested range, not the present start of the topic: retention can move that.
        self.identity = f"topic {topic} {from_offsets} {to_offsets} {from_ms} {to_ms}"

    @property
    def partitions(self) -> list[int]:
        """All partitions of the topic."""
        return [int(number) for number in self._starts]

    def is_topic(self, bootstrap: Broker, topic: str) -> bool:
        """Whether this is the topic of that name there, as far as the addresses say so."""
        return (self.topic, str(self._bootstrap)) == (topic, str(bootstrap))

    def begin(self, only: Set[int] | None = None) -> Position:
        """The position before the first record; ``only`` limits it to some partitions."""
        ends = {
            number: end for number, end in self._ends.items() if only is None or int(number) in only
        }
        return Position(self.identity, offsets=dict(self._starts), ends=ends)

    def total(self) -> int | None:
        # An upper bound: with transactions there are fewer records, because markers
        # take offsets too.
        return sum(max(end - self._starts[one], 0) for one, end in self._ends.items())

    def span_ms(self) -> tuple[int, int] | None:
        span: tuple[int, int] | None = None
        for record in self.records(self.begin()):
            at = record.timestamp_ms
            span = (at, at) if span is None else (min(span[0], at), max(span[1], at))
        return span

    def records(self, position: Position) -> Iterator[LogRecord]:
        consumer = open_consumer(self._bootstrap)
        try:
            yield from _Merge(consumer, self.topic, position).records()
        except KafkaError as error:
            place = f"topic {self.topic}"
            raise TopicError(said(error, self._bootstrap, "Read", place)) from error
        finally:
            consumer.close()


class _Merge:
    """The partitions of a topic as one sequence, ordered by the running maximum of the
    timestamp."""

    def __init__(self, consumer: Any, topic: str, position: Position) -> None:
        self._consumer = consumer
        self._ends = {int(number): end for number, end in position.ends.items()}
        self._waiting: dict[int, deque[LogRecord]] = {}
        self._places: dict[int, TopicPartition] = {}
        starts = {int(number): offset for number, offset in position.offsets.items()}
        for number, end in sorted(self._ends.items()):
            if starts[number] < end:
                self._places[number] = TopicPartition(topic, number)
                self._waiting[number] = deque()
        consumer.assign(list(self._places.values()))
        for number, place in self._places.items():
            consumer.seek(place, starts[number])

    def records(self) -> Iterator[LogRecord]:
        clocks = dict.fromkeys(self._waiting, 0)
        heads: list[tuple[int, int]] = []
        for number in list(self._waiting):
            self._offer(number, clocks, heads)
        heapify(heads)
        while heads:
            _, number = heappop(heads)
            record = self._waiting[number].popleft()
            yield record
            self._offer(number, clocks, heads)

    def _offer(self, number: int, clocks: dict[int, int], heads: list[tuple[int, int]]) -> None:
        """Add the next record of a partition, if it has one, to the candidates."""
        if not self._waiting[number]:
            self._fill(number)
        if self._waiting[number]:
            # A partition never goes back in time: its later records must not overtake
            # its earlier ones.
            clocks[number] = max(clocks[number], self._waiting[number][0].timestamp_ms)
            heappush(heads, (clocks[number], number))

    def _fill(self, number: int) -> None:
        """Poll until the partition has a record or is read to its end."""
        place = self._places[number]
        while not self._waiting[number] and self._consumer.position(place) < self._ends[number]:
            # Other partitions are paused when they have enough records, so that memory
            # stays bounded.
            for other, queue in self._waiting.items():
                if len(queue) < BUFFERED_RECORDS or other == number:
                    self._consumer.resume(self._places[other])
                else:
                    self._consumer.pause(self._places[other])
            for found in self._consumer.poll(timeout_ms=500).values():
                for record in found:
                    if record.offset < self._ends[record.partition]:
                        self._waiting[record.partition].append(to_log_record(record))


def placed(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Records that were never in a topic get a place: partition 0 of ``recording``, with
    numbers."""
    for number, record in enumerate(records):
        if record.offset is None:
            record = record._replace(topic="recording", partition=0, offset=number)
        yield record


def open_consumer(bootstrap: Broker) -> Any:
    """A consumer of committed records without a group. Raises :class:`TopicError`."""
    try:
        return kafka_consumer(
            bootstrap,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # An offset that does not exist any more must be an error, not a silent jump.
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
            max_poll_records=10_000,
            metrics_enabled=False,
            bootstrap_timeout_ms=10_000,
        )
    except KafkaError as error:
        raise TopicError(why_no_answer(bootstrap, error)) from error


def to_log_record(record: Any) -> LogRecord:
    """A record of kafka-python as a log record."""
    return LogRecord(
        record.key,
        record.value,
        record.timestamp,
        tuple((name, value) for name, value in record.headers),
        record.partition,
        record.offset,
        record.topic,
    )


def _by_time(
    consumer: Any, places: list[TopicPartition], at_ms: int, ends: Mapping[Any, int]
) -> dict[TopicPartition, int]:
    found = consumer.offsets_for_times(dict.fromkeys(places, at_ms))
    return {place: found[place].offset if found.get(place) else ends[place] for place in places}


def _refuse_unknown(topic: str, numbers: Iterable[int], *wanted: Range | int | None) -> None:
    """Raise :class:`TopicError` for offsets of a partition that the topic does not have."""
    known = sorted(numbers)
    named = {number for one in wanted if isinstance(one, Mapping) for number in one}
    for number in sorted(named.difference(known)):
        raise TopicError(
            f"{topic} has the partitions {known[0]} to {known[-1]}; correct the offset of "
            f"partition {number}"
        )


def _bound(wanted: Range | int | None, partition: int, other: int) -> int:
    if wanted is None:
        return other
    return wanted if isinstance(wanted, int) else wanted.get(partition, other)
