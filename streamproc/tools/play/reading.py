"""The events of files, line by line, in the forms that ``streamproc send`` takes.

Several files are put together for each subscriber, in order of time. So the activations of
subscribers can be in one file and their usage, as another system writes it, in another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from streamproc.contracts.records.codec import decode_event, encode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.events import (
    AccountActivated,
    ClockAdvanced,
    ProfileChanged,
    SubscriberEvent,
)
from streamproc.kafka.recording import LogRecord
from streamproc.producing.readers.files import FileEvents, FileReading, InputFile
from streamproc.producing.readers.record_results import BadRecord, Doubts
from streamproc.producing.readers.without_events import NoEventsError

TOPIC = "events"
"""Where the records of a played file seem to come from."""


@dataclass(frozen=True)
class EventLine:
    """An event of a file; ``number`` is its line (or its record), from 1."""

    number: int
    event: SubscriberEvent
    value: bytes
    file: str = ""
    place: int = 0
    """Its offset in the log: the number, counted on from the files before. Events of one line share
    it."""

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
        return LogRecord(self.key, self.value, arrived_ms, (), partition, self.place, TOPIC)


class BadLine(NamedTuple):
    """A line that is not an event."""

    file: str
    line: int
    reason: str


@dataclass
class EventFiles:
    """Files of events. What else is in them is complete when :meth:`lines` has been read."""

    files: Sequence[InputFile]
    reading: FileReading
    stops_at_bad: bool = False
    """Whether nothing after a bad line counts."""
    bad: list[BadLine] = field(default_factory=list)
    left_out: int = 0
    """Records that the mapping excludes."""
    notes: list[str] = field(default_factory=list)
    """Sentences about local times that exist twice or not at all."""
    _starts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The names of the files."""
        return ", ".join(one.name for one in self.files)

    def lines(self) -> Iterator[EventLine]:
        """All events; all files but the last are held in memory.

        Raises :class:`NoEventsError` for a file without an event, ``UnreadableFileError``,
        ``FormatError``, MappingError, OSError.
        """
        found = FileEvents(self.reading, self._take_bad, self.stops_at_bad)
        merged: Iterator[EventLine] = iter(())
        for number, file in enumerate(self.files):
            lines = self._of(file, found)
            if number < len(self.files) - 1:
                lines = iter(list(lines))
            merged = in_order_of_time(merged, lines) if number else lines
        yield from merged
        self.left_out = found.left_out

    def place(self, offset: int) -> str:
        """The file and line of a record, from its offset: ``line 3``, or ``usage.csv:3``."""
        if len(self.files) == 1:
            return f"line {offset}"
        number = max(n for n, start in enumerate(self._starts) if start < offset)
        return f"{self.files[number].name}:{offset - self._starts[number]}"

    def _of(self, file: InputFile, found: FileEvents) -> Iterator[EventLine]:
        start = last = self._next_start
        self._starts.append(start)
        doubts, bad_before, count = Doubts(), len(self.bad), 0
        for record in found.of(file, doubts):
            event = decode_event(record.value, record.key)
            assert not isinstance(event, ClockAdvanced)  # it has no subscriber: it was a bad line
            last, count = start + record.line, count + 1
            yield EventLine(record.line, event, record.value, file.name, last)
        self._next_start = last
        self.notes += [f"{file.name}: {told}" for told in doubts.told()]
        self.reading.sessions.fold(file.identity)
        if count == 0 and not found.is_stopped:
            self._check_events(file, len(self.bad) - bad_before)

    _next_start: int = 0

    def _take_bad(self, name: str, record: BadRecord) -> None:
        self.bad.append(BadLine(name, record.line, record.reason))

    def _check_events(self, file: InputFile, bad: int) -> None:
        """Raise :class:`NoEventsError`, unless the file was meant to hold events."""
        if self.reading.form_of(file) != "ndjson":
            return
        form = file.form()
        if form != "events" or not bad:
            raise NoEventsError(file.name, form, file.first_bytes())


def in_order_of_time(held: Iterable[EventLine], rest: Iterable[EventLine]) -> Iterator[EventLine]:
    """The lines of two files. Those of one subscriber are in order of time, as far as each file is;
    at equal times ``held`` comes first. Between subscribers the order means nothing."""
    waiting: dict[str, deque[EventLine]] = {}
    for line in held:
        waiting.setdefault(line.event.subscriber, deque()).append(line)
    for line in rest:
        mine = waiting.get(line.event.subscriber)
        while mine and mine[0].time_ms <= line.time_ms:
            yield mine.popleft()
        yield line
    for mine in waiting.values():
        yield from mine


def reads_as(event: SubscriberEvent, locale: str) -> SubscriberEvent:
    """The event for a subscriber who reads texts in ``locale``."""
    if isinstance(event, AccountActivated):
        return replace(event, locale=locale)
    if isinstance(event, ProfileChanged) and event.locale:
        return replace(event, locale=locale)
    return event


def in_locale(line: EventLine, locale: str) -> EventLine:
    """The same line of a subscriber who reads texts in ``locale``."""
    event = reads_as(line.event, locale)
    return EventLine(line.number, event, encode_event(event), line.file, line.place)
