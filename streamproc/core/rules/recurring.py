"""Recurring local times: days and times of day of the calendar, without a zone.

``core/schedule/occurrences.py`` calculates the instant of each in a zone. If a month has no day 29
to 31, its last day is used.
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
    """The part of a rule that decides when it recurs. Rules with an equal part share their
    instants."""

    kind: str
    every: str
    day: int
    at: time
    cron: str
    on: date | None
    more: Hashable = None
    """Further data that a kind needs."""


def day_in_month(year: int, month: int, day: int) -> date:
    """The date of ``day`` in a month; the last day if the month is shorter."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def month_after(day: date, months: int = 1) -> tuple[int, int]:
    """Year and month that come ``months`` after the month of ``day``."""
    index = day.year * 12 + day.month - 1 + months
    return index // 12, index % 12 + 1


def every_days(day: date, days: int, at: time) -> Iterator[LocalTime]:
    """From a day on, one local time every ``days`` days."""
    while True:
        yield day, at
        day += timedelta(days=days)


def monthly(first: date, on: int, at: time) -> Iterator[LocalTime]:
    """From a day on, one local time on a day of each month."""
    month = first
    while True:
        day = day_in_month(month.year, month.month, on)
        if day >= first:
            yield day, at
        month = date(*month_after(month), 1)
