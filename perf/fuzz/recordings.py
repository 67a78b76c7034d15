"""Recordings: the input of replay, simulate, explain and verify, and what a recorder continues."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from perf.fuzz.places import new_folder
from perf.fuzz.target import Target
from streamproc.kafka.recording import BadRecordingError, LogRecord, RecordingReader
from streamproc.kafka.recording.frames import encode_header
from streamproc.kafka.recording.resuming import reopen
from streamproc.kafka.recording.writer import RecordingWriter

RECORDS = [
    LogRecord(b"8613800000001", b'{"type":"x"}', 1_767_225_600_000, (), 0, 5, "usage"),
    LogRecord(None, None, 1_767_225_600_001),
    LogRecord(b"\xff", b"\xfe", -1, (("h", b"\xff"), ("n", None)), 1, 2**40, "usage"),
]


@cache
def _folder() -> Path:
    folder = new_folder()
    (folder / "input").touch(mode=0o600)
    return folder


def _samples() -> list[bytes]:
    found = []
    for name in ("a.ndjson", "a.gz", "a.zst"):
        path = _folder() / name
        header = encode_header({"usage/0": 3}) if path.suffix == ".zst" else b""
        with RecordingWriter(path, header=header) as out:
            for record in RECORDS:
                out.write(record)
                out.end_frame()
        found.append(path.read_bytes())
    # As a killed recorder leaves it: frames without an index.
    return [*found, found[2][: found[2].rindex(b"\x5e\x2a\x4d\x18")]]


def _feed(content: bytes) -> None:
    path = _folder() / "input"
    path.write_bytes(content)
    with suppress(BadRecordingError):
        reader = RecordingReader(path)
        reader.span_ms()
        for _ in reader.records():
            pass
        for _ in reader.records(skip=1):
            pass
    with suppress(BadRecordingError):
        reopen(path)


RECORDINGS = Target("recordings", "a recording", _samples, _feed)
