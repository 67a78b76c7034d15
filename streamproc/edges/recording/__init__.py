"""Recordings: files of log records, one JSON object a line, plain, gzip or zstd."""

from streamproc.edges.recording.lines import BadRecordingError, LogRecord
from streamproc.edges.recording.reader import RecordingReader
from streamproc.edges.recording.writer import RecordingWriter

__all__ = ["BadRecordingError", "LogRecord", "RecordingReader", "RecordingWriter"]
