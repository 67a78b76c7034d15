"""The result of a reader for each record: an event, a fault, or an ignored record."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard

from streamproc.contracts.numbers import Numbering
from streamproc.errors import StreamprocError
from streamproc.producing.readers.sessions import Sessions

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_TAIL = b"\x2a\x4d\x18"
"""Bytes after the first byte of a zstd frame without content. A recording can begin with such a
frame."""


class ReadEvent(NamedTuple):
    """An event that the worker will accept; ``line`` counts from 1 (records, for JSON arrays)."""

    line: int
    key: bytes
    value: bytes
    doubt: str | None = None
    """``twice`` or ``missing``: the local time exists twice, or not at all."""


class BadRecord(NamedTuple):
    """A record that is not an event; ``reason`` never repeats values."""

    line: int
    reason: str


class LeftOut(NamedTuple):
    """A record that the mapping excludes, such as a call among data usage, or one whose bytes an
    earlier record of its session has reported."""

    line: int


Read = ReadEvent | BadRecord | LeftOut
Reader = Callable[[BinaryIO, str], Iterator[Read]]
"""Reads decompressed content; it also gets the id of the file. The same content gives the same
events."""


@dataclass
class ReadSettings:
    """The arguments of a form's reader."""

    mapping: Path | None = None
    """The mapping file, if there is one."""
    numbering: Numbering = field(default_factory=Numbering)
    """How phone numbers are read."""
    sessions: Sessions = field(default_factory=Sessions)
    """The memory of sessions with running totals."""


@dataclass
class Doubts:
    """Local times of a file that exist twice or not at all."""

    lines: dict[str, list[int]] = field(default_factory=dict)
    """By kind of doubt: the number of lines, and the first line."""

    def count(self, record: ReadEvent) -> None:
        """Count an event if its time is doubtful."""
        if record.doubt is not None:
            self.lines.setdefault(record.doubt, [0, record.line])[0] += 1

    def told(self) -> Iterator[str]:
        """One sentence for each kind."""
        for doubt, (count, line) in sorted(self.lines.items()):
            yield f"{count:,} {_DOUBTS[doubt]}; the first is in line {line}"


_DOUBTS = {
    "missing": "local times do not exist: clocks were set forward (time.missing of the mapping)",
    "twice": "local times exist twice: clocks were set back (time.twice of the mapping)",
}


DAMAGES = (EOFError, gzip.BadGzipFile, zstandard.ZstdError)
"""Exceptions of reading a damaged or truncated file."""


class UnreadableFileError(StreamprocError, ValueError):
    """The whole file cannot be read."""


def decompressed(raw: BinaryIO) -> BinaryIO:
    """The content of plain, gzip and zstd files; their first bytes tell which they are."""
    buffered = io.BufferedReader(cast(io.RawIOBase, raw), 1 << 18)
    magic = buffered.peek(4)[:4]
    if magic[:2] == GZIP_MAGIC:
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
    if magic == ZSTD_MAGIC or magic[1:] == SKIPPABLE_TAIL:
        return cast(BinaryIO, io.BufferedReader(_ZstdFrames(buffered), 1 << 18))
    return cast(BinaryIO, buffered)


class _ZstdFrames(io.RawIOBase):
    """The content of zstd frames, one after the other.

    The library's own reader does not notice that a file is truncated.
    """

    def __init__(self, raw: io.BufferedReader[Any]) -> None:
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
            packed = self._raw.read1(1 << 17)
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
