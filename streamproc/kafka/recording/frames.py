"""The zstd form: one frame per block of lines, and an index at the end.

``zstd -d`` can read it like any other file, because decoders ignore the skippable frame that
contains the index. The last 12 bytes of that frame are the length of the index and a mark, so that
it can be found from the end. A file without an index (the recorder was killed) is complete up to
its last whole frame.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard
from msgspec import Struct

from streamproc.input_files import opened
from streamproc.kafka.unpacking import DAMAGES, ZSTD_MAGIC, TooMuchError, unpacked_frame

SKIPPABLE_MAGIC = 0x184D2A5E
HEADER_MAGIC = 0x184D2A5D
"""A skippable frame at the start: it says where the capture of each partition begins."""
MARK = b"SPRECIX1"
_HEAD = struct.Struct("<II")
_TAIL = struct.Struct("<I8s")
FRAME_MAGIC = ZSTD_MAGIC
MAX_HEADER_BYTES = 16 << 20
MAX_FRAME_BYTES = 1 << 30
"""A frame that unpacks to more is none of ours: the writer ends frames much earlier."""


class Block(Struct, array_like=True, gc=False):
    """The place of a frame, and its content. ``next_offsets``: by ``topic/partition``."""

    start: int
    length: int
    records: int
    first_ms: int
    last_ms: int
    next_offsets: dict[str, int]


class Index(Struct):
    """All frames in the order of the file."""

    frames: list[Block]

    @property
    def records(self) -> int:
        return sum(frame.records for frame in self.frames)


def encode_index(index: Index) -> bytes:
    """The skippable frame."""
    packed = zstandard.ZstdCompressor().compress(msgspec.json.encode(index))
    body = packed + _TAIL.pack(len(packed), MARK)
    return _HEAD.pack(SKIPPABLE_MAGIC, len(body)) + body


def encode_header(starts: dict[str, int]) -> bytes:
    """The first frame of a capture; ``starts`` are offsets by ``topic/partition``."""
    body = msgspec.json.encode(starts)
    return _HEAD.pack(HEADER_MAGIC, len(body)) + body


def read_header(path: Path) -> dict[str, int]:
    """The starts of a capture; empty for other recordings."""
    with opened(path) as file:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or _HEAD.unpack(head)[0] != HEADER_MAGIC:
            return {}
        body = file.read(min(_HEAD.unpack(head)[1], MAX_HEADER_BYTES))
    try:
        return msgspec.json.decode(body, type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def read_index(path: Path) -> tuple[Index, int] | None:
    """The index and the place of its frame; None if the file has none."""
    size = path.stat().st_size
    if size < _HEAD.size + _TAIL.size:
        return None
    with opened(path) as file:
        # The index is at the end of the file, and the last bytes have its length.
        file.seek(size - _TAIL.size)
        length, mark = _TAIL.unpack(file.read(_TAIL.size))
        start = size - _TAIL.size - length - _HEAD.size
        if mark != MARK or start < 0:
            return None
        file.seek(start)
        magic, body = _HEAD.unpack(file.read(_HEAD.size))
        if magic != SKIPPABLE_MAGIC or body != length + _TAIL.size:
            return None
        packed = file.read(length)
    try:
        raw, _ = unpacked_frame(io.BytesIO(packed), MAX_FRAME_BYTES)
        index = msgspec.json.decode(raw, type=Index)
    except (*DAMAGES, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_true = all(0 <= one.start <= one.start + one.length <= start for one in index.frames)
    return (index, start) if is_true else None


def next_frame(file: BinaryIO) -> tuple[bytes, int] | None:
    """Content and length of the frame at the file's position; None if it is torn.

    Raises ``zstandard.ZstdError`` if the data there is damaged.
    """
    start = file.tell()
    try:
        content, behind = unpacked_frame(file, MAX_FRAME_BYTES)
    except TooMuchError as error:
        raise zstandard.ZstdError(str(error)) from None
    except EOFError:
        return None
    end = file.tell() - len(behind)
    file.seek(end)
    return content, end - start
