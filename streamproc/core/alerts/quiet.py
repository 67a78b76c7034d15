"""Quiet hours on the subscriber's clocks."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.nights import nights_around


def quiet_until_ms(hours: Iterable[QuietHours], at_ms: int, tz: ZoneInfo) -> int:
    """The end of the quiet hours that contain an instant, or the instant itself.

    Another night may contain the end of a night: one of other hours, or the next one if clocks skip
    the time between them. All hours together must leave a part of the day free.
    """
    several, before_ms = tuple(hours), -1
    while at_ms != before_ms:
        before_ms = at_ms
        for one in several:
            for night in nights_around(one, at_ms, tz):
                if night.start_ms <= at_ms < night.end_ms:
                    at_ms = night.end_ms
    return at_ms
