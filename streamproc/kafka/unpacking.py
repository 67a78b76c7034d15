"""Compressed data of others: unpacked in pieces of bounded size.

A few kilobytes can be the packed form of many gigabytes. So nothing here returns more than a few
megabytes at once, however well the data was packed, and the whole content has a bound too.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO, Final, cast

import zstandard

from streamproc.errors import StreamprocError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
SKIPPABLE_TAIL: Final = b"\x2a\x4d\x18"
"""Bytes after the first byte of a zstd frame without content. A recording can begin with such a
frame."""
DAMAGES: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)
"""Exceptions of reading damaged or truncated data, or data that unpacks to too much."""
MAX_CONTENT_BYTES: Final = 64 << 30
"""A larger content is none of a day's usage."""
MAX_CONTENT_RATIO: Final = 500
"""Events that differ in nothing but their ids are packed to a hundredth."""
ANY_RATIO_BYTES: Final = 64 << 20
"""Up to this size a content may have any ratio to its file."""
PACKED_BYTES: Final = 1 << 9
"""A block of zstd has 4 bytes at least and unpacks to 128 KiB at most. So these unpack to 16 MiB at
most."""


class TooMuchError(StreamprocError, EOFError):
    """Data unpacks to more than may be read."""


def is_zstd(magic: bytes) -> bool:
    """Whether the first four bytes are those of a zstd frame."""
    return magic == ZSTD_MAGIC or magic[1:] == SKIPPABLE_TAIL


def unpacked(raw: BinaryIO, max_bytes: int = MAX_CONTENT_BYTES) -> BinaryIO:
    """The content of plain, gzip and zstd files; their first bytes tell which they are.

    Reading raises one of :data:`DAMAGES`.
    """
    counted = _Counted(raw)
    buffered = io.BufferedReader(counted, 1 << 18)
    magic = buffered.peek(4)[:4]
    if magic[:2] == GZIP_MAGIC:
        content: Any = gzip.GzipFile(fileobj=buffered)
    elif is_zstd(magic):
        content = io.BufferedReader(ZstdFrames(buffered), 1 << 18)
    else:
        return cast(BinaryIO, buffered)
    return cast(BinaryIO, io.BufferedReader(_Bounded(content, max_bytes, counted), 1 << 18))


def unpacked_frame(raw: BinaryIO, max_bytes: int) -> tuple[bytes, bytes]:
    """Content of the zstd frame at the position of a file, and bytes behind it that were read.

    Raises ``EOFError`` if the frame is cut off, :class:`TooMuchError`, ``ZstdError``.
    """
    decoder = zstandard.ZstdDecompressor().decompressobj()
    parts: list[bytes] = []
    size = 0
    while not decoder.eof:
        packed = raw.read(PACKED_BYTES)
        if not packed:
            raise EOFError("a compressed frame is truncated")
        parts.append(decoder.decompress(packed))
        size += len(parts[-1])
        if size > max_bytes:
            raise TooMuchError(f"a frame unpacks to more than {max_bytes} bytes")
    return b"".join(parts), decoder.unused_data


class _Counted(io.RawIOBase):
    """A file whose bytes are counted as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        into = memoryview(buffer).cast("B")
        part = self._file.read(len(into))
        into[: len(part)] = part
        self.bytes_read += len(part)
        return len(part)


class _Bounded(io.RawIOBase):
    """A content that ends with an error after so many bytes, or after many for its file."""

    def __init__(self, content: BinaryIO, max_bytes: int, packed: _Counted) -> None:
        super().__init__()
        self._content = content
        self._packed = packed
        self._bytes_read = 0
        self._max = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._content.read(len(memoryview(buffer).cast("B")))
        self._bytes_read += len(part)
        if self._bytes_read > self._max:
            raise TooMuchError(f"it unpacks to more than {self._max} bytes")
        most = max(ANY_RATIO_BYTES, MAX_CONTENT_RATIO * self._packed.bytes_read)
        if self._bytes_read > most:
            raise TooMuchError(f"it unpacks to more than {MAX_CONTENT_RATIO} times its size")
        memoryview(buffer).cast("B")[: len(part)] = part
        return len(part)


class ZstdFrames(io.RawIOBase):
    """The content of zstd frames, one after the other.

    The library's own reader does not notice that a file is truncated.
    """

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._is_within = False
        """A frame has begun and has not ended."""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end. Raises EOFError in the middle of a frame, ``ZstdError``."""
        into = memoryview(buffer).cast("B")
        while not self._ready:
            packed = self._raw.read(PACKED_BYTES)
            if not packed:
                if self._is_within:
                    raise EOFError("a compressed frame is truncated")
                return 0
            self._ready = memoryview(self._unpacked(packed))
        count = min(len(into), len(self._ready))
        into[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpacked(self, packed: bytes) -> bytes:
        parts = []
        while packed:
            parts.append(self._decoder.decompress(packed))
            packed = b""
            self._is_within = not self._decoder.eof
            if self._decoder.eof:
                packed = self._decoder.unused_data
                self._decoder = zstandard.ZstdDecompressor().decompressobj()
        return b"".join(parts)
