"""Quiet hours on the subscriber's clocks."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.nights import nights_around


def quiet_until_ms(hours: QuietHours, at_ms: int, tz: ZoneInfo) -> int:
    """The end of the quiet hours that contain an instant, or the instant itself.

    If clocks skip the time between two nights, these count as one.
    """
    for night in nights_around(hours, at_ms, tz):
        if night.start_ms <= at_ms < night.end_ms:
            at_ms = night.end_ms
    return at_ms
