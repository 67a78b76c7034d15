"""Instants and durations on the command line."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import click

from streamproc.core.instants import LAST_MS, to_ms

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST_MS = 100 * 366 * 86_400_000
_FORM = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


class Duration(click.ParamType):
    """A number with its unit, such as 90s, 1.5h or 31d, to milliseconds."""

    name = "duration"

    def __init__(self, *, signed: bool = False) -> None:
        self._signed = signed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _FORM.fullmatch(value.strip())
        if not found:
            self.fail(
                f"{value!r} is not a duration; write for example 90s, 1.5h or 31d", param, ctx
            )
        sign, number, unit = found.groups()
        if sign == "-" and not self._signed:
            self.fail(f"{value!r} is negative", param, ctx)
        length_ms = float(number) * _UNITS_MS[unit]
        if length_ms > LONGEST_MS:
            self.fail(f"{value!r} is longer than a hundred years", param, ctx)
        return int(length_ms) * (-1 if sign == "-" else 1)


class Instant(click.ParamType):
    """RFC 3339 with a zone, or milliseconds since 1970, to milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value.isdecimal():
            return self._in_calendar(int(value), value, param, ctx)
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time; write for example 2026-01-05T08:00:00Z", param, ctx
            )
        if instant.tzinfo is None:
            self.fail(f"{value!r} lacks a zone; add Z or +08:00", param, ctx)
        try:
            return self._in_calendar(to_ms(instant), value, param, ctx)
        except OverflowError:  # the year 1 or 9999, in UTC
            self.fail(f"{value!r} is beyond the calendar", param, ctx)

    def _in_calendar(
        self, at_ms: int, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if not 0 <= at_ms < LAST_MS:
            self.fail(f"{value!r} is not between 1970 and 9998", param, ctx)
        return at_ms
