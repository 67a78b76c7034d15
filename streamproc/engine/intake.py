"""The intake of one input partition: which fetches of it go on where the last one ended.

The client's fetches may skip input without a word (docs/design.md). So each fetch is compared with
what was asked for, and each chunk says what it follows.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Place


class Intake:
    """What is known of the fetches of one partition of one input topic."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.epoch = 0
        """How often it was rewound or assigned; chunks of older epochs are stale."""
        self.asked: int | None = None
        """Where the next fetch must have been asked to begin; None if the client did not know."""
        self.is_read_out = False
        """Whether the last fetch of this epoch left nothing readable behind."""
        self.holes: list[tuple[int, int]] = []
        """Offsets left out between two fetches (first, next): markers of transactions, or input?"""
        self.missing: list[tuple[int, int]] = []
        """Offsets (first, next) that the log leaves out, though it has earlier and later ones."""
        self._missing_until = 0
        """Up to where such offsets are noted: what is fetched again is not noted twice."""
        self._passed: deque[tuple[int, int]] = deque()
        """Ranges (first, next) without any record to deliver: markers, what was aborted."""
        self._next: int | None = None
        """The offset after the last record delivered in this epoch."""
        self._doubted: int | None = None
        """Where a fetch began that was not what had been asked for."""

    def begin_epoch(self, offset: int) -> None:
        """Everything fetched before is stale; the next fetch begins at this offset."""
        self.epoch += 1
        self.asked = offset
        self._next = None
        self.is_read_out = False
        self._passed.clear()

    def note_passed(self, first: int, following: int) -> None:
        """A fetch ended with offsets that have no record to deliver."""
        if self._passed and self._passed[-1][1] == first:
            first, _ = self._passed.pop()
        self._passed.append((first, following))

    def note_missing(self, first: int, following: int) -> None:
        """The log leaves these offsets out."""
        if following > self._missing_until:
            self.missing.append((max(first, self._missing_until), following))
            self._missing_until = following

    def goes_on(self, asked_offset: int, start: int | None, next_offset: int) -> bool:
        """Whether a fetch goes on where the last one ended: input must not be skipped unseen.

        If not, the partition is to be fetched again from ``start``, where its state says that input
        starts (None: it says nothing, and the fetch is believed). The client may begin further on
        rightly, where it was asked to begin at an offset that exists no more: then it does so
        again. ``next_offset`` is the first one that the state does not contain.
        """
        expected = self.asked
        if expected is not None and asked_offset > expected:
            expected = self._after_passed(expected)
        if expected is not None and asked_offset > expected:
            if self._doubted != asked_offset and start is not None:
                self._doubted = asked_offset
                return False
            # A rewind asks for the last record that the state contains: that one is not missing.
            expected = max(expected, next_offset)
        elif expected is None:
            # The client was being reset when it was asked: what was delivered is known.
            expected = asked_offset if self._next is None else self._next
        if asked_offset > expected:
            self.holes.append((expected, asked_offset))
        self._doubted = None
        return True

    def _after_passed(self, offset: int) -> int:
        """The next offset from this one on that may have a record."""
        while self._passed and self._passed[0][0] <= offset:
            offset = max(offset, self._passed.popleft()[1])
        return offset

    def chunks(self, records: list[Any], size: int) -> list[Chunk]:
        """The records of a fetch in chunks of at most ``size``."""
        # The client resets itself to the topic's beginning when its offset exists no more.
        begins_again = self._next is not None and records[0].offset < self._next
        found: list[Chunk] = []
        follows = self._next or 0
        for at in range(0, len(records), size):
            part = records[at : at + size]
            found.append(Chunk(self.place, part, self.epoch, begins_again, follows))
            follows = found[-1].offset + 1
        self._next = follows
        return found

    def has_nothing_waiting(self, position: int) -> bool:
        """Whether all input known of is applied, if it is applied up to this offset."""
        return self.is_read_out and position >= (self._next or 0)

    def take_holes(self) -> list[tuple[int, int]]:
        """The holes since the last call."""
        holes, self.holes = self.holes, []
        return holes

    def take_missing(self) -> list[tuple[int, int]]:
        """What the log leaves out, as far as it was noted since the last call."""
        missing, self.missing = self.missing, []
        return missing
