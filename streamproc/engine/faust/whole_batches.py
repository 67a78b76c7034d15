"""Fetched records in batches, without a wrapper per record, and without unreadable batches.

aiokafka reads a fetch record by record, in Python, and builds a ``ConsumerRecord`` of thirteen
fields for each. That is a quarter of a worker's time. The records of its C reader have all fields
that we use: ``key``, ``value``, ``timestamp``, ``offset``, ``headers``. (The chunk knows topic and
partition.) A consumer with a mark gets a :class:`FetchedBatch` for each batch of the log, as if
that were a single record.

A fetch also shows which offsets have no record. Transaction markers and aborted records are in the
fetch and are skipped. Offsets that are not in the fetch are missing in the log: it was compacted.
The mark of the consumer, :class:`ByBatch`, receives both.

The C reader cannot read a batch with a header whose *name* is not UTF-8. But a Kafka client can
write any bytes there, and one such record would stop its partition for ever. Such a batch is read
again by aiokafka's reader in Python, with those bytes as backslash escapes.

A batch that unpacks to too much is not read. One :class:`UnreadBatch` stands for all its records.
A poll takes no further batch if the records of the present ones take much memory.

If the mark has a walker, that reads the batches of the present format, and no object is made of a
record. What is a marker or part of an aborted transaction is still decided by aiokafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import decode_varint_py

from streamproc.engine.cluster import FetchedBatch, UnreadBatch
from streamproc.engine.fetched import (
    WalkedRecords,
    Walker,
    count_before,
    header_count,
    most_value_bytes,
)
from streamproc.kafka.batch_bounds import (
    FORMAT_AT,
    HEAD_BYTES,
    MAX_POLL_BYTES,
    PRESENT_FORMAT,
    examined,
    latest_ms,
    weight_of,
)

Passed = Callable[[Any, int, int], None]
"""Called with a topic partition and a range of its offsets (first, next) without records."""


_UNPACK: Final[dict[int, Callable[[bytes], bytes]]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}
"""As aiokafka's reader unpacks, by the number of the codec."""


def _told_nobody(_place: Any, _first: int, _next: int) -> None:
    pass


class ByBatch:
    """A deserializer that does nothing. It marks a consumer that wants records in batches.

    Both callbacks are called in the thread of the client, while a fetch is read.
    """

    def __init__(
        self,
        passed: Passed = _told_nobody,
        missing: Passed = _told_nobody,
        max_value_bytes: int | None = None,
        walker: Walker | None = None,
    ) -> None:
        """``passed`` gets the range after the last record of a fetch in which there is nothing to
        deliver.

        ``missing`` gets offsets that are missing in the log. In place of a record with a larger
        value than ``max_value_bytes`` there is an :class:`UnreadBatch`. ``walker`` reads batches;
        None: aiokafka's reader does.
        """
        self.walker = walker
        self.passed = passed
        self.missing = missing
        self.max_value_bytes = max_value_bytes
        self.room = MAX_POLL_BYTES
        """The memory that further records of this poll may take."""

    def begin_poll(self) -> None:
        """The next poll has all room again."""
        self.room = MAX_POLL_BYTES

    def __call__(self, data: Any) -> Any:
        return data


class BatchedPartition(fetcher.PartitionRecords):
    """A fetched partition. For a marked consumer it yields batches of records as they were read."""

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
        self.mark = key_deserializer if isinstance(key_deserializer, ByBatch) else None
        if isinstance(key_deserializer, ByBatch):
            self._pass_by = partial(key_deserializer.passed, tp)
            missing = partial(key_deserializer.missing, tp)
            self._records = _Batches(records.data, offset, missing, key_deserializer.walker)
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
        """The records of a batch from the requested offset on: a fetch can begin in the middle of a
        batch."""
        first, records = self._first, whole.records
        known = count_before(records, first)
        if known:
            records = records[known:]
        self._first = whole.offset + 1
        weight = weight_of(len(records), header_count(records), whole.content_bytes)
        if self.mark is not None:
            self.mark.room -= weight
            most = self.mark.max_value_bytes
            if most is not None and whole.content_bytes > most < most_value_bytes(records):
                records = [_bounded(one, most) for one in records]
        return FetchedBatch(first, records, weight)


def _bounded(record: Any, max_value_bytes: int) -> Any:
    size = len(record.value or b"")
    if size <= max_value_bytes:
        return record
    # It would wait in memory for nothing: the core would only reject it.
    fault = f"{size} bytes, at most {max_value_bytes} are read"
    return UnreadBatch(record.offset, record.timestamp, fault)


class BoundedFetch(fetcher.FetchResult):
    """An answer of the broker, of which a poll takes no more than it has room for."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """The next batches, or records; the rest stays for the next poll."""
        mark = self._partition_records.mark if self.has_more() else None
        if mark is None:
            return list(super().getall(max_records))
        found: list[Any] = []
        while mark.room > 0 and self.has_more() and len(found) != max_records:
            one = super().getall(1)
            if not one:
                break
            found += one
        return found


class RecordsAndBytes(MemoryRecords):
    """The batches of one fetch, and their bytes in case they must be read in another way."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class _Batches(_MemoryRecordsPy):
    """The batches of a fetch. It reports which offsets are missing in the log."""

    _next_slice: Any

    def __init__(
        self,
        data: bytes,
        first: int,
        missing: Callable[[int, int], None],
        walker: Walker | None = None,
    ) -> None:
        super().__init__(data)
        self._data = data
        self._walker = walker
        self._end = 0
        """Where the last batch ended in the data."""
        self._at = first
        self._missing = missing

    def next_batch(
        self,
        _min_slice: int = _MemoryRecordsPy.MIN_SLICE,
        _magic_offset: int = _MemoryRecordsPy.MAGIC_OFFSET,
    ) -> Any:
        kept = self._next_slice
        batch: Any = super().next_batch(_min_slice, _magic_offset)
        # Batches of old formats have no base offset.
        begin = getattr(batch, "base_offset", self._at)
        if begin > self._at:
            self._missing(self._at, begin)
        begin, self._at = max(begin, self._at), batch.next_offset
        begins, self._end = self._end, self._end + len(kept)
        whole = _Batch(batch, kept, begin, self._missing)
        if self._walker is not None and kept[FORMAT_AT] == PRESENT_FORMAT:
            whole.packed = _Packed(self._walker, self._data, begins, self._end)
        return whole


class _Packed(NamedTuple):
    """A batch of the present format in the data of its fetch, and who walks it."""

    walker: Walker
    data: bytes
    begin: int
    end: int

    def is_intact(self) -> bool:
        return self.walker.is_intact(self.data, self.begin, self.end)

    def walk(self, number: int) -> WalkedRecords | None:
        """``number``: that of the codec; 0: none."""
        content = None
        if number:
            unpack = _UNPACK.get(number)
            if unpack is None:
                return None
            try:
                content = unpack(self.data[self.begin + HEAD_BYTES : self.end])
            except Exception:  # each codec has errors of its own; the library's reader tells them
                return None
        return self.walker.walk(self.data, self.begin, self.end, content)


class _Batch:
    """A batch that yields one object: all of its records."""

    packed: _Packed | None = None
    """None: the C reader reads it."""

    def __init__(
        self, batch: Any, kept: memoryview, begin: int, missing: Callable[[int, int], None]
    ) -> None:
        """``begin`` is the first requested offset of the batch."""
        self._batch = batch
        self._kept = kept
        self._begin = begin
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def validate_crc(self) -> bool:
        """Whether the checksum is right."""
        if self.packed is not None:
            return self.packed.is_intact()
        is_right: bool = self._batch.validate_crc()
        return is_right

    def __iter__(self) -> Iterator[_WholeBatch]:
        fault, size = examined(self._kept)
        if fault is not None:
            last = self._batch.next_offset - 1
            yield _WholeBatch([UnreadBatch(last, latest_ms(self._kept), fault)], size)
            return
        records = self._walked()
        if records is None:
            records = self._listed()
        self._tell_missing(records)
        if records:
            yield _WholeBatch(records, size)

    def _walked(self) -> Sequence[Any] | None:
        return None if self.packed is None else self.packed.walk(self._batch.compression_type)

    def _listed(self) -> list[Any]:
        try:
            records = list(self._batch)
        except UnicodeDecodeError:
            records = list(_EscapingBatch(self._kept))
        if records and records[0].timestamp is None:
            records = [_Unstamped(record) for record in records]
        return records

    def _tell_missing(self, records: Sequence[Any]) -> None:
        """A compacted batch keeps its range of offsets, but only some of its records."""
        at, end = self._begin, self._batch.next_offset
        first = getattr(self._batch, "base_offset", None)
        if first is None or len(records) == end - first:
            return  # nearly always none is missing
        for record in records:
            if record.offset > at:
                self._missing(at, record.offset)
            at = max(at, record.offset + 1)
        if end > at:
            self._missing(at, end)


class _Unstamped:
    """A record of the format before Kafka 0.10, which has no timestamp."""

    __slots__ = ("key", "offset", "value")
    timestamp, timestamp_type = -1, 0
    headers: tuple[tuple[str, bytes | None], ...] = ()

    def __init__(self, record: Any) -> None:
        self.key: bytes | None = record.key
        self.offset: int = record.offset
        self.value: bytes | None = record.value


class _WholeBatch:
    """The records of a batch. Its offset is the last one, because the next fetch begins after
    it."""

    def __init__(self, records: Sequence[Any], content_bytes: int) -> None:
        self.records = records
        self.content_bytes = content_bytes
        self.offset: int = records[-1].offset


class _EscapingBatch(_DefaultRecordBatchPy):
    """aiokafka's reader in Python, on a buffer that can decode any bytes."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Escaping(self._buffer)

    def _read_msg(self, decode_varint: Any = decode_varint_py) -> Any:
        # The usual one is compiled and looks at no bounds: a wrong length ended the process.
        return super()._read_msg(decode_varint)


class _Escaping(bytearray):
    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Escaping(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def read_whole_batches() -> None:
    """Switch this on for every consumer of the process that :class:`ByBatch` marks; idempotent."""
    fetcher.PartitionRecords = BatchedPartition
    fetcher.FetchResult = BoundedFetch
    fetcher.MemoryRecords = RecordsAndBytes
