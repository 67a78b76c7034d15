"""A drop folder: each file in it is sent exactly once.

- Files that were sent are moved to ``done/``, with a file of bad records next to each, if it had
  any.
- Files that were sent before, under any name, are moved to ``duplicates/``.
- Unreadable files are moved to ``failed/``, with the reason beside each. So are links, pipes,
  sockets and devices, and files that change while they are read.

``done.ndjson`` in the directory of the state lists the files that are done. That directory is not
in the drop folder, because others write there.

The progress within a file is stored in Kafka, in the same transactions as its events
(``ExactlyOnceProducer``). So the process can be killed at any time: a file whose last commit was
its end is only moved; any other file continues after its last committed line.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.printable import printable
from streamproc.private_files import make_private_directory, open_private
from streamproc.producing.readers.files import FileReading
from streamproc.producing.readers.formats import FormatError
from streamproc.producing.readers.held import HeldFile
from streamproc.producing.readers.mapping import MappingError
from streamproc.producing.readers.outgoing import FOLDERS, Verdict, WatchedFolder
from streamproc.producing.readers.record_results import (
    BadRecord,
    Doubts,
    LeftOut,
    Read,
    Reader,
    ReadEvent,
    UnreadableFileError,
)

log = structlog.get_logger(__name__)

OLD_STATE = ".streamproc"
"""Earlier releases kept the state there, within the drop folder."""
MOST_BAD_RECORDS = 100_000
"""So many bad records of a file are kept with their reasons; all are counted."""
COMMIT_EVENTS = 20_000
UNFINISHED = (".tmp", ".part", ".filepart", ".crdownload", ".swp")
"""Name endings of files that are not complete yet; names with a leading dot count too."""


class FileProgress(Struct):
    """The progress of the present file."""

    file: str
    digest: str
    events: int = 0
    """Events sent so far."""
    done: bool = False


class DoneFile(Struct):
    """One line of the list of done files."""

    digest: str
    file: str
    events: int
    bad: int
    done_ms: int


@dataclass
class FileOutcome:
    """The result of a file."""

    path: Path
    events: int = 0
    bad: int = 0
    left_out: int = 0
    """Records that the mapping excludes."""
    doubts: Doubts = field(default_factory=Doubts)
    verdict: str = "done"
    """``done``, ``duplicate`` or ``failed``."""


class DropFolder:
    """Sends the files of a folder, oldest first. One process per folder and topic."""

    def __init__(
        self,
        folder: Path,
        reading: FileReading,
        producer: ExactlyOnceProducer,
        state: Path,
        *,
        settle_seconds: float = 2.0,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """A file is ready when it has not changed for ``settle_seconds``.

        ``state`` is the directory of the memory; see :func:`state_directory`.
        """
        self._folder = folder
        self._reading = reading
        self._producer = producer
        self._settle_seconds = settle_seconds
        self._clock_ms = clock_ms
        self._memory = state / "done.ndjson"
        self._outgoing = WatchedFolder(folder)
        self._told: set[str] = set()
        self._known = self._remembered()
        self._progress = producer.position(FileProgress)

    def hand_over(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[FileOutcome]:
        """Send every file that is ready; yields the result of each."""
        for path in self._ready():
            if stopping():
                return
            try:
                with closing(HeldFile(path)) as file:
                    outcome = self._handed_over(file, stopping)
            except FileNotFoundError:
                log.warning("a file vanished before it was read", file=printable(path.name))
                continue
            except (UnreadableFileError, FormatError, MappingError) as error:
                yield self._failed(path, str(error))
                continue
            except OSError as error:
                yield self._failed(path, f"{path}: cannot be read: {error.strerror or error}")
                continue
            if outcome is None:
                return
            yield outcome

    def _handed_over(self, file: HeldFile, stopping: Callable[[], bool]) -> FileOutcome | None:
        """Send a file and move it; None if stopped in the middle. Raises as reading does."""
        path, digest = file.path, file.identity
        if digest in self._known and not self._is_at_hand(digest):
            log.warning(
                "a file with this content was sent before; it is not sent again",
                file=printable(path.name),
            )
            return self._moved(FileOutcome(path, verdict="duplicate"), "duplicates", file.inode)
        outcome = self._one(file, stopping)
        if outcome is None:
            return None
        self._remember(digest, outcome)
        return self._moved(outcome, "done", file.inode)

    def _failed(self, path: Path, problem: str) -> FileOutcome:
        problem = printable(problem)
        log.error(
            "a file cannot be read; it is moved to failed/",
            file=printable(path.name),
            problem=problem,
        )
        outcome = self._moved(FileOutcome(path, verdict="failed"), "failed")
        try:
            self._outgoing.write("failed", path, ".reason", f"{problem}\n".encode())
        except OSError as error:
            self._cannot_write("the reason of a failure", path, error)
        return outcome

    def _cannot_write(self, what: str, path: Path, error: OSError) -> None:
        """Log it. A full disk makes no file a failed one whose events were sent."""
        problem = error.strerror or str(error)
        log.error(f"{what} cannot be written", file=printable(path.name), problem=problem)

    def pending(self) -> bool:
        """Whether there are files that were not sent yet, ready or not."""
        return any(True for _ in self._whole())

    def _one(self, file: HeldFile, stopping: Callable[[], bool]) -> FileOutcome | None:
        """Send a file, from the position of an earlier run; None if stopped in the middle."""
        path, digest, progress = file.path, file.identity, self._progress
        if progress is None or progress.digest != digest:
            progress = FileProgress(printable(path.name), digest)  # not all names are UTF-8
        elif progress.events and not progress.done:
            log.info("continuing within a file", file=printable(path.name), events=progress.events)
        # Read it to its end before anything is sent, so that nothing is sent from a truncated file.
        reader = self._reading.reader(file)
        bad: list[BadRecord] = []
        outcome = FileOutcome(path)
        for record in _read(file, reader):
            if isinstance(record, BadRecord):
                outcome.bad += 1
                if len(bad) < MOST_BAD_RECORDS:
                    bad.append(record)
            elif isinstance(record, LeftOut):
                outcome.left_out += 1
            else:
                outcome.doubts.count(record)
        before, count = progress.events, 0
        events: list[ReadEvent] = []
        for record in _read(file, reader):
            if not isinstance(record, ReadEvent):
                continue
            count += 1
            if count <= before or progress.done:
                continue
            events.append(record)
            if len(events) >= COMMIT_EVENTS:
                file.check()
                progress.events = count
                self._send(events, progress)
                events = []
                if stopping():
                    self._producer.settle()
                    return None
        if not progress.done:
            file.check()
            progress.events, progress.done = count, True
            self._send(events, progress)
            self._producer.settle()
        # Only now, before the file is moved: until then a restart reads the file from the start.
        self._reading.sessions.fold(digest)
        self._write_bad(path, bad, outcome.bad - len(bad))
        outcome.events = progress.events
        return outcome

    def _send(self, events: list[ReadEvent], progress: FileProgress) -> None:
        at_ms = self._clock_ms()
        bulk = self._producer.bulk
        for event in events:
            bulk.append(bulk.partition_for(event.key), event.key, event.value, at_ms)
        self._producer.commit(progress)
        self._progress = progress

    def _is_at_hand(self, digest: str) -> bool:
        """Whether a file is in the list but may not have been moved yet."""
        progress = self._progress
        return progress is not None and progress.digest == digest and progress.done

    def _ready(self) -> list[Path]:
        """Complete files, oldest first, and what is not a file but must be moved away."""
        now = time.time()
        found = []
        for path, held in self._whole():
            if now - held.st_mtime >= self._settle_seconds:
                found.append((held.st_mtime, path.name, path))
        found.sort()
        progress = self._progress
        if progress is not None and not progress.done:
            # First the file that was begun: its events must not come after those of a newer file.
            found.sort(key=lambda one: printable(one[1]) != progress.file)
        return [path for _, _, path in found]

    def _whole(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            if path.name.startswith(".") or path.suffix in UNFINISHED or path.name in FOLDERS:
                continue
            try:
                held = path.lstat()
            except OSError:
                continue  # it has vanished
            if stat.S_ISDIR(held.st_mode):
                self._tell_directory(path)
            elif not self._outgoing.is_stuck(path, held):
                yield path, held

    def _tell_directory(self, path: Path) -> None:
        """Others may keep a directory here, so it stays; once, the log says so."""
        if path.name not in self._told and len(self._told) < MOST_BAD_RECORDS:
            self._told.add(path.name)
            log.warning("a directory is not read and stays", directory=printable(path.name))

    def _write_bad(self, path: Path, bad: list[BadRecord], more: int) -> None:
        if not bad:
            return
        lines = [msgspec.json.encode({"line": one.line, "reason": one.reason}) for one in bad]
        if more:
            lines.append(msgspec.json.encode({"more": more}))
        try:
            self._outgoing.write("done", path, ".rejects.ndjson", b"\n".join(lines) + b"\n")
        except OSError as error:
            self._cannot_write("the bad records of a file", path, error)

    def _remembered(self) -> set[str]:
        if not self._memory.exists():
            return set()
        known = set()
        for line in self._memory.read_bytes().splitlines():
            try:
                known.add(msgspec.json.decode(line, type=DoneFile).digest)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue  # a crash cut this line; the position in Kafka still identifies the file
        return known

    def _remember(self, digest: str, outcome: FileOutcome) -> None:
        if digest in self._known:
            return
        self._known.add(digest)
        name = printable(outcome.path.name)
        line = DoneFile(digest, name, outcome.events, outcome.bad, self._clock_ms())
        try:
            with open_private(self._memory, "ab") as file:
                file.write(b"\n" + msgspec.json.encode(line))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._cannot_write("the memory of files that were sent", outcome.path, error)

    def _moved(
        self, outcome: FileOutcome, folder: Verdict, inode: int | None = None
    ) -> FileOutcome:
        outcome.path = self._outgoing.move(outcome.path, folder, self._clock_ms(), inode)
        # It is moved. If the same content comes again from now on, it is a duplicate.
        if self._progress is not None and self._progress.done and folder == "done":
            self._progress = None
        return outcome


def _read(file: HeldFile, reader: Reader) -> Iterator[Read]:
    """All records. Raises :class:`UnreadableFileError`, OSError."""
    records = file.read(reader)
    while True:
        try:
            record = next(records, None)
        except (OSError, UnreadableFileError):
            raise
        except Exception as error:
            # A fault of a package or of ours: the other files of the folder must still be sent.
            log.exception("a reader of files has a fault", file=printable(file.path.name))
            problem = f"its reader has a fault ({type(error).__name__}); the log has more"
            raise UnreadableFileError(f"{file.name}: {problem}") from error
        if record is None:
            return
        yield record


def state_directory(folder: Path, given: Path | None) -> Path:
    """The directory of the memory: as given, else ``FOLDER.streamproc`` beside the drop folder.

    What an earlier release left within the drop folder is moved there, if nobody else could have
    written it. Raises ``OSError``, UnreadableFileError.
    """
    state = (given or folder.with_name(f"{folder.name}.streamproc")).resolve()
    if state == folder or folder in state.parents:
        raise UnreadableFileError(
            f"the state must not be in {folder}, where others write; give another --state"
        )
    old = folder / OLD_STATE
    if os.path.lexists(old) and not os.path.lexists(state):
        held = old.lstat()
        is_ours = stat.S_ISDIR(held.st_mode) and held.st_uid == os.geteuid()
        if not is_ours or held.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnreadableFileError(
                f"{old} may be written by others; look at it, then move it to {state} or remove it"
            )
        make_private_directory(state.parent)
        shutil.move(old, state)
        log.info("the state of the folder was moved out of it", state=str(state))
    make_private_directory(state)
    return state
