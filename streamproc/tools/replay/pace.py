"""When a record is due, and how a run is paused or stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamproc.kafka.recording.record_lines import RecordLine

SLICE_SECONDS = 0.2
"""With a pace, records become visible at least this often (wall time)."""
FLAT_SLICE_RECORDS = 100_000
"""The largest number of records in a transaction; without a pace, the exact number."""


class Control:
    """What a person asks of a running replay; safe to use from threads and signal handlers."""

    def __init__(self) -> None:
        self.stopping = False
        self.paused = False
        self.turns = 0
        """How often the loop of the tool has turned."""
        self._changed = threading.Event()

    def stop(self) -> None:
        self.stopping = True
        self._changed.set()

    def pause(self, paused: bool | None = None) -> None:
        """Pause or continue; without an argument, switch between the two."""
        self.paused = (not self.paused) if paused is None else paused
        self._changed.set()

    def turn(self) -> None:
        """The loop of the tool turns: it does not hang."""
        self.turns += 1

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake up when something is asked."""
        self.turn()
        self._changed.wait(seconds)
        self._changed.clear()


class PaceSlice(NamedTuple):
    """Lines of one slice; ``begins`` says that a slice ended before them."""

    begins: bool
    lines: list[RecordLine]


class ReplayPace:
    """Converts record timestamps to wall time: ``speed`` 1 is as recorded, None is as fast as
    possible.

    Slices are the units of commit, pause and interruption. Only the records decide where slices
    end, never the clock. So two runs of one command put the same record at the same offset.
    """

    def __init__(
        self,
        speed: float | None,
        slice_records: int = FLAT_SLICE_RECORDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed = speed
        self._slice_records = slice_records
        self._clock = clock
        self._first_ms: int | None = None
        self._began = 0.0
        self._slice = 0
        self._count = 0
        self._slice_ms = 0 if speed is None else max(int(SLICE_SECONDS * 1000 * speed), 1)

    def restart(self) -> None:
        """Call it after a pause: the next record is due at once."""
        self._first_ms = None

    def ends_slice(self, timestamp_ms: int) -> bool:
        """Whether a slice ends before the record with that timestamp; counts the record."""
        self._count += 1
        if self._slice_ms:
            number = timestamp_ms // self._slice_ms
            ended = number > self._slice and self._count > 1
            self._slice = max(self._slice, number)
        else:
            ended = False
        if self._count > self._slice_records:
            ended = True
        if ended:
            self._count = 1
        return ended

    def slices(self, lines: list[RecordLine]) -> Iterator[PaceSlice]:
        """For replays without a pace: a block of lines, cut as :meth:`ends_slice` would cut it."""
        start = 0
        while start < len(lines):
            begins = self._count >= self._slice_records
            if begins:
                self._count = 0
            taken = lines[start : start + self._slice_records - self._count]
            self._count += len(taken)
            start += len(taken)
            yield PaceSlice(begins, taken)

    def wait_seconds(self, timestamp_ms: int) -> float:
        """How long until a record with that timestamp is due; 0 or less if it is due."""
        if self.speed is None:
            return 0.0
        now = self._clock()
        if self._first_ms is None:
            self._first_ms, self._began = timestamp_ms, now
            return 0.0
        due = self._began + (timestamp_ms - self._first_ms) / 1000 / self.speed
        return due - now
