"""Hours of the night on the subscriber's clocks, through any DST change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.rule import TimedRule
from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.calendar import clock_time, local_date, local_instant_ms
from streamproc.core.state.account import Account

_ONE_DAY = timedelta(days=1)


class Night(NamedTuple):
    """A night from one instant to another (exclusive)."""

    start_ms: int
    end_ms: int


def nights_around(hours: QuietHours, at_ms: int, tz: ZoneInfo) -> Iterator[Night]:
    """The nights that can contain an instant, ascending.

    A night begins when clocks first show its start, and ends when they first show its end. So a DST
    change that skips or repeats one of these times does not split or double the night.
    """
    today = local_date(at_ms, tz)
    for day in (today - _ONE_DAY, today, today + _ONE_DAY):
        end_day = day if hours.start < hours.end else day + _ONE_DAY
        yield Night(
            local_instant_ms(day, hours.start, tz), local_instant_ms(end_day, hours.end, tz)
        )


def night_of(hours: QuietHours, at_ms: int, tz: ZoneInfo) -> Night | None:
    """The night that contains an instant; None if there is none."""
    around = nights_around(hours, at_ms, tz)
    return next((one for one in around if one.start_ms <= at_ms < one.end_ms), None)


def own_quiet_hours(account: Account) -> QuietHours | None:
    """The subscriber's own quiet hours; None if the subscriber chose none, or chose to have
    none."""
    own = account.extra.quiet_minutes if account.extra is not None else []
    if not own or own[0] == own[1]:
        return None
    return QuietHours(clock_time(own[0]), clock_time(own[1]))


@lru_cache(maxsize=1024)
def hours_together(chosen: QuietHours | None, of_rule: QuietHours | None) -> tuple[QuietHours, ...]:
    """Quiet hours, and those of a rule; only the former if both together leave nothing of the
    day."""
    both = tuple(one for one in (chosen, of_rule) if one is not None)
    if len(both) == 2 and len(_minutes_of(both[0]) | _minutes_of(both[1])) == DAY_MINUTES:
        return both[:1]
    return both


def hours_without(rule: TimedRule, account: Account) -> tuple[QuietHours, ...]:
    """Hours in which a rule sends no reminder of an end: its own, and the subscriber's own."""
    of_rule = rule.not_between
    if of_rule is None or rule.policy.in_quiet_hours != "hold":
        return () if of_rule is None else (of_rule,)
    return hours_together(own_quiet_hours(account), of_rule)


def _minutes_of(hours: QuietHours) -> set[int]:
    start, end = (60 * one.hour + one.minute for one in (hours.start, hours.end))
    return {*range(start, end)} if start < end else {*range(start, DAY_MINUTES), *range(end)}
