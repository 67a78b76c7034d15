"""The files of a command: the form of each, its records, and the count of those without an event.

``send``, its drop folder, ``play`` and ``simulate`` all read files here, so they take the same
forms and refuse the same records.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final

import xxhash

from streamproc.contracts.numbers import Numbering
from streamproc.input_files import naming, opened_also_pipe
from streamproc.kafka.unpacking import DAMAGES, TooMuchError, unpacked
from streamproc.printable import printed_name
from streamproc.producing.readers.formats import FORMS, FormatError, form_by_name, open_reader
from streamproc.producing.readers.record_results import (
    BadRecord,
    Doubts,
    LeftOut,
    Read,
    Reader,
    ReadEvent,
    UnreadableFileError,
)
from streamproc.producing.readers.sessions import Sessions
from streamproc.producing.readers.without_events import Form, form_of, is_event

AUTO: Final = "auto"
"""The form is chosen for each file, by its name and its first line."""
_BLOCK_BYTES: Final = 1 << 22
_FIRST_BYTES: Final = 64


class InputFile:
    """A file (plain, gzip or zstd) that can be read repeatedly; ``-`` is standard input."""

    _STDIN: Final = "standard input"

    def __init__(self, path: Path) -> None:
        """Standard input is read to its end at once."""
        self.path = path
        self._held: bytes | None = None
        if str(path) == "-":
            with naming(self._STDIN):
                self._held = sys.stdin.buffer.read()

    @property
    def name(self) -> str:
        """The name for messages."""
        return self._STDIN if self._held is not None else printed_name(self.path)

    @cached_property
    def identity(self) -> str:
        """xxh3 of the bytes, 32 hexadecimal digits. Ids of events are derived from it."""
        digest = xxhash.xxh3_128()
        with self._opened() as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def read(self, reader: Reader) -> Iterator[Read]:
        """All records. Raises :class:`UnreadableFileError`, OSError."""
        identity = self.identity
        with self._opened() as raw:
            yield from read_open(raw, self.name, reader, identity)

    def form(self) -> Form:
        """What its first line is. Raises ``UnreadableFileError``, OSError."""
        with self._opened() as raw:
            try:
                return form_of(unpacked(raw), self.path.name)
            except DAMAGES as error:
                raise _damaged(self.name, error) from error

    def first_bytes(self) -> bytes:
        """How the content begins. Raises as :meth:`form`."""
        with self._opened() as raw:
            try:
                return unpacked(raw).read(_FIRST_BYTES)
            except DAMAGES as error:
                raise _damaged(self.name, error) from error

    def begins_with_event(self) -> bool:
        """Whether its first line is an event of the contract. Raises as :meth:`form`."""
        with self._opened() as raw:
            try:
                return is_event(unpacked(raw))
            except DAMAGES as error:
                raise _damaged(self.name, error) from error

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with naming(self.name), self._raw() as file:
            yield file

    def _raw(self) -> AbstractContextManager[BinaryIO]:
        if self._held is not None:
            return nullcontext(io.BytesIO(self._held))
        return opened_also_pipe(self.path)


def read_open(raw: BinaryIO, name: str, reader: Reader, identity: str) -> Iterator[Read]:
    """All records of an open file; ``name`` is for messages. Raises :class:`UnreadableFileError`,
    OSError."""
    try:
        yield from reader(unpacked(raw), identity)
    except DAMAGES as error:
        raise _damaged(name, error) from error
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{name}: {error}") from None
    except UnicodeError as error:
        encoding = error.encoding if isinstance(error, UnicodeDecodeError) else "its encoding"
        raise UnreadableFileError(
            f"{name}: not {encoding}; name its encoding in the mapping file"
        ) from None


def _damaged(name: str, error: Exception) -> UnreadableFileError:
    if isinstance(error, TooMuchError):
        return UnreadableFileError(f"{name}: {error}")
    return UnreadableFileError(f"{name}: damaged or cut off ({error})")


@dataclass(frozen=True)
class FileReading:
    """How the files of a command are read."""

    form: str = AUTO
    """A name in ``FORMS``, or ``auto``."""
    mapping: Path | None = None
    numbering: Numbering = field(default_factory=Numbering)
    sessions: Sessions = field(default_factory=Sessions)

    def __post_init__(self) -> None:
        """Raises ``FormatError`` for a mapping that nothing would read."""
        form = FORMS.get(self.form)
        if form is not None and self.mapping is not None and not form.takes_mapping:
            raise FormatError(
                f"{self.form} takes no mapping: its records are events of the contract. Leave "
                f"--mapping out, or give the form that the mapping is for"
            )

    def check(self) -> None:
        """Find errors that no file can cause. Raises ``FormatError``, MappingError."""
        if self.form != AUTO or self.mapping is not None:
            open_reader("csv" if self.form == AUTO else self.form, self.mapping, self.numbering)

    def form_of(self, file: InputFile) -> str:
        """The form of a file. Raises ``UnreadableFileError``, OSError.

        Events of the contract need no mapping, so they can stand beside mapped files.
        """
        if self.form != AUTO:
            return self.form
        found = form_by_name(file.path, has_mapping=self.mapping is not None)
        is_plain = self.mapping is not None and found == "json" and file.begins_with_event()
        return "ndjson" if is_plain else found

    def reader(self, file: InputFile) -> Reader:
        """The reader of a file. Raises as :meth:`form_of`, and ``FormatError``, MappingError."""
        return open_reader(self.form_of(file), self.mapping, self.numbering, self.sessions)

    def records(self, file: InputFile) -> Iterator[Read]:
        """All records of a file. Raises as :meth:`reader`."""
        return file.read(self.reader(file))


@dataclass
class FileEvents:
    """The events of files; counts of all other records, complete when the events are read."""

    reading: FileReading
    tell_bad: Callable[[str, BadRecord], None]
    """Gets the name of the file and each record that is not an event."""
    stops_at_bad: bool = False
    """Whether nothing after a bad record counts."""
    bad: int = 0
    left_out: int = 0
    """Records that the mapping excludes."""
    is_stopped: bool = False

    def of(self, file: InputFile, doubts: Doubts) -> Iterator[ReadEvent]:
        """The events of one file; none after a stop. Raises as ``FileReading.reader``."""
        if self.is_stopped:
            return
        for record in self.reading.records(file):
            if isinstance(record, ReadEvent):
                doubts.count(record)
                yield record
            elif isinstance(record, LeftOut):
                self.left_out += 1
            else:
                self.bad += 1
                self.tell_bad(file.name, record)
                if self.stops_at_bad:
                    self.is_stopped = True
                    return
