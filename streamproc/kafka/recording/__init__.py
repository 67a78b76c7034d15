"""Recordings: files of log records, one JSON object a line, plain, gzip or zstd."""

from streamproc.kafka.recording.reader import RecordingReader
from streamproc.kafka.recording.record_lines import BadRecordingError, LogRecord
from streamproc.kafka.recording.writer import RecordingWriter

__all__ = ["BadRecordingError", "LogRecord", "RecordingReader", "RecordingWriter"]
