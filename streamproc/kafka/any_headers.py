"""Reads records of anybody with kafka-python: headers of any bytes, and bounded memory.

kafka-python decodes header *names* strictly. A name that is not UTF-8 is a ``CorruptRecordError``
at every poll, so a consumer cannot get past that record. Any Kafka client can write such a name.
Therefore consumers here read it as a :class:`HeaderName`.

Neither a batch nor a poll takes more memory than ``batch_bounds`` allows. docs/replay.md lists the
private names that this uses, and tests/contract/test_kafka_python_hooks.py checks them.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Self

from kafka.consumer import fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.memory_records import MemoryRecords

from streamproc.kafka.batch_bounds import (
    FORMAT_AT,
    HEADER_BYTES,
    MAX_POLL_BYTES,
    NO_TIMESTAMP,
    PRESENT_FORMAT,
    RECORD_BYTES,
    fault_of,
    without_records,
)


class HeaderName(str):
    """A name that is not UTF-8. It shows its odd bytes with escapes and encodes to its original
    bytes."""

    raw: bytes

    def __new__(cls, raw: bytes) -> Self:
        name = super().__new__(cls, raw.decode("utf-8", "backslashreplace"))
        name.raw = raw
        return name

    def encode(self, *_: Any) -> bytes:
        """The bytes on the wire."""
        return self.raw


def read_any_records() -> None:
    """From now on no header stops any consumer of this process, and no poll takes much memory.

    What consumers deliver changes only in cases that would be errors.
    """
    fetcher.MemoryRecords = AnyRecords
    fetcher.Fetcher.PartitionRecords = BoundedPartition
    fetcher.Fetcher._append = _append_some


class BoundedPartition(fetcher.Fetcher.PartitionRecords):  # type: ignore[misc]  # untyped library
    """A fetched partition, from which a poll takes no more than it has room for."""

    room = MAX_POLL_BYTES
    """The memory that further records of this poll may take."""

    def take(self, n: int | None = None) -> list[Any]:
        """The next records; the rest stays for the next poll."""
        self._maybe_raise_next_inline_exception()
        records: list[Any] = []
        try:
            for record in islice(self.record_iterator, 0, n):
                records.append(record)
                self.room -= _weight_of(record)
                if self.room <= 0:
                    break
        except Exception as error:
            if not records:
                raise
            self._next_inline_exception = error  # for the next call, as the library does it
        return records


_append = fetcher.Fetcher._append


def _append_some(self: Any, drained: Any, part: Any, max_records: int, *args: Any) -> int:
    """The library's method; it ends a poll that has no room left."""
    part.room = self.room = getattr(self, "room", 0) if drained else MAX_POLL_BYTES
    count: int = _append(self, drained, part, max_records, *args)
    self.room = part.room
    return max_records if self.room <= 0 else count


def _weight_of(record: Any) -> int:
    headers = record.headers
    weight = RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
    return weight + HEADER_BYTES * len(headers) if headers else weight


class AnyRecords(MemoryRecords):  # type: ignore[misc]  # untyped library
    """The batches of one fetch."""

    __slots__ = ()

    def next_batch(self, *args: Any) -> Any:
        kept = self._next_slice
        batch = super().next_batch(*args)
        if kept is not None and fault_of(kept) is not None:
            # One record without a value stands for all. Workers reject them (docs/contracts.md).
            return _one_for_all(without_records(kept))
        if isinstance(batch, LegacyRecordBatch):
            return _OldBatch(kept, batch.magic)
        return _AnyBatch(kept) if isinstance(batch, DefaultRecordBatch) else batch


def _one_for_all(batch: bytes) -> Any:
    form = batch[FORMAT_AT]
    return _OldBatch(batch, form) if form < PRESENT_FORMAT else _OneForAll(batch)


class _OldBatch(LegacyRecordBatch):  # type: ignore[misc]  # untyped library
    def __iter__(self) -> Any:
        for record in super().__iter__():
            if record.timestamp is None:  # the format before Kafka 0.10 has none
                record._timestamp = NO_TIMESTAMP
            yield record


class _AnyBatch(DefaultRecordBatch):  # type: ignore[misc]  # untyped library
    _buffer: Any

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except CorruptRecordError as error:
            if not isinstance(error.__context__, UnicodeDecodeError):
                raise
        # No field of the record counts as read yet. From here on, every name is accepted.
        self._buffer = _AnyNames(self._buffer)
        return super().__next__()

    next = __next__


class _OneForAll(DefaultRecordBatch):  # type: ignore[misc]  # untyped library
    def validate_crc(self) -> bool:
        """The checksum is that of the records, which are not here."""
        return True


class _AnyNames(bytearray):
    """The bytes of a batch, in which only header names are ever decoded."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _AnyNames(found) if isinstance(key, slice) else found

    def decode(self, *_: Any) -> str:
        try:
            return super().decode()
        except UnicodeDecodeError:
            return HeaderName(bytes(self))
