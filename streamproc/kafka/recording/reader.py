"""Reading recordings."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import xxhash
import zstandard

from streamproc.input_files import opened
from streamproc.kafka.recording.frames import MAX_FRAME_BYTES, Index, read_index
from streamproc.kafka.recording.record_lines import (
    BadRecordingError,
    LogRecord,
    RecordLine,
    from_line,
    parse_lines,
)
from streamproc.kafka.unpacking import (
    DAMAGES,
    PACKED_BYTES,
    SKIPPABLE_TAIL,
    is_zstd,
    unpacked,
    unpacked_frame,
)

BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 256 << 20
"""A record of Kafka has at most some megabytes."""

DAMAGED = "; copy the file anew from where it was recorded"


class RecordingReader:
    """Reads records of a file in order. The first bytes of the file tell its compression.

    ``index`` exists only for zstd files that this package finished. Raises
    :class:`BadRecordingError` where the file is damaged, FileNotFoundError if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(path) as file:
            self._magic = file.read(4)
        self._zstd = is_zstd(self._magic)
        found = read_index(path) if self._zstd else None
        self.index: Index | None = found[0] if found else None
        self.bytes_total = path.stat().st_size
        self.bytes_read = 0
        """How much of the (compressed) file has been read, to show progress."""

    def digest(self) -> str:
        """xxh3 of the whole file, 32 hexadecimal digits. It identifies the file."""
        digest = xxhash.xxh3_128()
        with opened(self.path) as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def span_ms(self) -> tuple[int, int] | None:
        """Smallest and largest timestamp; None for an empty file. Without an index the whole file
        is read."""
        if self.index is not None:
            frames = self.index.frames
            if not frames:
                return None
            return min(one.first_ms for one in frames), max(one.last_ms for one in frames)
        first: int | None = None
        last = 0
        for lines in self.blocks():
            for line in lines:
                first = line.timestamp_ms if first is None else min(first, line.timestamp_ms)
                last = max(last, line.timestamp_ms)
        return None if first is None else (first, last)

    def records(self, skip: int = 0) -> Iterator[LogRecord]:
        """The records after the first ``skip``, which are skipped quickly."""
        number = skip
        for lines in self.blocks(skip):
            try:
                for line in lines:
                    number += 1
                    yield from_line(line)
            except BadRecordingError as error:
                raise BadRecordingError(f"{self.path}, record {number}: {error}") from None

    def blocks(self, skip: int = 0) -> Iterator[list[RecordLine]]:
        """Lines in blocks, after the first ``skip`` lines."""
        before = 0
        for block, known in self._raw_blocks(skip):
            if known is not None and before + known <= skip:
                before += known
                continue
            lines = parse_lines(block, self.path, before)
            here, before = before, before + len(lines)
            if before > skip:
                yield lines[max(skip - here, 0) :]

    def _raw_blocks(self, skip: int) -> Iterator[tuple[bytes, int | None]]:
        """Blocks of complete lines, each with its number of lines if known in advance."""
        if self._zstd:
            return self._frames(skip)
        return ((block, None) for block in self._stream())

    def _frames(self, skip: int) -> Iterator[tuple[bytes, int | None]]:
        with opened(self.path) as file:
            if self.index is not None:
                passed = 0
                for frame in self.index.frames:
                    self.bytes_read = frame.start + frame.length
                    passed += frame.records
                    if passed <= skip:
                        yield b"", frame.records
                        continue
                    file.seek(frame.start)
                    yield self._frame(file.read(frame.length)), frame.records
                return
            # A zstd file of another program, or of a killed recorder: lines can cross frames.
            rest = b""
            while head := file.read(4):
                file.seek(-len(head), io.SEEK_CUR)
                if head[1:] == SKIPPABLE_TAIL:  # a skippable frame
                    file.seek(4, io.SEEK_CUR)
                    file.seek(int.from_bytes(file.read(4), "little"), io.SEEK_CUR)
                    continue
                for part in self._parts(file):
                    block, _, rest = (rest + part).rpartition(b"\n")
                    self._check_rest(rest)
                    if block:
                        yield block + b"\n", None
            if rest:
                yield rest, None

    def _frame(self, packed: bytes) -> bytes:
        try:
            return unpacked_frame(io.BytesIO(packed), MAX_FRAME_BYTES)[0]
        except DAMAGES as error:
            raise BadRecordingError(f"{self.path}: a damaged frame ({error}){DAMAGED}") from None

    def _parts(self, file: BinaryIO) -> Iterator[bytes]:
        """The content of a frame in pieces. Afterwards the file is at the end of the frame."""
        decoder = zstandard.ZstdDecompressor().decompressobj()
        while not decoder.eof:
            chunk = file.read(PACKED_BYTES)
            if not chunk:
                raise BadRecordingError(
                    f"{self.path}: cut off within a frame; `streamproc record` to this "
                    "file removes the torn end and continues"
                )
            try:
                part = decoder.decompress(chunk)
            except zstandard.ZstdError as error:
                raise BadRecordingError(
                    f"{self.path}: a damaged frame ({error}){DAMAGED}"
                ) from None
            # The decoder may have taken bytes of the next frame, so the file goes back to them.
            if decoder.eof:
                file.seek(-len(decoder.unused_data), io.SEEK_CUR)
            self.bytes_read = file.tell()
            if part:
                yield part

    def _stream(self) -> Iterator[bytes]:
        with opened(self.path) as raw:
            file = unpacked(raw)
            rest = b""
            while True:
                try:
                    part = file.read(BLOCK_BYTES)
                except DAMAGES as error:
                    raise BadRecordingError(
                        f"{self.path}: damaged gzip ({error}){DAMAGED}"
                    ) from None
                self.bytes_read = raw.tell()
                if not part:
                    break
                # A block ends at the end of a line. The rest is the beginning of the next block.
                block, _, rest = (rest + part).rpartition(b"\n")
                self._check_rest(rest)
                if block:
                    yield block + b"\n"
            if rest:
                yield rest

    def _check_rest(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_BYTES:
            raise BadRecordingError(
                f"{self.path}: a line has more than {MAX_LINE_BYTES >> 20} MiB, which no record has"
            )
