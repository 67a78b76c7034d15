"""``cron``: at the local times of a cron expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from msgspec import Meta

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.kinds.entry import TimedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind
from streamproc.core.rules.placeholders import PERIOD_USED
from streamproc.core.rules.recurring import ONE_DAY, LocalTime, Recurrence

_NO_SUCH_DAY = "there is no such day in any year"


class CronEntry(TimedEntry, frozen=True, tag="cron", kw_only=True):
    cron: Annotated[str, Meta(min_length=1, max_length=256)]


class Cron(TimedRuleKind):
    entry = CronEntry
    says = "an instant of a cron expression has come, by the subscriber's clocks"
    brief = "operator's schedule"
    field_docs = {"cron": "minute, hour, day of month, month, day of week"}
    placeholders = frozenset((PERIOD_USED,))
    shape = Shape.CALENDAR
    recurs_by = "cron"

    def local_times(self, rule: Recurrence, first: date) -> Iterator[LocalTime]:
        day = _day_of(rule.cron, first)
        while day is not None:
            for at in _times_of_day(rule.cron):
                yield day, at
            day = _day_of(rule.cron, day + ONE_DAY)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        expression = rule.get("cron")
        if isinstance(expression, str) and (problem := cron_error(expression)):
            yield ("cron",), problem

    def terms(self, entry: CronEntry) -> dict[str, Any]:
        return {"cron": entry.cron}


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
    """Whether a day that this month does not have exists in another month, as the 31st does."""
    minute, hour, day, _, weekday = expression.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", datetime(2000, 1, 1))
    except CronSimError:
        return False
    return True


@lru_cache(maxsize=16_384)
def _day_of(expression: str, first: date) -> date | None:
    """The first day, at or after ``first``, that the expression matches; None if none comes for
    years."""
    before = datetime.combine(first, time()) - timedelta(seconds=1)
    try:
        return next(CronSim(expression, before)).date()
    except (StopIteration, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _times_of_day(expression: str) -> tuple[time, ...]:
    """The times of day of the expression. They are the same on each of its days."""
    found = []
    midnight = datetime(2000, 1, 1)
    minute, hour, *_ = expression.split()
    for at in CronSim(f"{minute} {hour} * * *", midnight - timedelta(seconds=1)):
        if at.date() != midnight.date():
            break
        found.append(at.time())
    return tuple(found)


KIND = Cron()
