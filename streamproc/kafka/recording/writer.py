"""Writing recordings."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Self, cast

import zstandard

from streamproc.kafka.recording.frames import Block, Index, encode_index
from streamproc.kafka.recording.record_lines import LogRecord, to_line
from streamproc.private_files import open_private

FRAME_RECORDS = 20_000
FRAME_BYTES = 64 << 20
ZSTD_LEVEL = 3


class RecordingWriter:
    """Writes records to ``path``: ``.zst`` (indexed), ``.gz``, or plain for any other name.

    With zstd each frame can be read alone: :meth:`end_frame` makes everything so far readable, and
    durable if ``durable``. ``index`` continues a recording that already has these frames.
    """

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = False,
        index: Index | None = None,
        header: bytes = b"",
    ) -> None:
        self.records = 0
        self.index = Index([]) if index is None else index
        self._durable = durable
        self._zstd = path.suffix == ".zst"
        self._file: BinaryIO
        if path.suffix == ".gz":
            # The header has no name and no time, so that the same records give the same bytes.
            self._raw = open_private(path, "wb")
            self._file = cast(BinaryIO, gzip.GzipFile("", "wb", 6, self._raw, mtime=0))
        else:
            self._raw = self._file = open_private(path, "wb" if index is None else "ab")
        if header:
            self._file.write(header)
            self._file.flush()
        self._lines: list[bytes] = []
        self._line_bytes = 0
        self._first_ms = self._last_ms = 0
        self._next_offsets: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, record: LogRecord) -> None:
        """Add a record."""
        if not self._lines:
            self._first_ms = self._last_ms = record.timestamp_ms
        line = to_line(record)
        self._lines.append(line)
        self._line_bytes += len(line)
        self._first_ms = min(self._first_ms, record.timestamp_ms)
        self._last_ms = max(self._last_ms, record.timestamp_ms)
        if record.topic is not None and record.partition is not None and record.offset is not None:
            self._next_offsets[f"{record.topic}/{record.partition}"] = record.offset + 1
        self.records += 1
        if len(self._lines) >= FRAME_RECORDS or self._line_bytes >= FRAME_BYTES:
            self.end_frame()

    def write_all(self, records: Iterable[LogRecord]) -> None:
        """Add records."""
        for record in records:
            self.write(record)

    def end_frame(self) -> None:
        """Write the records so far into the file."""
        if not self._lines:
            return
        block = b"\n".join(self._lines) + b"\n"
        if self._zstd:
            start = self._file.tell()
            # With a checksum of the content, so that a damaged frame is detected.
            packed = zstandard.ZstdCompressor(ZSTD_LEVEL, write_checksum=True).compress(block)
            self._file.write(packed)
            self.index.frames.append(
                Block(
                    start,
                    len(packed),
                    len(self._lines),
                    self._first_ms,
                    self._last_ms,
                    dict(self._next_offsets),
                )
            )
        else:
            self._file.write(block)
        self._lines, self._line_bytes = [], 0
        self._file.flush()
        if self._durable:
            os.fsync(self._raw.fileno())

    def close(self) -> None:
        """Finish the file: write the last frame, and with zstd the index."""
        if self._raw.closed:
            return
        self.end_frame()
        if self._zstd:
            self._file.write(encode_index(self.index))
        self._file.close()
        self._raw.close()
