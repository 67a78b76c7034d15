"""How far a partition is done if records are finished in any order."""

from __future__ import annotations

from collections import deque


class Watermark:
    """``begin`` in offset order, ``done`` in any order; ``value`` is the first unfinished
    offset."""

    def __init__(self, position: int = 0) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self.position = position
        """The offset after the last record that began."""

    def begin(self, offset: int) -> None:
        """The work on a record begins."""
        self._open.append(offset)
        self.position = offset + 1

    def skip(self, offset: int) -> None:
        """A record needs no work."""
        self.position = offset + 1

    def done(self, offset: int) -> None:
        """A record is finished."""
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            self._done.discard(self._open.popleft())

    @property
    def value(self) -> int:
        """The position to commit: everything before it is finished."""
        return self._open[0] if self._open else self.position
