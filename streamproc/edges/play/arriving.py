"""When the events of a file arrive: at their own time, unless that cannot be.

A single wrong year must not carry the clock away: all that follows would be too old. So an event
that is far ahead of most lines behind it arrives with these, and is rejected as from the future.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from streamproc.core.instants import DAY_MS
from streamproc.edges.play.reading import Line

FAR_MS = 40 * DAY_MS
LOOKED_AT = 20
"""Lines behind an event that tell whether its time can be."""


def arrivals(lines: Iterable[Line]) -> Iterator[tuple[Line, int]]:
    """Each line with the instant of its arrival (ms); those never go back."""
    rest = iter(lines)
    ahead: deque[Line] = deque(islice(rest, LOOKED_AT + 1))
    clock_ms = 0
    while ahead:
        line = ahead.popleft()
        time_ms = line.time_ms
        behind = [one.time_ms for one in ahead]
        if sum(one < time_ms - FAR_MS for one in behind) * 2 > len(behind):
            time_ms = min(behind)
        clock_ms = max(clock_ms, time_ms)
        yield line, clock_ms
        ahead.extend(islice(rest, 1))
