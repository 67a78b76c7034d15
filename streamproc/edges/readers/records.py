"""What a reader gives for each record of a file: an event, a fault, or that it is not wanted."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import xxhash
import zstandard

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class ReadEvent(NamedTuple):
    """An event that the worker will take; ``line`` counts from 1 (records, for JSON arrays)."""

    line: int
    key: bytes
    value: bytes


class BadRecord(NamedTuple):
    """A record that is no event; ``reason`` never repeats values."""

    line: int
    reason: str


class LeftOut(NamedTuple):
    """A record that the mapping does not take (``only``), such as a call among data usage."""

    line: int


Read = ReadEvent | BadRecord | LeftOut
Reader = Callable[[BinaryIO, str], Iterator[Read]]
"""From content (decompressed) and the id of the file; the same content gives the same events."""


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read."""


def decompressed(raw: BinaryIO) -> BinaryIO:
    """The content of plain, gzip and zstd files, told apart by their first bytes."""
    buffered = io.BufferedReader(cast(io.RawIOBase, raw), 1 << 18)
    magic = buffered.peek(4)[:4]
    if magic[:2] == GZIP_MAGIC:
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
    if magic == ZSTD_MAGIC:
        stream = zstandard.ZstdDecompressor().stream_reader(buffered, read_across_frames=True)
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), 1 << 18))
    return cast(BinaryIO, buffered)


def file_id(path: Path) -> str:
    """xxh3 of the file's bytes, 32 hexadecimal digits: where ids of its events come from."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def read_file(path: Path, reader: Reader, identity: str) -> Iterator[Read]:
    """All records of a file. Raises :class:`UnreadableFileError`, OSError."""
    with path.open("rb") as raw:
        try:
            yield from reader(decompressed(raw), identity)
        except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise UnreadableFileError(f"{path}: damaged or cut off ({error})") from error
        except UnicodeDecodeError as error:
            raise UnreadableFileError(
                f"{path}: not {error.encoding}; name its encoding in the mapping file"
            ) from None
