r"""One log record as one line of JSON.

``{"key": "8613800000001", "value": "{\"type\":...}", "timestamp_ms": 1767225600000}``: a missing
``key`` or ``value`` means null; ``key_base64`` or ``value_base64`` is used for bytes that are not
UTF-8. ``headers``, ``topic``, ``partition`` and ``offset`` are present if the record came from a
topic. A header is ``[name, base64]``, or ``[name, null]``. A name that is not UTF-8 is shown with
escapes, followed by its bytes: ``[name, base64, base64 of the name]``. The value is a string, not
an object, so that malformed values survive byte for byte.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Struct

from streamproc.errors import StreamprocError
from streamproc.kafka.any_headers import HeaderName


class BadRecordingError(StreamprocError, ValueError):
    """A file that is not a recording, or a damaged one. The message names file, place and
    remedy."""


class LogRecord(NamedTuple):
    """A Kafka record outside Kafka. The last four fields are unknown for records that were never in
    a topic."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...] = ()
    """A name can be a ``HeaderName``."""
    partition: int | None = None
    offset: int | None = None
    topic: str | None = None


class HeaderItem(Struct, array_like=True, gc=False):
    """A header as it is in a line."""

    name: str
    value: str | None
    name_base64: str | None = None


class RecordLine(Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The JSON object of a line."""

    key: str | None = None
    value: str | None = None
    timestamp_ms: int = 0
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key_base64: str | None = None
    value_base64: str | None = None
    headers: list[HeaderItem] | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(RecordLine)


def to_line(record: LogRecord) -> bytes:
    """The line, without its end."""
    line = RecordLine(timestamp_ms=record.timestamp_ms)
    line.key, line.key_base64 = _text(record.key)
    line.value, line.value_base64 = _text(record.value)
    line.topic, line.partition, line.offset = record.topic, record.partition, record.offset
    if record.headers:
        # As plain tuples, because few names need a third item.
        line.headers = cast(Any, [_header(name, value) for name, value in record.headers])
    return _encode(line)


def from_line(line: RecordLine) -> LogRecord:
    """The record of a line. Raises :class:`BadRecordingError` for wrong base64."""
    key, value = line.key, line.value
    headers = line.headers or ()
    try:
        return LogRecord(
            key.encode() if key is not None else _bytes(line.key_base64),
            value.encode() if value is not None else _bytes(line.value_base64),
            line.timestamp_ms,
            tuple((_name(one), _bytes(one.value)) for one in headers),
            line.partition,
            line.offset,
            line.topic,
        )
    except binascii.Error as error:
        raise BadRecordingError(f"wrong base64 ({error}); correct the line or remove it") from None


def parse_lines(block: bytes, path: Path, before: int) -> list[RecordLine]:
    """The records of a block. ``before`` is the number of lines before it, for error messages.

    Raises :class:`BadRecordingError` naming the line.
    """
    # A whole block is decoded at once, because that is fast. If it fails, the loop below
    # finds the bad line.
    try:
        return _decoder.decode_lines(block)
    except UNREADABLE:
        pass
    for number, line in enumerate(block.splitlines(), before + 1):
        try:
            if line.strip():
                _decoder.decode(line)
        except UNREADABLE as error:
            raise BadRecordingError(
                f"{path}, line {number}: not a log record ({error}); each line must be an object "
                f'like {{"key": "...", "value": "...", "timestamp_ms": 0}} (streamproc send takes '
                "files of events)"
            ) from None
    raise BadRecordingError(f"{path}: lines after {before} cannot be read")


def _header(name: str, value: bytes | None) -> tuple[str | None, ...]:
    text = None if value is None else b64encode(value).decode()
    if isinstance(name, HeaderName):
        return str(name), text, b64encode(name.raw).decode()
    return name, text


def _name(item: HeaderItem) -> str:
    raw = _bytes(item.name_base64)
    return item.name if raw is None else HeaderName(raw)


def _text(data: bytes | None) -> tuple[str | None, str | None]:
    """Text, or base64 if it is not UTF-8."""
    if data is None:
        return None, None
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return None, b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)
