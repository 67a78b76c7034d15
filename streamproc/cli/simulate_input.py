"""The input of ``streamproc simulate``: a recording, files of events, or a topic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.file_options import (
    given_file_options,
    reading_of,
    tell_others,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamproc.kafka.recording import LogRecord
    from streamproc.producing.readers.files import InputFile
    from streamproc.tools.play.reading import EventFiles
    from streamproc.tools.replay.sources import TopicSource


@dataclass
class SimulatedInput:
    """The records of a source, read once."""

    options: dict[str, Any]
    events: EventFiles | None = None
    """The files of events, if the source is such; complete when all records are read."""

    def __post_init__(self) -> None:
        """Raises ``click.UsageError`` for sources that cannot be put together."""
        names = self._names
        if len(names) > 1:
            topics = [one for one in names if one.startswith("topic:") or not _is_file(one)]
            if topics:
                raise click.UsageError(
                    f"--from {topics[0]}: several sources can only be files of events, and this "
                    "is not a file"
                )
        elif not self._is_file_source:
            self._refuse_options("topic")

    @property
    def name(self) -> str:
        """The names that the user gave."""
        return ", ".join(self._names)

    @property
    def has_topics(self) -> bool:
        """Whether a broker is read."""
        return not self._is_file_source

    @property
    def bad(self) -> int:
        """How many records of files of events are not events."""
        return len(self.events.bad) if self.events is not None else 0

    def place(self, topic: str, partition: int, offset: int) -> str:
        """Where a record stands: in a file, or in a topic."""
        if self.events is not None:
            return self.events.place(offset)
        return f"{topic}-{partition}@{offset}"

    def records(self) -> Iterator[LogRecord]:
        """All records with a place. Raises the errors of reading, and ``NoEventsError``."""
        if self._is_file_source:
            yield from self._files()
            return
        from streamproc.tools.replay.sources import placed

        source = self._source()
        yield from placed(source.records(source.begin()))

    def partitions(self) -> int:
        """How many partitions the topic has; 0 for a file, which does not say so."""
        return 0 if self._is_file_source else len(self._source().partitions)

    def tell_others(self) -> None:
        """Report everything in files that is not an event."""
        if self.events is not None:
            tell_others(self.events, self.events.reading.sessions)

    @property
    def _names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.options["sources"]
        return names

    @property
    def _is_file_source(self) -> bool:
        return not self._names[0].startswith("topic:") and _is_file(self._names[0])

    def _files(self) -> Iterator[LogRecord]:
        from streamproc.producing.readers.files import InputFile
        from streamproc.producing.readers.sessions import Sessions
        from streamproc.tools.play.arriving import arrivals
        from streamproc.tools.play.reading import EventFiles

        known = self.options["sessions"]
        reading = reading_of(self.options, Sessions() if known is None else Sessions.copy_of(known))
        files = [InputFile(Path(one)) for one in self._names]
        for file in files:
            if reading.form == "auto" and reading.form_of(file) == "ndjson" and _is_recording(file):
                if len(files) > 1 or str(file.path) == "-":
                    raise click.UsageError(f"--from {file.name}: give a recording alone, as a file")
                self._refuse_options("recording")
                yield from _recorded(file.path)
                return
        stops = self.options["on_bad"] == "stop"
        self.events = EventFiles(files, reading, stops_at_bad=stops)
        partitions: dict[str, int] = {}
        for line, arrived_ms in arrivals(self.events.lines()):
            number = partitions.setdefault(line.event.subscriber, len(partitions))
            yield line.record(arrived_ms, number)

    def _source(self) -> TopicSource:
        from streamproc.tools.replay.sources import TopicSource

        (name,) = self._names
        path, is_named = Path(name), name.startswith("topic:")
        if not is_named and path.exists():
            raise click.UsageError(f"--from {name}: is a folder; give a file")
        if self.options["broker"] is None:
            wrong = "give --broker HOST:PORT" if is_named else "there is no such file"
            raise click.UsageError(f"--from {name}: {wrong}")
        return TopicSource(
            self.options["broker"],
            name.removeprefix("topic:"),
            from_ms=self.options["from_time"],
            to_ms=self.options["to_time"],
        )

    def _refuse_options(self, what: str) -> None:
        """Options of files of events would have no effect on another source."""
        given = given_file_options(self.options)
        if given:
            raise click.UsageError(f"{given[0]} is for files of events; {self.name} is a {what}")


def _is_file(name: str) -> bool:
    return name == "-" or Path(name).is_file()


def _is_recording(file: InputFile) -> bool:
    from streamproc.producing.readers.record_results import UnreadableFileError

    try:
        return file.form() == "recording"
    except UnreadableFileError:
        # A truncated recording is read up to its last complete frame, or reported.
        return True


def _recorded(path: Path) -> Iterator[LogRecord]:
    """The records of a recording, without those that a worker wrote."""
    from streamproc.tools.explain.gathering import OUTPUTS
    from streamproc.tools.replay.selection import event_type
    from streamproc.tools.replay.sources import FileSource, placed

    source = FileSource(path)
    for record in placed(source.records(source.begin())):
        if event_type(record) not in OUTPUTS:
            yield record
