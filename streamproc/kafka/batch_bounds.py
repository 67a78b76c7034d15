"""Record batches that unpack to too much: found before they are unpacked.

A batch of some kilobytes can unpack to hundreds of megabytes. The libraries unpack a batch as a
whole, so the size is found first: from its frames where they say it, else by unpacking in pieces
that are thrown away. The rule looks at the batch alone, so every reader of a log decides alike.

A header of two bytes becomes objects of sixty. So the headers of a large batch are counted, too.
Batches of the formats before Kafka 0.11 are messages whose value is the packed batch. They have
smaller bounds, because they do not say how many records are in them.
What the records of one poll take together is bounded by :data:`MAX_POLL_BYTES`.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import zstandard
from kafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode

from streamproc.kafka.unpacking import PACKED_BYTES

MAX_BATCH_BYTES: Final = 64 << 20
"""Batches of the usual producers have 16 KiB to some MiB."""
MAX_BATCH_RECORDS: Final = 1_000_000
MAX_RATIO: Final = 500
"""Events that differ in nothing but their ids are packed to a hundredth."""
SMALL_BYTES: Final = 64 << 10
"""Up to this size any ratio is taken."""
MAX_OLD_BYTES: Final = 16 << 20
"""Of a batch of a format before 0.11: it holds at most 645,277 records."""
MAX_BATCH_HEADERS: Final = 1_000_000
"""Their number in all records of a batch together."""
COUNTED_BYTES: Final = 8 << 20
"""Headers of smaller batches are not counted: they take at most some 200 MiB."""
MAX_POLL_BYTES: Final = 32 << 20
"""The memory that the records of one poll take; the last batch may go beyond it."""
RECORD_BYTES: Final = 150
"""The objects of a record take about so much beside its value."""
HEADER_BYTES: Final = 100
"""The objects of a header take about so much."""

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
HEAD_BYTES: Final = _HEAD.size
"""The head of a batch of the present format has so many."""
_OLD_HEADS: Final = {0: 18, 1: 26}
"""By format: where the length of the key stands in a message (offset, size, checksum, format,
attributes, and in format 1 a timestamp)."""
FORMAT_AT: Final = 16
"""Where the format of a batch stands in it."""
_ATTRIBUTES_AT: Final = 17
PRESENT_FORMAT: Final = 2
NO_TIMESTAMP: Final = -1
_CODEC_MASK: Final = 7
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_MOST_LZ4: Final = 255
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_BYTES: Final = 16
_NO_RECORD: Final = b"\x01\x01\x00"
"""A record without key, value and headers, behind its attributes and deltas."""


def fault_of(batch: bytes | memoryview) -> str | None:
    """Why a batch is not unpacked; None if it is."""
    return examined(batch)[0]


def examined(batch: bytes | memoryview) -> tuple[str | None, int]:
    """Why a batch is not unpacked, and about how many bytes its content has."""
    if len(batch) > _ATTRIBUTES_AT and batch[FORMAT_AT] in _OLD_HEADS:
        return _examined_old(memoryview(batch))
    if len(batch) < _HEAD.size or batch[FORMAT_AT] != PRESENT_FORMAT:
        return None, len(batch)
    head = _HEAD.unpack_from(batch)
    codec, records = head[5] & _CODEC_MASK, head[12]
    if records > MAX_BATCH_RECORDS:
        return f"a batch of {records} records; at most {MAX_BATCH_RECORDS} are read", 0
    packed = memoryview(batch)[_HEAD.size :]
    limit = min(MAX_BATCH_BYTES, max(SMALL_BYTES, MAX_RATIO * len(packed)))
    size = _size(codec, packed, limit) if codec else len(packed)
    if codec and size > limit:
        told = f"{limit >> 20} MiB" if limit == MAX_BATCH_BYTES else f"{MAX_RATIO} times its size"
        return f"a batch of {records} records unpacks to more than {told}; none of them is read", 0
    if size > COUNTED_BYTES and _has_many_headers(_content(codec, packed), records):
        many = f"more than {MAX_BATCH_HEADERS} headers"
        return f"a batch of {records} records has {many}; none of them is read", 0
    return None, size


def _examined_old(message: memoryview) -> tuple[str | None, int]:
    """The same of a message of a format before 0.11; if it is packed, its value is a batch."""
    codec = message[_ATTRIBUTES_AT] & _CODEC_MASK
    if not codec:
        return None, len(message)
    packed = _old_value(message)
    limit = min(MAX_OLD_BYTES, max(SMALL_BYTES, MAX_RATIO * len(packed)))
    size = _size(codec, packed, limit)
    if size <= limit:
        return None, size
    told = f"{limit >> 20} MiB" if limit == MAX_OLD_BYTES else f"{MAX_RATIO} times its size"
    return f"a batch of a format before 0.11 unpacks to more than {told}; it is not read", 0


def _old_value(message: memoryview) -> memoryview:
    at = _OLD_HEADS[message[FORMAT_AT]]
    try:
        for _ in range(2):  # key, value
            (length,) = struct.unpack_from(">i", message, at)
            at += 4
            begin, at = at, at + max(length, 0)
    except struct.error:
        return message[:0]  # damaged: the library's own error says more
    return message[begin:at]


def latest_ms(batch: bytes | memoryview) -> int:
    """The latest timestamp of a batch, as its head says; -1 if it has none."""
    if batch[FORMAT_AT] == PRESENT_FORMAT:
        found: int = _HEAD.unpack_from(batch)[8]
        return found
    return int.from_bytes(batch[18:26], "big", signed=True) if batch[FORMAT_AT] else NO_TIMESTAMP


def weight_of(records: int, headers: int, content_bytes: int) -> int:
    """About how much memory the records of a batch take, with all their headers."""
    return content_bytes + records * RECORD_BYTES + headers * HEADER_BYTES


def without_records(batch: bytes | memoryview) -> bytes:
    """The batch with one record instead of all: it has nothing but the last offset."""
    if batch[FORMAT_AT] in _OLD_HEADS:
        return _without_old_records(batch)
    head = list(_HEAD.unpack_from(batch))
    record = b"\x00" + b"\x00" + _varint(max(head[6], 0)) + _NO_RECORD
    record = _varint(len(record)) + record
    head[1] = _HEAD.size - 12 + len(record)
    head[5] &= ~_CODEC_MASK
    head[12] = 1
    packed = bytearray(_HEAD.pack(*head) + record)
    return bytes(packed)


def _without_old_records(message: bytes | memoryview) -> bytes:
    """The message without key, value and codec. Its own offset is that of its last record."""
    end = _OLD_HEADS[message[FORMAT_AT]]
    found = bytearray(message[:end]) + struct.pack(">ii", -1, -1)
    found[_ATTRIBUTES_AT] &= ~_CODEC_MASK & 0xFF
    struct.pack_into(">i", found, 8, len(found) - 12)
    struct.pack_into(">I", found, 12, zlib.crc32(found[FORMAT_AT:]))
    return bytes(found)


def _varint(number: int) -> bytes:
    """A number of at least zero, as records have it (zigzag)."""
    rest, found = number << 1, bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*found, rest))


def _size(codec: int, packed: memoryview, limit: int) -> int:
    """At least the size of the content, or any number above the limit. What is damaged counts as
    small: the library's own error says more."""
    try:
        if codec == _GZIP:
            return _gzip_size(packed, limit)
        if codec == _ZSTD:
            return _zstd_size(packed, limit)
        if codec == _LZ4:
            most = len(packed) * _MOST_LZ4
            return most if most <= min(limit, SMALL_BYTES) else _lz4_size(packed)
        return _snappy_size(packed) if codec == _SNAPPY else 0
    except (IndexError, struct.error, zlib.error, zstandard.ZstdError):
        return 0


def _gzip_size(packed: memoryview, limit: int) -> int:
    if len(packed) * 1_032 <= limit:
        return len(packed) * 1_032
    size, rest = 0, bytes(packed)
    while rest and size <= limit:
        decoder = zlib.decompressobj(31)
        while rest and not decoder.eof and size <= limit:
            size += len(decoder.decompress(rest, 1 << 20))
            rest = decoder.unconsumed_tail
        rest = decoder.unused_data
    return size


def _zstd_size(packed: memoryview, limit: int) -> int:
    size, at = 0, 0
    decoder = zstandard.ZstdDecompressor().decompressobj()
    while at < len(packed) and size <= limit and not decoder.eof:
        size += len(decoder.decompress(packed[at : at + PACKED_BYTES]))
        at += PACKED_BYTES
    return size


def _lz4_size(packed: memoryview) -> int:
    """From the blocks of the frame (LZ4 frame format 1.6): each has a declared greatest size."""
    flags, block = packed[4], packed[5]
    most = 1 << (8 + 2 * (block >> 4 & 7))
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    size = 0
    while True:
        (length,) = struct.unpack_from("<I", packed, at)
        if not length:
            return size
        stored = length & 0x7FFF_FFFF
        size += stored if length >> 31 else min(most, stored * _MOST_LZ4)
        at += 4 + stored + (4 if flags & 0x10 else 0)


def _snappy_size(packed: memoryview) -> int:
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return _snappy_length(packed, 0)
    at, size = _XERIAL_BYTES, 0
    while at < len(packed):
        (length,) = struct.unpack_from(">I", packed, at)
        size += _snappy_length(packed, at + 4)
        at += 4 + length
    return size


def _snappy_length(packed: memoryview, at: int) -> int:
    """The length that a block of snappy begins with."""
    found = shift = 0
    while shift < 35:
        found |= (packed[at] & 0x7F) << shift
        if packed[at] < 0x80:
            return found
        at, shift = at + 1, shift + 7
    return found


_DECODE: Final = {_GZIP: gzip_decode, _SNAPPY: snappy_decode, _LZ4: lz4_decode, _ZSTD: zstd_decode}


def _content(codec: int, packed: memoryview) -> bytes | memoryview:
    """The records of a batch, whose size is known to be bounded."""
    if codec not in _DECODE:
        return packed
    try:
        content: bytes = _DECODE[codec](packed)
    except Exception:  # each codec has errors of its own; the library's reader tells them
        return b""
    return content


def _has_many_headers(content: bytes | memoryview, records: int) -> bool:
    """Whether records have more headers than a batch may have together."""
    at = headers = 0
    try:
        for _ in range(records):
            length, at = _read(content, at)
            end = at + length
            at += 1  # attributes
            for _delta in range(2):
                at = _read(content, at)[1]
            for _field in range(2):
                length, at = _read(content, at)
                at += max(length, 0)
            headers += _read(content, at)[0]
            if headers > MAX_BATCH_HEADERS:
                return True
            at = end
    except IndexError:
        pass  # damaged: the library's own error says more
    return False


def _read(content: bytes | memoryview, at: int) -> tuple[int, int]:
    """A number as records have it (zigzag), and the place behind it."""
    found, shift = content[at] & 0x7F, 7
    while content[at] > 0x7F:
        at += 1
        found |= (content[at] & 0x7F) << shift
        shift += 7
    return (found >> 1) ^ -(found & 1), at + 1
