"""Record batches as a broker keeps them: of any client, packed or not, in transactions or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from kafka.record import default_records

from streamproc.engine.faust.whole_batches import ByBatch, read_whole_batches
from streamproc.engine.fetched import Walker, joined
from streamproc.worker.native_bridge.loading import walker
from tests.support.compiled import IS_NATIVE

NO_PRODUCER = -1
_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 8, 16, 32


class Written(NamedTuple):
    """A record of a batch; ``delta``: its offset there."""

    delta: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def batch_of(
    records: Sequence[Written],
    base_offset: int = 0,
    codec: int = 0,
    *,
    last_delta: int | None = None,
    has_append_time: bool = False,
    producer: int = NO_PRODUCER,
) -> bytes:
    """``last_delta``: of the batch before it was compacted. With a ``producer`` it is part of a
    transaction."""
    builder = default_records.DefaultRecordBatchBuilder(
        2, codec, producer != NO_PRODUCER, producer, 0, 0, 1 << 30
    )
    for one in records:
        builder.append(one.delta, one.timestamp, one.key, one.value, list(one.headers))
    data = bytearray(builder.build())
    data[:8] = base_offset.to_bytes(8)
    if last_delta is not None:
        data[23:27] = last_delta.to_bytes(4)
    if has_append_time:
        data[22] |= _APPEND_TIME
    return sealed(data)


def marker(base_offset: int, producer: int, *, is_commit: bool) -> bytes:
    """The end of a transaction."""
    key = b"\x00\x00\x00" + bytes([is_commit])
    record = Written(0, 1_000, key, b"\x00\x00\x00\x00\x00\x00")
    data = bytearray(batch_of([record], base_offset, producer=producer))
    data[22] |= _TRANSACTIONAL | _CONTROL
    return sealed(data)


def sealed(data: bytearray) -> bytes:
    """With the right checksum."""
    data[17:21] = default_records.calc_crc32c(bytes(data[21:])).to_bytes(4)
    return bytes(data)


def walkers() -> list[Walker | None]:
    """Who can read batches here; None: aiokafka."""
    return [None, walker(is_native=True)] if IS_NATIVE else [None]


def as_walked(records: Sequence[Any], batch_records: int = 50) -> Sequence[Any]:
    """Records of one partition as a worker with the compiled part gets them: in packed batches,
    walked."""
    parts: list[Sequence[Any]] = []
    for begin in range(0, len(records), batch_records):
        part = records[begin : begin + batch_records]
        first = part[0].offset
        written = [
            Written(one.offset - first, one.timestamp, one.key, one.value, one.headers)
            for one in part
        ]
        # Large values of tests are of one letter: packed, they would be a bomb.
        is_large = any(len(one.value or b"") > 10_000 for one in part)
        codec = 0 if is_large else (first // batch_records) % 5
        parts += fetched(batch_of(written, first, codec), first, walkers()[-1]).parts
    return joined(parts)


class Fetch(NamedTuple):
    """What a worker's consumer makes of the bytes of a fetch."""

    batches: list[Any]
    """Objects of class ``FetchedBatch``."""
    passed: list[tuple[int, int]]
    missing: list[tuple[int, int]]
    next_offset: int

    @property
    def parts(self) -> list[Sequence[Any]]:
        """The records of each batch."""
        return [one.records for one in self.batches]


def fetched(
    data: bytes,
    first: int = 0,
    walker: Walker | None = None,
    aborted: Sequence[tuple[int, int]] = (),
    max_value_bytes: int | None = None,
) -> Fetch:
    """``aborted``: producers and first offsets of transactions, as the broker tells them."""
    read_whole_batches()
    passed: list[tuple[int, int]] = []
    missing: list[tuple[int, int]] = []
    mark = ByBatch(
        lambda _, *some: passed.append(some),
        lambda _, *some: missing.append(some),
        max_value_bytes,
        walker,
    )
    read = fetcher.PartitionRecords(
        TopicPartition("t", 0),
        fetcher.MemoryRecords(data),
        list(aborted),
        first,
        mark,
        None,
        True,
        fetcher.READ_COMMITTED,
    )
    return Fetch(list(read), passed, missing, read.next_fetch_offset)


def fields(record: Any) -> tuple[Any, ...]:
    """Everything that anybody reads of a record."""
    headers = list(record.headers)
    stamp = record.timestamp, record.timestamp_type
    return record.offset, *stamp, record.key, record.value, headers, getattr(record, "fault", None)
