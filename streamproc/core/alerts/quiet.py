"""Quiet hours on the subscriber's clocks, through any DST change."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.calendar import local_date, local_instant_ms

_ONE_DAY = timedelta(days=1)


def quiet_until_ms(hours: QuietHours, at_ms: int, tz: ZoneInfo) -> int:
    """The end of the quiet hours that an instant lies in, or the instant itself.

    A night runs from the instant at which clocks (first) show its start to that at which they
    (first) show its end, so what a DST change skips or repeats neither splits nor doubles it. A gap
    may swallow what lies between two nights.
    """
    today = local_date(at_ms, tz)
    for day in (today - _ONE_DAY, today, today + _ONE_DAY):
        end_day = day if hours.start < hours.end else day + _ONE_DAY
        end_ms = local_instant_ms(end_day, hours.end, tz)
        if local_instant_ms(day, hours.start, tz) <= at_ms < end_ms:
            at_ms = end_ms
    return at_ms
