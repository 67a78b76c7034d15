"""Fetched records: a list of objects, or a sequence that makes the object of a record when asked.

The compiled part walks a fetched batch and applies its records where they lie (decision E17). Only
for those that need Python an object is made. Without the compiled part all records are objects.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Protocol

from streamproc.kafka.batch_bounds import HEADER_BYTES, RECORD_BYTES

MAX_CHUNK_BYTES: Final = 4 << 20
"""The memory that the records of a chunk take; the last record may go beyond it."""

_offset_of = attrgetter("offset")


class WalkedRecords(Sequence[Any]):
    """Records of one partition in the bytes of their batches; a slice is one, too.

    A walker registers its own class as one of these.
    """

    @staticmethod
    @abstractmethod
    def joined(parts: list[WalkedRecords]) -> WalkedRecords:
        """All records of several sequences, in this order."""

    @abstractmethod
    def before(self, offset: int) -> int:
        """How many of the first records are before an offset."""

    @abstractmethod
    def header_count(self) -> int:
        """How many headers all records have together."""

    @abstractmethod
    def most_value_bytes(self) -> int:
        """The bytes of the largest value."""

    @abstractmethod
    def ends(self, size: int, most_bytes: int, record_bytes: int, header_bytes: int) -> list[int]:
        """Where parts end that have at most ``size`` records and about ``most_bytes``.

        A record takes the bytes of its value, ``record_bytes``, and ``header_bytes`` for each
        header.
        """


class Walker(Protocol):
    """Walks batches of records. A batch is the bytes of ``data`` from ``begin`` up to ``end``."""

    def is_intact(self, data: bytes, begin: int, end: int) -> bool:
        """Whether the checksum of a batch is right."""

    def walk(
        self, data: bytes, begin: int, end: int, content: bytes | None = None
    ) -> WalkedRecords | None:
        """The records of a batch whose checksum and size have been checked.

        ``content``: its unpacked records, if they are compressed. None: not surely a batch of
        records, so the client library reads it, or says what is wrong with it.
        """


def joined(parts: list[Sequence[Any]]) -> Sequence[Any]:
    """The records of all batches of a fetch, in order."""
    if len(parts) == 1:
        return parts[0]
    walked = [one for one in parts if isinstance(one, WalkedRecords)]
    if walked and len(walked) == len(parts):
        return walked[0].joined(walked)
    return list(chain.from_iterable(parts))


def count_before(records: Sequence[Any], offset: int) -> int:
    """How many of the first records are before an offset."""
    if isinstance(records, WalkedRecords):
        return records.before(offset)
    return bisect_left(records, offset, key=_offset_of)


def header_count(records: Sequence[Any]) -> int:
    """How many headers all records have together."""
    if isinstance(records, WalkedRecords):
        return records.header_count()
    return sum(len(one.headers) for one in records if one.headers)


def most_value_bytes(records: Sequence[Any]) -> int:
    """The bytes of the largest value."""
    if isinstance(records, WalkedRecords):
        return records.most_value_bytes()
    return max((len(one.value or b"") for one in records), default=0)


def ends_of_chunks(records: Sequence[Any], size: int, weight: int) -> Sequence[int]:
    """Where chunks of at most ``size`` records end; ``weight`` is about the memory of them all.

    Many chunks wait in Faust's queue, so those of large records have fewer of them.
    """
    count = len(records)
    if weight <= MAX_CHUNK_BYTES:
        return [*range(size, count, size), count]
    if isinstance(records, WalkedRecords):
        return records.ends(size, MAX_CHUNK_BYTES, RECORD_BYTES, HEADER_BYTES)
    ends, begin, held = [], 0, 0
    for index, one in enumerate(records):
        if index - begin >= size or held > MAX_CHUNK_BYTES:
            ends.append(index)
            begin, held = index, 0
        held += len(one.value or b"") + RECORD_BYTES + HEADER_BYTES * len(one.headers or ())
    return [*ends, count]
