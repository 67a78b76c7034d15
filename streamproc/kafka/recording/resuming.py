"""Continues a recording whose writer was killed."""

from __future__ import annotations

from pathlib import Path

import zstandard

from streamproc.input_files import opened
from streamproc.kafka.recording.frames import (
    FRAME_MAGIC,
    Block,
    Index,
    next_frame,
    read_header,
    read_index,
)
from streamproc.kafka.recording.record_lines import BadRecordingError, parse_lines
from streamproc.private_files import open_private


def reopen(path: Path) -> tuple[Index, dict[str, int]]:
    """Cut the file after its last complete frame; returns its frames, and the next offsets.

    Offsets are by ``topic/partition``. Raises :class:`BadRecordingError` if the file is not a
    capture of this program.
    """
    header = read_header(path)
    if not header:
        raise BadRecordingError(f"{path} exists and is not a capture; give another file name")
    found = read_index(path)
    if found is not None:
        index, end = found
    else:
        index, end = _scan(path)
    # An index is cut off, too. It is written again when the capture ends.
    with open_private(path, "r+b") as file:
        file.truncate(end)
    offsets = dict(header)
    for frame in index.frames:
        offsets.update(frame.next_offsets)
    return index, offsets


def _scan(path: Path) -> tuple[Index, int]:
    """The complete frames, and the end of the last one."""
    frames: list[Block] = []
    records = 0
    offsets: dict[str, int] = {}
    with opened(path) as file:
        # The first frame is the header, which has no records.
        head = file.read(8)
        file.seek(int.from_bytes(head[4:], "little"), 1)
        while True:
            start = file.tell()
            if file.read(4) != FRAME_MAGIC:
                return Index(frames), start
            file.seek(start)
            try:
                whole = next_frame(file)
            except zstandard.ZstdError:
                return Index(frames), start
            if whole is None:
                return Index(frames), start
            block, length = whole
            lines = parse_lines(block, path, records)
            for line in lines:
                offsets[f"{line.topic}/{line.partition}"] = (line.offset or 0) + 1
            records += len(lines)
            times = [line.timestamp_ms for line in lines]
            frames.append(Block(start, length, len(lines), min(times), max(times), dict(offsets)))
