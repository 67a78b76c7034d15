"""Recordings keep every byte, and what is whole of a torn one."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from streamproc.kafka.recording import (
    BadRecordingError,
    LogRecord,
    RecordingReader,
    RecordingWriter,
)
from streamproc.kafka.recording import writer as writer_module
from streamproc.kafka.recording.frames import encode_header
from streamproc.kafka.recording.record_lines import RecordLine, from_line, to_line
from streamproc.kafka.recording.resuming import reopen

RECORDS = [
    LogRecord(b"8613800000001", b'{"type":"usage.recorded"}', 1),
    LogRecord(None, None, 2),
    LogRecord(b"", b"", 3),
    LogRecord(b"\xff\0", b"\x80 not UTF-8", 4, (("h", b"\x00\xff"), ("h", b"")), 7, 9, "t"),
    LogRecord(b"k", '套餐 \u2028 \n "\\'.encode(), 5, (), 0, 0, "t"),
]


@pytest.mark.parametrize("name", ["r.ndjson", "r.ndjson.gz", "r.ndjson.zst"])
def test_all_forms_come_back_the_same_and_from_any_record_on(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FRAME_RECORDS", 2)
    path = tmp_path / name
    with RecordingWriter(path) as writer:
        writer.write_all(RECORDS)
    for skip in range(len(RECORDS) + 1):
        assert list(RecordingReader(path).records(skip)) == RECORDS[skip:]
    assert RecordingReader(path).span_ms() == (1, 5)
    first = path.read_bytes()
    with RecordingWriter(path) as writer:
        writer.write_all(RECORDS)
    assert path.read_bytes() == first


def test_the_index_knows_frames_and_offsets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FRAME_RECORDS", 2)
    path = tmp_path / "r.zst"
    with RecordingWriter(path) as writer:
        writer.write_all(RECORDS)
    index = RecordingReader(path).index
    assert index is not None
    assert [(one.records, one.first_ms, one.last_ms) for one in index.frames] == [
        (2, 1, 2), (2, 3, 4), (1, 5, 5)
    ]  # fmt: skip
    assert index.frames[-1].next_offsets == {"t/7": 10, "t/0": 1}


def test_other_programs_read_and_write_it(tmp_path: Path) -> None:
    path = tmp_path / "r.zst"
    with RecordingWriter(path) as writer:
        writer.write_all(RECORDS)
    lines = b"\n".join(map(to_line, RECORDS)) + b"\n"
    if shutil.which("zstd"):
        assert subprocess.run(["zstd", "-dc", path], capture_output=True).stdout == lines
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == lines
    # Frames of others end anywhere, also within a line.
    path.write_bytes(zstandard.compress(lines[:99]) + zstandard.compress(lines[99:].rstrip()))
    assert list(RecordingReader(path).records()) == RECORDS
    path.write_bytes(gzip.compress(lines))
    assert list(RecordingReader(path).records(1)) == RECORDS[1:]


def test_what_is_no_recording_names_file_line_and_form(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    path.write_bytes(to_line(RECORDS[0]) + b"\n{\n")
    with pytest.raises(BadRecordingError, match=r"r\.ndjson, line 2: not a log record"):
        list(RecordingReader(path).records())
    # An event read as a record would be one without key, value and time.
    path.write_bytes(b'{"type":"usage.recorded","subscriber":"34600000001"}\n')
    with pytest.raises(BadRecordingError, match=r"line 1: not a log record.*streamproc send takes"):
        list(RecordingReader(path).records())
    path.write_bytes(gzip.compress(b"{}\n" * 9999)[:-9])
    with pytest.raises(BadRecordingError, match="damaged gzip"):
        list(RecordingReader(path).records())
    path.write_bytes(b'{"key_base64":"??"}\n')
    with pytest.raises(BadRecordingError, match="record 1"):
        list(RecordingReader(path).records())


def numbered(count: int) -> list[LogRecord]:
    return [LogRecord(b"k", b"%d" % n, n, (), n % 2, n // 2, "t") for n in range(count)]


def test_a_capture_torn_anywhere_is_taken_up_at_its_last_whole_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FRAME_RECORDS", 4)
    path, records = tmp_path / "c.zst", numbered(16)
    writer = RecordingWriter(path, header=encode_header({"t/0": 0, "t/1": 0, "t/2": 5}))
    with writer:
        writer.write_all(records)
    ends = [one.start + one.length for one in writer.index.frames]
    whole = path.read_bytes()
    for cut in range(ends[0], len(whole), 7):
        path.write_bytes(whole[:cut])
        frames = sum(end <= cut for end in ends)
        index, offsets = reopen(path)
        assert len(index.frames) == frames
        assert offsets == {"t/0": frames * 2, "t/1": frames * 2, "t/2": 5}
        with RecordingWriter(path, index=index) as again:
            again.write_all(records[frames * 4 :])
        reader = RecordingReader(path)
        assert reader.index is not None
        assert list(reader.records()) == records
        assert list(reader.records(13)) == records[13:]


def test_a_file_of_another_kind_is_not_taken_for_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "c.zst"
    with RecordingWriter(path) as writer:
        writer.write_all(RECORDS)
    before = path.read_bytes()
    with pytest.raises(BadRecordingError, match="is not a capture"):
        reopen(path)
    assert path.read_bytes() == before


def test_a_line_of_null_fields_is_a_record_of_nothing() -> None:
    assert from_line(RecordLine()) == LogRecord(None, None, 0)
