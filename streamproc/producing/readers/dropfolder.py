"""A drop folder: each file in it is sent exactly once.

- Files that were sent are moved to ``done/``, with a file of bad records next to each, if it had
  any.
- Files that were sent before, under any name, are moved to ``duplicates/``.
- Unreadable files are moved to ``failed/``.

``.streamproc/done.ndjson`` lists the files that are done.

The progress within a file is stored in Kafka, in the same transactions as its events
(``ExactlyOnceProducer``). So the process can be killed at any time: a file whose last commit was
its end is only moved; any other file continues after its last committed line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.private_files import make_private_directory, open_private, replace_private
from streamproc.producing.readers.files import FileReading, InputFile
from streamproc.producing.readers.formats import FormatError
from streamproc.producing.readers.records import (
    BadRecord,
    Doubts,
    LeftOut,
    ReadEvent,
    UnreadableFileError,
)

log = structlog.get_logger(__name__)

MEMORY = ".streamproc"
"""The folder, within the drop folder, that stores the memory."""
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
        *,
        settle_seconds: float = 2.0,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """A file is ready when it has not changed for ``settle_seconds``."""
        self._folder = folder
        self._reading = reading
        self._producer = producer
        self._settle_seconds = settle_seconds
        self._clock_ms = clock_ms
        self._memory = folder / MEMORY / "done.ndjson"
        for name in ("done", "duplicates", "failed", MEMORY):
            make_private_directory(folder / name)
        self._known = self._remembered()
        self._progress = producer.position(FileProgress)

    def hand_over(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[FileOutcome]:
        """Send every file that is ready; yields the result of each."""
        for path in self._ready():
            if stopping():
                return
            file = InputFile(path)
            digest = file.identity
            if digest in self._known and not self._is_at_hand(digest):
                log.warning(
                    "a file with this content was sent before; it is not sent again", file=path.name
                )
                yield self._moved(FileOutcome(path, verdict="duplicate"), "duplicates")
                continue
            try:
                outcome = self._one(file, stopping)
            except (UnreadableFileError, FormatError) as error:
                log.error(
                    "a file cannot be read; it is moved to failed/",
                    file=path.name,
                    problem=str(error),
                )
                reason = self._folder / "failed" / f"{path.name}.reason"
                replace_private(reason, f"{error}\n".encode())
                yield self._moved(FileOutcome(path, verdict="failed"), "failed")
                continue
            if outcome is None:
                return
            self._remember(digest, outcome)
            yield self._moved(outcome, "done")

    def pending(self) -> bool:
        """Whether there are files that were not sent yet, ready or not."""
        return any(True for _ in self._whole())

    def _one(self, file: InputFile, stopping: Callable[[], bool]) -> FileOutcome | None:
        """Send a file, from the position of an earlier run; None if stopped in the middle."""
        path, digest, progress = file.path, file.identity, self._progress
        if progress is None or progress.digest != digest:
            progress = FileProgress(path.name, digest)
        elif progress.events and not progress.done:
            log.info("continuing within a file", file=path.name, events=progress.events)
        # Read it to its end before anything is sent, so that nothing is sent from a truncated file.
        reader = self._reading.reader(file)
        bad: list[BadRecord] = []
        outcome = FileOutcome(path)
        for record in file.read(reader):
            if isinstance(record, BadRecord):
                bad.append(record)
            elif isinstance(record, LeftOut):
                outcome.left_out += 1
            else:
                outcome.doubts.count(record)
        before, count = progress.events, 0
        events: list[ReadEvent] = []
        for record in file.read(reader):
            if not isinstance(record, ReadEvent):
                continue
            count += 1
            if count <= before or progress.done:
                continue
            events.append(record)
            if len(events) >= COMMIT_EVENTS:
                progress.events = count
                self._send(events, progress)
                events = []
                if stopping():
                    self._producer.settle()
                    return None
        if not progress.done:
            progress.events, progress.done = count, True
            self._send(events, progress)
            self._producer.settle()
        # Only now, before the file is moved: until then a restart reads the file from the start.
        self._reading.sessions.fold(digest)
        self._write_bad(path.name, bad)
        outcome.events, outcome.bad = progress.events, len(bad)
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
        """Complete files, oldest first."""
        now = time.time()
        found = []
        for path in self._whole():
            changed = path.stat().st_mtime
            if now - changed >= self._settle_seconds:
                found.append((changed, path.name, path))
        found.sort()
        progress = self._progress
        if progress is not None and not progress.done:
            # First the file that was begun: its events must not come after those of a newer file.
            found.sort(key=lambda one: one[1] != progress.file)
        return [path for _, _, path in found]

    def _whole(self) -> Iterator[Path]:
        for path in self._folder.iterdir():
            if path.name.startswith(".") or path.suffix in UNFINISHED or not path.is_file():
                continue
            yield path

    def _write_bad(self, name: str, bad: list[BadRecord]) -> None:
        if not bad:
            return
        lines = [msgspec.json.encode({"line": one.line, "reason": one.reason}) for one in bad]
        target = self._folder / "done" / f"{name}.rejects.ndjson"
        replace_private(target, b"\n".join(lines) + b"\n")

    def _remembered(self) -> set[str]:
        if not self._memory.exists():
            return set()
        known = set()
        for line in self._memory.read_bytes().splitlines():
            try:
                known.add(msgspec.json.decode(line, type=DoneFile).digest)
            except msgspec.DecodeError:
                continue  # a crash cut this line; the position in Kafka still identifies the file
        return known

    def _remember(self, digest: str, outcome: FileOutcome) -> None:
        if digest in self._known:
            return
        line = DoneFile(digest, outcome.path.name, outcome.events, outcome.bad, self._clock_ms())
        with open_private(self._memory, "ab") as file:
            file.write(b"\n" + msgspec.json.encode(line))
            file.flush()
            os.fsync(file.fileno())
        self._known.add(digest)

    def _moved(self, outcome: FileOutcome, folder: str) -> FileOutcome:
        target = self._folder / folder / outcome.path.name
        if target.exists():  # another file with the same name
            target = target.with_name(f"{target.name}.{self._clock_ms()}")
        outcome.path.rename(target)
        # It is moved. If the same content comes again from now on, it is a duplicate.
        if self._progress is not None and self._progress.done and folder == "done":
            self._progress = None
        outcome.path = target
        return outcome
