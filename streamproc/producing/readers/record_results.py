"""The result of a reader for each record: an event, a fault, or an ignored record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from streamproc.contracts.numbers import Numbering
from streamproc.errors import StreamprocError
from streamproc.producing.readers.sessions import Sessions


class ReadEvent(NamedTuple):
    """An event that the worker will accept; ``line`` counts from 1 (records, for JSON arrays)."""

    line: int
    key: bytes
    value: bytes
    doubt: str | None = None
    """``twice`` or ``missing``: the local time exists twice, or not at all."""


class BadRecord(NamedTuple):
    """A record that is not an event; ``reason`` never repeats values."""

    line: int
    reason: str


class LeftOut(NamedTuple):
    """A record that the mapping excludes, such as a call among data usage, or one whose bytes an
    earlier record of its session has reported."""

    line: int


Read = ReadEvent | BadRecord | LeftOut
Reader = Callable[[BinaryIO, str], Iterator[Read]]
"""Reads decompressed content; it also gets the id of the file. The same content gives the same
events."""


@dataclass
class ReadSettings:
    """The arguments of a form's reader."""

    mapping: Path | None = None
    """The mapping file, if there is one."""
    numbering: Numbering = field(default_factory=Numbering)
    """How phone numbers are read."""
    sessions: Sessions = field(default_factory=Sessions)
    """The memory of sessions with running totals."""


@dataclass
class Doubts:
    """Local times of a file that exist twice or not at all."""

    lines: dict[str, list[int]] = field(default_factory=dict)
    """By kind of doubt: the number of lines, and the first line."""

    def count(self, record: ReadEvent) -> None:
        """Count an event if its time is doubtful."""
        if record.doubt is not None:
            self.lines.setdefault(record.doubt, [0, record.line])[0] += 1

    def told(self) -> Iterator[str]:
        """One sentence for each kind."""
        for doubt, (count, line) in sorted(self.lines.items()):
            yield f"{count:,} {_DOUBTS[doubt]}; the first is in line {line}"


_DOUBTS = {
    "missing": "local times do not exist: clocks were set forward (time.missing of the mapping)",
    "twice": "local times exist twice: clocks were set back (time.twice of the mapping)",
}


class UnreadableFileError(StreamprocError, ValueError):
    """The whole file cannot be read."""
