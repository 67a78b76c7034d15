"""Fetched records by the batch, without their wrapping, and none of them unreadable.

aiokafka steps through a fetch record by record, in Python, and builds a ``ConsumerRecord`` of
thirteen fields for each: a quarter of a worker's time. The records its C reader yields have all
that is used here: ``key``, ``value``, ``timestamp``, ``offset``, ``headers``. (Their topic and
partition are the chunk's.) A consumer marked for it is given a :class:`FetchedBatch` for each batch
of the log, as if that were a single record.

A fetch also shows which offsets have no record. Transaction markers and aborted records lie in the
fetch and are passed by. Offsets that are not even in the fetch are missing from the log: it was
compacted. The mark of the consumer, :class:`ByBatch`, is told of both.

That reader gives a whole batch up at a header whose *name* is not UTF-8, for ever: a Kafka client
may write any bytes there, and one such record would stop its partition. Such a batch is read again
by aiokafka's reader in Python, with those bytes as backslash escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from streamproc.engine.cluster import FetchedBatch

Passed = Callable[[Any, int, int], None]
"""Is told a topic partition and a range of its offsets (first, next) that have no record."""


def _told_nobody(_place: Any, _first: int, _next: int) -> None:
    pass


class ByBatch:
    """A deserializer that does nothing: it marks the consumer that wants its records so.

    Both callbacks are called in the thread of the client, while a fetch is read.
    """

    def __init__(self, passed: Passed = _told_nobody, missing: Passed = _told_nobody) -> None:
        """``passed``: behind the last record of a fetch there is nothing to deliver up to there.

        ``missing``: the log itself leaves these offsets out.
        """
        self.passed = passed
        self.missing = missing

    def __call__(self, data: Any) -> Any:
        return data


by_batch = ByBatch()
"""The mark of a consumer that does not ask which offsets have no record."""


class BatchedPartition(fetcher.PartitionRecords):
    """A fetched partition; for a marked consumer it yields batches of records as they were read."""

    def __init__(
        self,
        tp: Any,
        records: RecordsAndBytes,
        aborted: Any,
        offset: int,
        key_deserializer: Any,
        *args: Any,
    ) -> None:
        super().__init__(tp, records, aborted, offset, key_deserializer, *args)
        self._pass_by = None
        if isinstance(key_deserializer, ByBatch):
            self._pass_by = partial(key_deserializer.passed, tp)
            self._records = _Batches(records.data, offset, partial(key_deserializer.missing, tp))
            self._consumer_record = self._unread
            self._first: int = offset

    def _unpack_records(self) -> Iterator[Any]:
        begin: int = self.next_fetch_offset
        for one in super()._unpack_records():
            yield one
            begin = self.next_fetch_offset
        if self._pass_by is not None and self.next_fetch_offset > begin:
            self._pass_by(begin, self.next_fetch_offset)

    def _unread(self, _tp: Any, whole: _WholeBatch) -> FetchedBatch:
        """The records of a batch from the asked offset on: a fetch may begin in mid-batch."""
        first, records = self._first, whole.records
        if records[0].offset < first:
            records = [record for record in records if record.offset >= first]
        self._first = whole.offset + 1
        return FetchedBatch(first, records)


class RecordsAndBytes(MemoryRecords):
    """The batches of one fetch, and their bytes, should they have to be read by the batch."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class _Batches(_MemoryRecordsPy):
    """The batches of a fetch; says which offsets the log leaves out."""

    _next_slice: Any

    def __init__(self, data: bytes, first: int, missing: Callable[[int, int], None]) -> None:
        super().__init__(data)
        self._at = first
        self._missing = missing

    def next_batch(
        self,
        _min_slice: int = _MemoryRecordsPy.MIN_SLICE,
        _magic_offset: int = _MemoryRecordsPy.MAGIC_OFFSET,
    ) -> Any:
        kept = self._next_slice
        batch: Any = super().next_batch(_min_slice, _magic_offset)
        begin = getattr(batch, "base_offset", self._at)  # batches of old formats have none
        if begin > self._at:
            self._missing(self._at, begin)
        begin, self._at = max(begin, self._at), batch.next_offset
        return _Batch(batch, kept, begin, self._missing)


class _Batch:
    """A batch of the C reader that yields a single thing: all of its records."""

    def __init__(
        self, batch: Any, kept: memoryview, begin: int, missing: Callable[[int, int], None]
    ) -> None:
        """``begin``: the first of its offsets that was asked for."""
        self._batch = batch
        self._kept = kept
        self._begin = begin
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[_WholeBatch]:
        try:
            records = list(self._batch)
        except UnicodeDecodeError:
            records = list(_EscapingBatch(self._kept))
        self._tell_missing(records)
        if records:
            yield _WholeBatch(records)

    def _tell_missing(self, records: list[Any]) -> None:
        """A compacted batch keeps its range of offsets, and only some of its records."""
        at, end = self._begin, self._batch.next_offset
        first = getattr(self._batch, "base_offset", None)
        if first is None or len(records) == end - first:
            return  # nearly always: none of them is missing
        for record in records:
            if record.offset > at:
                self._missing(at, record.offset)
            at = max(at, record.offset + 1)
        if end > at:
            self._missing(at, end)


class _WholeBatch:
    """A batch's records; its offset is the last one, which is where the next fetch begins after."""

    def __init__(self, records: list[Any]) -> None:
        self.records = records
        self.offset: int = records[-1].offset


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


def read_whole_batches() -> None:
    """From now on, for every consumer of this process marked with :func:`by_batch`; idempotent."""
    fetcher.PartitionRecords = BatchedPartition
    fetcher.MemoryRecords = RecordsAndBytes
