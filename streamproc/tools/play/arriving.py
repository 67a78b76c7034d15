"""When the events of a file arrive: each subscriber has a clock of its own.

An event arrives at its own time, or late, right after an earlier line of the same subscriber. So it
makes no difference whether a file is written in order of time or one subscriber after the other.

A single wrong year must not carry a clock away: all that follows would be too old. So an event that
is far ahead of most of its subscriber's lines behind it arrives with these, and is rejected as from
the future.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from streamproc.core.instants import DAY_MS
from streamproc.tools.play.reading import EventLine

FAR_MS = 40 * DAY_MS
LOOKED_AT = 20
"""Lines of the same subscriber behind an event that tell whether its time can be."""
LOOKED_THROUGH = 10_000
"""Lines of the file among which they are looked for: more is not kept in memory."""


def arrivals(lines: Iterable[EventLine]) -> Iterator[tuple[EventLine, int]]:
    """Each line with the instant of its arrival (ms); a subscriber's never go back."""
    rest = iter(lines)
    ahead: deque[EventLine] = deque()
    behind: dict[str, deque[int]] = {}
    clocks: dict[str, int] = {}

    def take(count: int) -> None:
        for line in islice(rest, count):
            ahead.append(line)
            behind.setdefault(line.event.subscriber, deque()).append(line.time_ms)

    take(LOOKED_THROUGH)
    while ahead:
        line = ahead.popleft()
        subscriber = line.event.subscriber
        times = behind[subscriber]
        times.popleft()
        clock_ms = max(clocks.get(subscriber, 0), _possible_ms(line.time_ms, times))
        clocks[subscriber] = clock_ms
        if not times:
            del behind[subscriber]
        yield line, clock_ms
        take(1)


def _possible_ms(time_ms: int, times: deque[int]) -> int:
    """The time of an event, or that of those behind it if it cannot be right."""
    near = list(islice(times, LOOKED_AT))
    if sum(one < time_ms - FAR_MS for one in near) * 2 > len(near):
        return min(near)
    return time_ms
