"""A bounded queue of records on disk (first in, first out), safe against kill -9 and torn writes.

The directory contains segments. An entry is its length, a CRC-32 and a msgpack array
(timestamp, key, value). Entries are numbered from 1, and a segment has the number of its first
entry as its name. ``done`` holds the number of the last entry that is not needed any more;
segments before it are deleted.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import structlog

from streamproc.errors import StreamprocError
from streamproc.private_files import make_private_directory, open_private, replace_private

log = structlog.get_logger(__name__)

SEGMENT_BYTES = 16 << 20
MAX_ENTRY_BYTES = 64 << 20
_LONGEST_NUMBER = 20
_NUMBER = re.compile(rb"[0-9]{1,20}")
_SEGMENT = re.compile(r"[0-9]{20}\.spool")
_HEAD = struct.Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, bytes, bytes]).decode


class SpoolFullError(StreamprocError):
    """The spool reached its limit and stayed there. The event was not accepted."""


class SpoolBusyError(StreamprocError):
    """Another process uses the spool."""


class SpoolDamagedError(StreamprocError):
    """An entry in the middle of the spool cannot be read."""


class SpooledRecord(NamedTuple):
    """A spooled record."""

    number: int
    timestamp_ms: int
    key: bytes
    value: bytes


class Spool:
    """Thread-safe; one process at a time (the directory is locked).

    A record that :meth:`append` accepted survives the end of the process at once. It survives the
    end of the machine after ``sync_seconds`` (0: at once, too).
    """

    def __init__(
        self, directory: Path, max_bytes: int = 1 << 30, sync_seconds: float = 0.2
    ) -> None:
        """Opens or creates it. Raises :class:`SpoolBusyError`, :class:`SpoolDamagedError`."""
        self.directory = directory
        self._max_bytes = max_bytes
        self._sync_seconds = sync_seconds
        make_private_directory(directory)
        self._lock_file = open_private(directory / "lock", "wb")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise SpoolBusyError(
                f"{directory} belongs to a running producer; each needs a spool of its own"
            ) from error
        self._changed = threading.Condition()
        self._is_given_up = False
        self._closed = False
        self._synced = 0.0
        self._unsynced = False
        self._segments: dict[int, int] = {}
        """Bytes of each segment by its first number."""
        self.done = self._read_done()
        """The last number that is not needed any more."""
        self.last = self.done
        """The last number that was accepted."""
        self._file: BinaryIO | None = None
        self._cursor = (0, -1, 0)
        """Where reading has stopped: number, segment, byte."""
        self._recover()

    @property
    def waiting(self) -> int:
        """How many entries are not done yet."""
        return self.last - self.done

    @property
    def size_bytes(self) -> int:
        return sum(self._segments.values())

    def append(
        self,
        timestamp_ms: int,
        key: bytes,
        value: bytes,
        block_seconds: float,
        taken: Callable[[int], None] = lambda number: None,
    ) -> int:
        """Accept a record; returns its number, and passes it to ``taken`` before a reader can see
        it.

        Raises :class:`SpoolFullError`.
        """
        payload = _encode((timestamp_ms, key, value))
        frame = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        with self._changed:
            self._await_room(len(frame), block_seconds)
            first = max(self._segments, default=0)
            if self._file is None or self._segments[first] >= SEGMENT_BYTES:
                first = self._new_segment()
            assert self._file is not None
            # One unbuffered write: after it, the entry survives if the process is killed.
            self._file.write(frame)
            self._segments[first] += len(frame)
            self.last += 1
            taken(self.last)
            self._unsynced = True
            self._sync_if_due()
            self._changed.notify_all()
            return self.last

    def sync(self) -> None:
        """Make the accepted records durable, if it is time to."""
        with self._changed:
            self._sync_if_due()

    def read(self, after: int) -> Iterator[SpooledRecord]:
        """The entries after number ``after``, in order. For one reader at a time."""
        # A copy: reading is slow and must not block writers.
        with self._changed:
            segments = sorted(self._segments.items())
        for place, (first, size) in enumerate(segments):
            # All entries of this segment are done, because the next segment begins at or before
            # the wanted entry.
            if place + 1 < len(segments) and segments[place + 1][0] <= after + 1:
                continue
            number, start = first - 1, 0
            # Continue where the last call stopped, so that each call does not read the segment
            # from its start.
            if self._cursor[1] == first and self._cursor[0] <= after:
                number, _, start = self._cursor
            for entry, end in self._entries(first, start, size):
                number += 1
                if number > after:
                    self._cursor = (number, first, end)
                    yield SpooledRecord(number, *entry)

    def finish(self, number: int) -> None:
        """Everything up to ``number`` is not needed any more."""
        with self._changed:
            if number <= self.done:
                return
            self.done = number
            # A crash leaves the old or the new number.
            replace_private(self.directory / "done", str(number).encode())
            firsts = sorted(self._segments)
            for first, following in pairwise(firsts):
                # The last segment is never deleted, because it is still written.
                if following <= number + 1:
                    self._path(first).unlink()
                    del self._segments[first]
            self._changed.notify_all()

    def wait_for_more(self, after: int, timeout_seconds: float) -> bool:
        """Wait for an entry after ``after`` if there is none; returns whether there is one."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.last > after or self._closed, timeout_seconds
            ) and (self.last > after)

    def wait_until_done(self, number: int, timeout_seconds: float | None) -> bool:
        """Wait; returns whether everything up to ``number`` is done in time."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.done >= number or self._is_given_up, timeout_seconds
            )
            return self.done >= number

    def give_up(self) -> None:
        """Nothing more is sent by this process, so nobody waits for it any more."""
        with self._changed:
            self._is_given_up = True
            self._changed.notify_all()

    def close(self) -> None:
        """Make everything durable; another process can use the directory then."""
        with self._changed:
            self._closed = True
            if self._file is not None:
                os.fsync(self._file.fileno())
                self._file.close()
                self._file = None
            self._lock_file.close()
            self._changed.notify_all()

    def _sync_if_due(self) -> None:
        now = time.monotonic()
        if self._file and self._unsynced and now - self._synced >= self._sync_seconds:
            os.fsync(self._file.fileno())
            self._synced, self._unsynced = now, False

    def _await_room(self, frame_bytes: int, block_seconds: float) -> None:
        if self._closed:
            raise SpoolFullError(f"{self.directory} is closed")
        fits = self._changed.wait_for(
            lambda: self.size_bytes + frame_bytes <= self._max_bytes, block_seconds
        )
        if not fits:
            raise SpoolFullError(
                f"{self.directory} holds {self.size_bytes:,} of {self._max_bytes:,} bytes, and "
                f"Kafka took none for {block_seconds:g} s; look at the broker or allow more"
            )

    def _new_segment(self) -> int:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
        first = self.last + 1
        self._file = open_private(self._path(first), "ab", buffering=0)
        self._segments[first] = self._path(first).stat().st_size
        # Without this, a crash of the machine could lose the name of the new file.
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        return first

    def _path(self, first: int) -> Path:
        return self.directory / f"{first:020d}.spool"

    def _read_done(self) -> int:
        """The last number that is not needed, as far as the directory knows it."""
        path = self.directory / "done"
        try:
            with path.open("rb") as file:
                text = file.read(_LONGEST_NUMBER + 1)
        except FileNotFoundError:
            return 0
        if _NUMBER.fullmatch(text):
            return int(text)
        # A crash of the machine can leave it empty.
        log.warning(
            "the spool does not know what was sent; all that it holds is sent again, and each "
            "event counts once",
            file=str(path),
        )
        return min(self._firsts(), default=1) - 1

    def _firsts(self) -> list[int]:
        """The first number of each segment. Other files are none of ours."""
        names = (path.name for path in self.directory.glob("*.spool"))
        return sorted(
            int(name.removesuffix(".spool")) for name in names if _SEGMENT.fullmatch(name)
        )

    def _recover(self) -> None:
        """Read the list of segments; remove a torn entry at the end of the last one."""
        firsts = self._firsts()
        for first in firsts:
            self._segments[first] = self._path(first).stat().st_size
        if not firsts:
            return
        newest = firsts[-1]
        # Only the last segment can be torn: the others were synced before the next one began.
        end, number = 0, newest - 1
        for _, entry_end in self._entries(newest, 0, self._segments[newest], torn_end=True):
            end, number = entry_end, number + 1
        with open_private(self._path(newest), "r+b") as file:
            file.truncate(end)
        self._segments[newest] = end
        self.last = max(number, self.done)
        if number < self.done:
            # Entries that were done were lost with the machine. Their numbers are not used again.
            self._path(newest).unlink()
            del self._segments[newest]
        else:
            self._file = open_private(self._path(newest), "ab", buffering=0)

    def _entries(
        self, first: int, start: int, size: int, torn_end: bool = False
    ) -> Iterator[tuple[tuple[int, bytes, bytes], int]]:
        """Entries of a segment from byte ``start`` up to ``size``, each with its end."""
        path = self._path(first)
        end = start
        with path.open("rb") as file:
            file.seek(start)
            while end < size:
                head = file.read(_HEAD.size)
                if len(head) == _HEAD.size:
                    length, crc = _HEAD.unpack(head)
                    # A damaged length must not make it read gigabytes. Zeros, which a crash of the
                    # machine can leave, have the right sum of no bytes at all.
                    payload = file.read(length) if length < MAX_ENTRY_BYTES else b""
                    entry = _entry(payload) if zlib.crc32(payload) == crc else None
                    if len(payload) == length and entry is not None:
                        end += _HEAD.size + length
                        yield entry, end
                        continue
                if torn_end:
                    return
                raise SpoolDamagedError(
                    f"{path} is damaged at byte {end}: what lies before it can be sent, what lies "
                    "behind it cannot be read; move the file away and send its events again"
                )


def _entry(payload: bytes) -> tuple[int, bytes, bytes] | None:
    try:
        return _decode(payload)
    except msgspec.DecodeError:
        return None
