"""What ``streamproc simulate`` reads: a recording, a file of events, or a topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamproc.kafka.recording import LogRecord
    from streamproc.producing.readers import BadRecord

SHOWN_BAD = 20


@dataclass
class SimulatedInput:
    """The records of a source, read once, and what of it was no event."""

    options: dict[str, Any]
    bad: list[BadRecord] = field(default_factory=list)
    """Lines of a file of events that are none; known when all records are read."""

    @property
    def name(self) -> str:
        """As it was given."""
        return str(self.options["source"])

    def records(self) -> Iterator[LogRecord]:
        """All records with a place. Raises what reading raises, and ``NoEventsError``."""
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
        from streamproc.producing.readers.forms import NoEventsError, form_of_file
        from streamproc.producing.readers.records import UnreadableFileError
        from streamproc.tools.play.arriving import arrivals
        from streamproc.tools.play.reading import event_lines

        try:
            form = form_of_file(path)
        except UnreadableFileError:
            form = "recording"  # one that was cut off is read as far as it is whole, or told
        if form == "recording":
            yield from _recorded(path)
        elif form == "events":
            partitions: dict[str, int] = {}
            for line, arrived_ms in arrivals(event_lines(path, self.bad)):
                number = partitions.setdefault(line.event.subscriber, len(partitions))
                yield line.record(arrived_ms, number)
        else:
            raise NoEventsError(str(path), form)

    def _topic(self, topic: str) -> Iterator[LogRecord]:
        from streamproc.tools.replay.sources import TopicSource, placed

        if self.options["broker"] is None:
            raise click.UsageError(f"--from {self.name}: give --broker HOST:PORT")
        source = TopicSource(
            self.options["broker"],
            topic,
            from_ms=self.options["from_time"],
            to_ms=self.options["to_time"],
        )
        yield from placed(source.records(source.begin()))

    def tell_bad(self) -> None:
        """Name lines that are no events."""
        for record in self.bad[:SHOWN_BAD]:
            click.echo(f"{self.name}:{record.line}: {record.reason}", err=True)
        if len(self.bad) > SHOWN_BAD:
            more = len(self.bad) - SHOWN_BAD
            click.echo(f"{self.name}: {more:,} more lines that are no events", err=True)


def _recorded(path: Path) -> Iterator[LogRecord]:
    """A recording's records but those that a worker wrote."""
    from streamproc.tools.explain.gathering import OUTPUTS
    from streamproc.tools.replay.selection import event_type
    from streamproc.tools.replay.sources import FileSource, placed

    source = FileSource(path)
    for record in placed(source.records(source.begin())):
        if event_type(record) not in OUTPUTS:
            yield record
