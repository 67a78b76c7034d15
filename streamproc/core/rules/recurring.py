"""Recurring local times: days and times of day of the calendar, without a zone.

``core/schedule/occurrences.py`` gives each its instant in a zone. A month's missing day (29 to 31)
is its last one.
"""

from __future__ import annotations

import calendar
from collections.abc import Hashable, Iterator
from datetime import date, time, timedelta
from typing import NamedTuple

LocalTime = tuple[date, time]

ONE_DAY = timedelta(days=1)
CYCLE_PARTS = ("cycle_start", "cycle_middle", "cycle_end")


class Recurrence(NamedTuple):
    """What of a rule says when it recurs: rules that share it share their instants."""

    kind: str
    every: str
    day: int
    at: time
    cron: str
    on: date | None
    more: Hashable = None
    """What a kind needs besides."""


def day_in_month(year: int, month: int, day: int) -> date:
    """The date of ``day`` in a month, or its last day if the month is shorter."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def month_after(day: date, months: int = 1) -> tuple[int, int]:
    """Year and month, ``months`` after that of ``day``."""
    index = day.year * 12 + day.month - 1 + months
    return index // 12, index % 12 + 1


def every_days(day: date, days: int, at: time) -> Iterator[LocalTime]:
    """From a day on, every so many days."""
    while True:
        yield day, at
        day += timedelta(days=days)


def monthly(first: date, on: int, at: time) -> Iterator[LocalTime]:
    """On a day of each month, from a day on."""
    month = first
    while True:
        day = day_in_month(month.year, month.month, on)
        if day >= first:
            yield day, at
        month = date(*month_after(month), 1)
