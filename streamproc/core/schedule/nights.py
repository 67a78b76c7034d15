"""Hours of the night on the subscriber's clocks, through any DST change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.calendar import local_date, local_instant_ms

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
