"""Fetched records without their wrapping, and none of them unreadable.

aiokafka builds a ``ConsumerRecord`` of thirteen fields in Python for every fetched record, which
took a fifth of a worker's time. The record its C reader yields has all that is used here: ``key``,
``value``, ``timestamp``, ``offset``, ``headers``. (Its topic and partition are the chunk's.)

That reader gives a whole fetch up at a header whose *name* is not UTF-8, for ever: a Kafka client
may write any bytes there, and one such record would stop its partition. From there on the fetch is
read again by aiokafka's reader in Python, with such bytes as backslash escapes.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


def as_read(data: Any) -> Any:
    """A deserializer that does nothing: it marks the consumer that wants its records so."""
    return data


class LeanRecords(fetcher.PartitionRecords):
    """A fetched partition whose records come as the reader yields them, if it is so marked."""

    _records: Any
    _aborted_transactions: list[Any]
    _aborted_producers: set[int]

    def __init__(
        self,
        tp: Any,
        records: Records,
        aborted: Any,
        offset: int,
        key_deserializer: Any,
        *args: Any,
    ) -> None:
        super().__init__(tp, records, aborted, offset, key_deserializer, *args)
        self._all_aborted = list(self._aborted_transactions)
        if key_deserializer is as_read:
            self._consumer_record = lambda _, record: record

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except UnicodeDecodeError:
            reached = self.next_fetch_offset
            self._records = _EscapingRecords(self._records.data)
            self._aborted_transactions = self._all_aborted
            self._aborted_producers = set()
            again = self._unpack_records()
            self._records_iterator = (one for one in again if one.offset >= reached)
            return super().__next__()


class Records(MemoryRecords):
    """The batches of one fetch, and their bytes, should they have to be read twice."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class _EscapingRecords(_MemoryRecordsPy):
    _next_slice: Any

    def next_batch(
        self,
        _min_slice: int = _MemoryRecordsPy.MIN_SLICE,
        _magic_offset: int = _MemoryRecordsPy.MAGIC_OFFSET,
    ) -> Any:
        kept = self._next_slice
        batch = super().next_batch(_min_slice, _magic_offset)
        return _EscapingBatch(kept) if isinstance(batch, DefaultRecordBatch) else batch


class _EscapingBatch(_DefaultRecordBatchPy):
    """aiokafka's reader in Python, over a buffer that decodes any bytes."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Escaping(self._buffer)


class _Escaping(bytearray):
    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Escaping(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def use_lean_records() -> None:
    """From now on, for every consumer of this process marked with :func:`as_read`; idempotent."""
    fetcher.PartitionRecords = LeanRecords
    fetcher.MemoryRecords = Records
