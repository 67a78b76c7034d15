"""When the events of a file arrive. Each subscriber has a clock of their own.

An event arrives at its own time; if it is late, it arrives right after the earlier line of the
same subscriber. So a file can be in order of time, or one subscriber after the other: the
result is the same.

One wrong year must not move a clock far ahead, or all later events would be too old. So an event
that is far ahead of most of the next lines of its subscriber arrives together with these, and is
rejected because its time is in the future.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from streamproc.core.instants import DAY_MS
from streamproc.tools.play.reading import EventLine

FAR_MS = 40 * DAY_MS
LOOKED_AT = 20
"""How many later lines of the same subscriber decide whether the time of an event is possible."""
LOOKED_THROUGH = 10_000
"""How many lines of the file are searched for them: no more are kept in memory."""


def arrivals(lines: Iterable[EventLine]) -> Iterator[tuple[EventLine, int]]:
    """Each line with the instant of its arrival (ms). The instants of one subscriber never go
    back."""
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
    """The time of an event; if it cannot be right, the time of the events after it."""
    near = list(islice(times, LOOKED_AT))
    if sum(one < time_ms - FAR_MS for one in near) * 2 > len(near):
        return min(near)
    return time_ms
