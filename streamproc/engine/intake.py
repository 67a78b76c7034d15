"""The intake of one input partition: decides whether a fetch continues where the last one ended.

A client's fetch can skip input without an error (docs/design.md). So each fetch is compared with
the requested offset, and each chunk says which offset it follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Place
from streamproc.engine.fetched import ends_of_chunks


class Intake:
    """The fetches of one partition of one input topic."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.epoch = 0
        """How often the partition was rewound or assigned. Chunks of older epochs are stale."""
        self.asked: int | None = None
        """The offset at which the next fetch must begin; None if the client does not know it."""
        self.is_read_out = False
        """Whether the last fetch of this epoch left no readable record behind."""
        self.holes: list[tuple[int, int]] = []
        """Offsets that are missing between two fetches (first, next): transaction markers, or lost
        input?"""
        self.missing: list[tuple[int, int]] = []
        """Offsets (first, next) that are missing in the log, although it has earlier and later
        ones."""
        self._missing_until = 0
        """The offset up to which missing offsets were noted, so that a repeated fetch is not noted
        twice."""
        self._passed: deque[tuple[int, int]] = deque()
        """Ranges (first, next) without a record to deliver: transaction markers, aborted
        records."""
        self._next: int | None = None
        """The offset after the last record delivered in this epoch."""
        self._doubted: int | None = None
        """The start of a fetch that differed from the requested offset."""

    def begin_epoch(self, offset: int) -> None:
        """Everything fetched before is stale; the next fetch begins at this offset."""
        self.epoch += 1
        self.asked = offset
        self._next = None
        self.is_read_out = False
        self._passed.clear()

    def note_passed(self, first: int, following: int) -> None:
        """The last offsets of a fetch have no record to deliver."""
        # Adjacent ranges become one, so that the list stays short.
        if self._passed and self._passed[-1][1] == first:
            first, _ = self._passed.pop()
        self._passed.append((first, following))

    def note_missing(self, first: int, following: int) -> None:
        """These offsets are missing in the log."""
        if following > self._missing_until:
            self.missing.append((max(first, self._missing_until), following))
            self._missing_until = following

    def goes_on(self, asked_offset: int, start: int | None, next_offset: int) -> bool:
        """Whether a fetch continues where the last one ended. Otherwise input would be skipped
        silently.

        If it does not, the partition must be fetched again from ``start``, where its state says
        that input starts (None: the state says nothing, and the fetch is accepted). The client
        may be right to begin later: when the requested offset does not exist any more. Then it
        begins there again at the second fetch. ``next_offset`` is the first offset that the
        state does not contain.
        """
        expected = self.asked
        # Offsets without records are not missing input.
        if expected is not None and asked_offset > expected:
            expected = self._after_passed(expected)
        if expected is not None and asked_offset > expected:
            # The first time may be an error of the client, so fetch again. If it begins at the same
            # place the second time, the records before it do not exist.
            if self._doubted != asked_offset and start is not None:
                self._doubted = asked_offset
                return False
            # A rewind requests the last record that the state contains. That record is not missing.
            expected = max(expected, next_offset)
        elif expected is None:
            # The client was being reset when it was asked, so use the offset of the last
            # delivered record.
            expected = asked_offset if self._next is None else self._next
        if asked_offset > expected:
            self.holes.append((expected, asked_offset))
        self._doubted = None
        return True

    def _after_passed(self, offset: int) -> int:
        """The next offset, from this one on, that can have a record."""
        while self._passed and self._passed[0][0] <= offset:
            offset = max(offset, self._passed.popleft()[1])
        return offset

    def chunks(self, records: Sequence[Any], size: int, weight: int = 0) -> list[Chunk]:
        """The records of a fetch in chunks of at most ``size``, and of some MiB of memory.

        ``weight`` is about the memory that all of them take.
        """
        # If the client's offset does not exist any more, it resets itself to the
        # start of the topic.
        begins_again = self._next is not None and records[0].offset < self._next
        found: list[Chunk] = []
        follows = self._next or 0
        begin = 0
        for end in ends_of_chunks(records, size, weight):
            found.append(Chunk(self.place, records[begin:end], self.epoch, begins_again, follows))
            begin, follows = end, found[-1].offset + 1
        self._next = follows
        return found

    def has_nothing_waiting(self, position: int) -> bool:
        """Whether all known input is applied, if it is applied up to this offset."""
        return self.is_read_out and position >= (self._next or 0)

    def has_fetched_beyond(self, position: int) -> bool:
        """Whether records from this offset on are fetched, and wait in this process."""
        return self._next is not None and self._next > position

    def take_holes(self) -> list[tuple[int, int]]:
        """The holes since the last call."""
        holes, self.holes = self.holes, []
        return holes

    def take_missing(self) -> list[tuple[int, int]]:
        """The missing offsets that were noted since the last call."""
        missing, self.missing = self.missing, []
        return missing
