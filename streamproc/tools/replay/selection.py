"""Which records take part, and how they are changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, get_args

import orjson

from streamproc.contracts.records.cloudevents import PREFIX, SUFFIX
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import InputEvent
from streamproc.kafka.recording import LogRecord

TYPES: Final = frozenset(
    str(one.__struct_config__.tag) for one in (*get_args(InputEvent), *get_args(Effect))
)
"""Types of all records in topics of events, and of all records that workers write."""
_TYPE = re.compile(rb'"type"\s*:\s*"([^"\\]*)"')
_TIMES = ("time", "expires_time")
CE_TYPE = "ce_type"
CE_TIME = "ce_time"


@dataclass(frozen=True)
class Selection:
    """Which records to take; an empty set takes all. Times are record timestamps; ``to_ms`` is
    exclusive."""

    subscribers: frozenset[bytes] = frozenset()
    types: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    """For a recording of several topics."""
    from_ms: int | None = None
    to_ms: int | None = None

    def test(self) -> Callable[[LogRecord], bool] | None:
        """The test as one function; None if everything is taken."""
        if self == Selection():
            return None
        return self.takes

    def takes(self, record: LogRecord) -> bool:
        if self.subscribers and record.key not in self.subscribers:
            return False
        if self.topics and record.topic not in self.topics:
            return False
        if self.from_ms is not None and record.timestamp_ms < self.from_ms:
            return False
        if self.to_ms is not None and record.timestamp_ms >= self.to_ms:
            return False
        return not self.types or event_type(record) in self.types


def event_type(record: LogRecord) -> str | None:
    """The event's type, in any form of record; None if it cannot be read."""
    for name, value in record.headers:
        if name == CE_TYPE and value is not None:
            return value.decode("utf-8", "replace").removeprefix(PREFIX).removesuffix(SUFFIX)
    found = _TYPE.search(record.value or b"")
    if not found:
        return None
    return found[1].decode("utf-8", "replace").removeprefix(PREFIX).removesuffix(SUFFIX)


def shifted(record: LogRecord, shift_ms: int) -> LogRecord:
    """The record as if everything in it had happened ``shift_ms`` later.

    The record timestamp, ``time`` and ``expires_time`` of the event, and the time of
    CloudEvents move. A value that cannot be read does not change, so a malformed record stays
    malformed in the same way.
    """
    headers = record.headers
    if headers:
        headers = tuple(
            (name, _moved_bytes(value, shift_ms) if name == CE_TIME else value)
            for name, value in headers
        )
    return record._replace(
        timestamp_ms=record.timestamp_ms + shift_ms,
        value=_shifted_value(record.value, shift_ms),
        headers=headers,
    )


def _shifted_value(value: bytes | None, shift_ms: int) -> bytes | None:
    if not value:
        return value
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    if not isinstance(event, dict):
        return value
    changed = _shift_fields(event, shift_ms)
    data = event.get("data")
    if isinstance(data, dict):  # a CloudEvent in structured mode
        changed |= _shift_fields(data, shift_ms)
    # If nothing moved, the bytes do not change: integers beyond 64 bits would not survive.
    return orjson.dumps(event) if changed else value


def _shift_fields(event: dict[str, Any], shift_ms: int) -> bool:
    changed = False
    for name in _TIMES:
        text = event.get(name)
        if isinstance(text, str):
            moved = _moved(text, shift_ms)
            changed |= moved != text
            event[name] = moved
    return changed


def _moved_bytes(value: bytes | None, shift_ms: int) -> bytes | None:
    if value is None:
        return None
    try:
        return _moved(value.decode(), shift_ms).encode()
    except UnicodeDecodeError:
        return value


def _moved(text: str, shift_ms: int) -> str:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            return text
        later = instant + timedelta(milliseconds=shift_ms)
    except (ValueError, OverflowError):
        return text
    form = later.isoformat(timespec="milliseconds" if "." in text else "seconds")
    return form.replace("+00:00", "Z") if text.endswith(("Z", "z")) else form


def iso(instant_ms: int) -> str:
    """RFC 3339 in UTC, for people and for clock records."""
    return from_ms(instant_ms).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
