"""Recurring local times: from a rule's words to days and times of day, in any calendar.

Everything here is wall-clock time without a zone; ``occurrences`` gives each a zone's instants. A
month's missing day (29 to 31) is its last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.schedule.calendar import day_in_month, month_after

LocalTime = tuple[date, time]

MONTH_DAYS = {"month_start": 1, "month_middle": 15, "month_end": 31}
ONE_DAY = timedelta(days=1)
_NO_SUCH_DAY = "there is no such day in any year"


class Recurrence(NamedTuple):
    """What of a rule says when it recurs: rules that share it share their instants."""

    kind: str
    every: str
    day: int
    at: time
    cron: str
    on: date | None


def recurrence_of(rule: TimedRule) -> Recurrence:
    """Of a rule that follows the calendar."""
    return Recurrence(rule.kind, rule.every, rule.day, rule.at, rule.cron, rule.on)


def local_times(rule: Recurrence, first: date) -> Iterator[LocalTime]:
    """The local times of a recurrence, from a day on, ascending; may end."""
    if rule.kind == "cron":
        yield from _cron_times(rule.cron, first)
    elif rule.kind == "once":
        assert rule.on is not None
        if rule.on >= first:
            yield rule.on, rule.at
    elif rule.every == "day":
        yield from _every(first, 1, rule.at)
    elif rule.every == "week":
        yield from _every(first + (rule.day - first.isoweekday()) % 7 * ONE_DAY, 7, rule.at)
    else:
        yield from _monthly(first, MONTH_DAYS.get(rule.every, rule.day), rule.at)


def cron_error(expression: str) -> str | None:
    """What is wrong with a cron expression, or None."""
    if len(expression.split()) != 5:
        return "must have five fields: minute, hour, day of month, month, day of week"
    try:
        next(CronSim(expression, datetime(2000, 1, 1)))
    except CronSimError as error:
        if "day-of-month" in str(error) and _is_day_of_other_months(expression):
            return _NO_SUCH_DAY
        return f"the field {str(error).removeprefix('Bad ')} cannot be read"
    except StopIteration:
        return _NO_SUCH_DAY
    return None


def _is_day_of_other_months(expression: str) -> bool:
    """Whether a wrong expression would be right in another month, as 31 February is."""
    minute, hour, day, _, weekday = expression.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", datetime(2000, 1, 1))
    except CronSimError:
        return False
    return True


def _every(day: date, days: int, at: time) -> Iterator[LocalTime]:
    while True:
        yield day, at
        day += timedelta(days=days)


def _monthly(first: date, on: int, at: time) -> Iterator[LocalTime]:
    month = first
    while True:
        day = day_in_month(month.year, month.month, on)
        if day >= first:
            yield day, at
        month = date(*month_after(month), 1)


def _cron_times(expression: str, first: date) -> Iterator[LocalTime]:
    day = _cron_day(expression, first)
    while day is not None:
        for at in _cron_times_of_day(expression):
            yield day, at
        day = _cron_day(expression, day + ONE_DAY)


@lru_cache(maxsize=16_384)
def _cron_day(expression: str, first: date) -> date | None:
    """The first day, from one on, that has any of its times; None if there is none for long."""
    before = datetime.combine(first, time()) - timedelta(seconds=1)
    try:
        return next(CronSim(expression, before)).date()
    except (StopIteration, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _cron_times_of_day(expression: str) -> tuple[time, ...]:
    """Its times of day, which are the same on every one of its days."""
    found = []
    midnight = datetime(2000, 1, 1)
    minute, hour, *_ = expression.split()
    for at in CronSim(f"{minute} {hour} * * *", midnight - timedelta(seconds=1)):
        if at.date() != midnight.date():
            break
        found.append(at.time())
    return tuple(found)
