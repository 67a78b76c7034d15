"""Quiet hours: a year's nights in a zone, one by one."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, time
from functools import lru_cache

from streamproc.lab.oracle.days import ONE_DAY, day_of, instant_of

Hours = tuple[time, time]


@lru_cache(maxsize=2000)
def _nights(year: int, start: time, end: time, zone: str) -> list[tuple[int, int]]:
    """Start and end of every night that touches a year."""
    found = []
    day = date(year, 1, 1) - ONE_DAY
    while day.year <= year:
        last_day = day if start < end else day + ONE_DAY
        found.append((instant_of(day, start, zone), instant_of(last_day, end, zone)))
        day += ONE_DAY
    return found


def night_around(at_ms: int, hours: Hours, zone: str) -> tuple[int, int] | None:
    """Begin and end of the first night that an instant lies in, if there is one."""
    nights = _nights(day_of(at_ms, zone).year, *hours, zone)
    return next((one for one in nights if one[0] <= at_ms < one[1]), None)


def end_of_night(at_ms: int, hours: Hours | None, zone: str) -> int:
    """When the night is over that an instant lies in; the instant itself if it lies in none.

    A night begins when clocks first show its start, and ends when they first show its end.
    """
    if hours is None:
        return at_ms
    nights = _nights(day_of(at_ms, zone).year, *hours, zone)
    # No night lasts two days.
    first = max(bisect_right(nights, (at_ms, at_ms)) - 2, 0)
    for begin_ms, end_ms in nights[first : first + 5]:
        if begin_ms <= at_ms < end_ms:
            at_ms = end_ms  # another night can begin there
    return at_ms


def day_without(several: list[Hours]) -> set[int]:
    """Minutes of the day outside all of several spans."""
    free = set(range(24 * 60))
    for start, end in several:
        begin, stop = start.hour * 60 + start.minute, end.hour * 60 + end.minute
        free -= set(range(begin, stop)) if begin < stop else {*range(begin, 1440), *range(stop)}
    return free
