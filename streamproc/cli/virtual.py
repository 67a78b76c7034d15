"""Passes records of a recording to a worker in memory: connects ``kafka.recording`` and
``worker``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamproc.kafka.recording import LogRecord
    from streamproc.worker.virtual import InputRecord

CHUNK_RECORDS = 5_000
"""A recording can be larger than the memory. Within a block, the records of a partition are applied
in one go."""


def input_records(records: Iterable[LogRecord]) -> Iterator[InputRecord]:
    """Records with a place, as a worker would get them."""
    from streamproc.worker.virtual import InputRecord

    for record in records:
        yield InputRecord(
            record.topic or "",
            record.partition or 0,
            record.offset or 0,
            record.key,
            record.value,
            record.timestamp_ms,
            record.headers,
        )


def chunks(records: Iterator[InputRecord]) -> Iterator[list[InputRecord]]:
    """Blocks of records, sorted by partition within each block: partitions are independent."""
    while chunk := list(islice(records, CHUNK_RECORDS)):
        yield sorted(chunk, key=lambda record: (record.partition, record.topic))
