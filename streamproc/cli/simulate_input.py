"""The input of ``streamproc simulate``: a recording, a file of events, or a topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamproc.kafka.recording import LogRecord
    from streamproc.producing.readers import BadRecord
    from streamproc.tools.replay.sources import TopicSource

SHOWN_BAD = 20


@dataclass
class SimulatedInput:
    """The records of a source, read once, and its lines that are not events."""

    options: dict[str, Any]
    bad: list[BadRecord] = field(default_factory=list)
    """Lines of a file of events that are not events; complete when all records are read."""

    @property
    def name(self) -> str:
        """The name that the user gave."""
        return str(self.options["source"])

    def records(self) -> Iterator[LogRecord]:
        """All records with a place. Raises the errors of reading, and ``NoEventsError``."""
        if self.name.startswith("topic:"):
            yield from self._topic(self.name.removeprefix("topic:"))
            return
        path = Path(self.name)
        if path.is_file():
            yield from self._file(path)
        elif path.exists():
            raise click.UsageError(f"--from {self.name}: is a folder; give a file")
        elif self.options["broker"] is None:
            raise click.UsageError(f"--from {self.name}: there is no such file")
        else:
            yield from self._topic(self.name)

    def _file(self, path: Path) -> Iterator[LogRecord]:
        from streamproc.producing.readers.records import UnreadableFileError
        from streamproc.producing.readers.without_events import NoEventsError, form_of_file
        from streamproc.tools.play.arriving import arrivals
        from streamproc.tools.play.reading import event_lines

        try:
            form = form_of_file(path)
        except UnreadableFileError:
            # A truncated recording is read up to its last complete frame, or reported.
            form = "recording"
        if form == "recording":
            yield from _recorded(path)
        elif form == "events":
            partitions: dict[str, int] = {}
            for line, arrived_ms in arrivals(event_lines(path, self.bad)):
                number = partitions.setdefault(line.event.subscriber, len(partitions))
                yield line.record(arrived_ms, number)
        else:
            raise NoEventsError(str(path), form)

    def partitions(self) -> int:
        """How many partitions the topic has; 0 for a file, which does not say so."""
        if self.name.startswith("topic:"):
            return len(self._source(self.name.removeprefix("topic:")).partitions)
        is_topic = self.options["broker"] is not None and not Path(self.name).exists()
        return len(self._source(self.name).partitions) if is_topic else 0

    def _topic(self, topic: str) -> Iterator[LogRecord]:
        from streamproc.tools.replay.sources import placed

        source = self._source(topic)
        yield from placed(source.records(source.begin()))

    def _source(self, topic: str) -> TopicSource:
        from streamproc.tools.replay.sources import TopicSource

        if self.options["broker"] is None:
            raise click.UsageError(f"--from {self.name}: give --broker HOST:PORT")
        return TopicSource(
            self.options["broker"],
            topic,
            from_ms=self.options["from_time"],
            to_ms=self.options["to_time"],
        )

    def tell_bad(self) -> None:
        """Report lines that are not events."""
        for record in self.bad[:SHOWN_BAD]:
            click.echo(f"{self.name}:{record.line}: {record.reason}", err=True)
        if len(self.bad) > SHOWN_BAD:
            more = len(self.bad) - SHOWN_BAD
            click.echo(f"{self.name}: {more:,} more lines that are not events", err=True)


def _recorded(path: Path) -> Iterator[LogRecord]:
    """The records of a recording, without those that a worker wrote."""
    from streamproc.tools.explain.gathering import OUTPUTS
    from streamproc.tools.replay.selection import event_type
    from streamproc.tools.replay.sources import FileSource, placed

    source = FileSource(path)
    for record in placed(source.records(source.begin())):
        if event_type(record) not in OUTPUTS:
            yield record
