"""Reads and writes headers of any bytes with kafka-python.

kafka-python decodes header *names* strictly. A name that is not UTF-8 is a ``CorruptRecordError``
at every poll, so a consumer cannot get past that record. Any Kafka client can write such a name.
Therefore consumers here read it as a :class:`HeaderName`. docs/replay.md lists the private names
that this uses, and tests/contract/test_kafka_python_hooks.py checks them.
"""

from __future__ import annotations

from typing import Any, Self

from kafka.consumer import fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords

from streamproc.kafka.batch_bounds import fault_of, without_records


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


def read_any_headers() -> None:
    """From now on no header stops any consumer of this process.

    It changes only cases that would be errors.
    """
    fetcher.MemoryRecords = AnyRecords


class AnyRecords(MemoryRecords):  # type: ignore[misc]  # untyped library
    """The batches of one fetch."""

    __slots__ = ()

    def next_batch(self, *args: Any) -> Any:
        kept = self._next_slice
        batch = super().next_batch(*args)
        if kept is not None and fault_of(kept) is not None:
            # One record without a value stands for all. Workers reject them (docs/contracts.md).
            return _OneForAll(without_records(kept))
        return _AnyBatch(kept) if isinstance(batch, DefaultRecordBatch) else batch


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
