"""Fetches in memory: records in packed batches, read as a worker's consumer reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from streamproc.engine.faust.whole_batches import ByBatch, read_whole_batches
from streamproc.engine.fetched import Walker, joined
from streamproc.worker.virtual import InputRecord

BATCH_RECORDS: Final = 100
"""A batch of the usual 16 KiB, unpacked."""
FETCH_RECORDS: Final = 2_000
_LZ4: Final = 3
_PLACE: Final = TopicPartition("events", 0)


class Fetch(NamedTuple):
    """The bytes of a fetch, and the offset that it begins with."""

    first: int
    data: bytes


def fetches_of(records: list[InputRecord]) -> list[Fetch]:
    """Records of one partition, with offsets one after the other."""
    found = []
    for begin in range(0, len(records), FETCH_RECORDS):
        some = records[begin : begin + FETCH_RECORDS]
        parts = (some[at : at + BATCH_RECORDS] for at in range(0, len(some), BATCH_RECORDS))
        found.append(Fetch(some[0].offset, b"".join(map(_batch_of, parts))))
    return found


def _batch_of(records: list[InputRecord]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, _LZ4, 0, -1, -1, -1, 1 << 30)
    for at, one in enumerate(records):
        builder.append(at, one.timestamp, one.key, one.value, list(one.headers))
    return records[0].offset.to_bytes(8) + bytes(builder.build())[8:]


def read(fetch: Fetch, walker: Walker | None) -> Sequence[Any]:
    """The records of a fetch; without a ``walker`` aiokafka makes an object of each."""
    read_whole_batches()
    found = fetcher.PartitionRecords(
        _PLACE,
        fetcher.MemoryRecords(fetch.data),
        [],
        fetch.first,
        ByBatch(walker=walker),
        None,
        True,
        fetcher.READ_COMMITTED,
    )
    return joined([one.records for one in found])
