"""The events of a file, line by line, as ``streamproc send`` reads them.

Subscribers are not changed: those of a play are invented, so their numbers need not exist.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import xxhash
from msgspec.structs import replace

from streamproc.contracts.numbers import Numbering
from streamproc.contracts.records.codec import decode_event, encode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.events import (
    AccountActivated,
    ClockAdvanced,
    ProfileChanged,
    SubscriberEvent,
)
from streamproc.kafka.recording import LogRecord
from streamproc.producing.readers.formats import read_ndjson
from streamproc.producing.readers.records import BadRecord, Read, ReadEvent, decompressed, file_id
from streamproc.producing.readers.records import read_file as read_records
from streamproc.producing.readers.without_events import NoEventsError, form_of

_read = partial(read_ndjson, numbering=Numbering(kind="ids"))
TOPIC = "events"
"""Where the records of a played file seem to come from."""


@dataclass(frozen=True)
class EventLine:
    """An event of the file; ``number`` is its line, from 1, and its offset in the log."""

    number: int
    event: SubscriberEvent
    value: bytes

    @property
    def key(self) -> bytes:
        """The key of the record."""
        return self.event.subscriber.encode()

    @property
    def time_ms(self) -> int:
        """When the event happened."""
        return to_ms(self.event.time)

    def record(self, arrived_ms: int, partition: int) -> LogRecord:
        """The line as a record of a log. ``partition`` belongs to this subscriber alone and has its
        own clock."""
        return LogRecord(self.key, self.value, arrived_ms, (), partition, self.number, TOPIC)


@dataclass
class EventsFile:
    """All lines of a file, in its order."""

    name: str
    lines: list[EventLine] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)


def read_events(path: Path) -> EventsFile:
    """The events of a file (plain, gzip, zstd); ``-`` is standard input.

    Raises :class:`NoEventsError`, ``UnreadableFileError``, OSError.
    """
    if str(path) == "-":
        content = sys.stdin.buffer.read()
        identity = xxhash.xxh3_128_hexdigest(content)
        found = _sorted_in("standard input", _read(_opened(content), identity))
        return _with_events(found, _opened(content), "-")
    found = _sorted_in(str(path), read_records(path, _read, file_id(path)))
    with path.open("rb") as raw:
        return _with_events(found, decompressed(raw), path.name)


def event_lines(path: Path, bad: list[BadRecord]) -> Iterator[EventLine]:
    """The same one after the other, for large files. A line that is not an event goes to
    ``bad``."""
    for record in read_records(path, _read, file_id(path)):
        if isinstance(record, BadRecord):
            bad.append(record)
        elif isinstance(record, ReadEvent):
            yield _line(record)


def reads_as(event: SubscriberEvent, locale: str) -> SubscriberEvent:
    """The event for a subscriber who reads texts in ``locale``."""
    if isinstance(event, AccountActivated):
        return replace(event, locale=locale)
    if isinstance(event, ProfileChanged) and event.locale:
        return replace(event, locale=locale)
    return event


def in_locale(file: EventsFile, locale: str) -> EventsFile:
    """The same lives for subscribers who all read texts in ``locale``."""
    lines = []
    for line in file.lines:
        event = reads_as(line.event, locale)
        lines.append(EventLine(line.number, event, encode_event(event)))
    return EventsFile(file.name, lines, file.bad)


def _opened(content: bytes) -> BinaryIO:
    return decompressed(io.BytesIO(content))


def _sorted_in(name: str, records: Iterator[Read]) -> EventsFile:
    found = EventsFile(name)
    for record in records:
        if isinstance(record, BadRecord):
            found.bad.append(record)
        elif isinstance(record, ReadEvent):
            found.lines.append(_line(record))
    return found


def _line(record: ReadEvent) -> EventLine:
    event = decode_event(record.value, record.key)
    assert not isinstance(event, ClockAdvanced)  # it has no subscriber, so it was a bad line
    return EventLine(record.line, event, record.value)


def _with_events(found: EventsFile, content: BinaryIO, name: str) -> EventsFile:
    """The file, if it contains an event, or a line that was meant to be one."""
    if not found.lines:
        form = form_of(content, name)
        if form != "events" or not found.bad:
            raise NoEventsError(found.name, form)
    return found
