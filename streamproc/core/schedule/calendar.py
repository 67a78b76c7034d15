"""Billing cycles and local wall-clock times, in any time zone, through any DST change.

A local time that a DST change skips happens once, at the end of the gap. A local time that occurs
twice happens once, the first time. If a month is shorter than the anchor day (29-31), its last day
is used; the next month uses the anchor day again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streamproc.core.instants import DAY_MS, from_ms, to_ms
from streamproc.core.rules.recurring import day_in_month, month_after

MIDNIGHT = time(0, 0)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of a name, or None if there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # OSError: a directory of the zone database ("America") is not a zone either.
        return None


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an account. It was checked when the account was activated."""
    found = zone(name)
    if found is None:
        raise ValueError(f"no IANA time zone named {name!r}")
    return found


def _offset_ms(instant_ms: int, tz: ZoneInfo) -> int:
    offset = from_ms(instant_ms).astimezone(tz).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() * 1000)


@lru_cache(maxsize=65_536)
def _offset_of_day_ms(utc_day: int, tz: ZoneInfo) -> int | None:
    """The offset of a UTC day, or None if the offset changes within it."""
    start = _offset_ms(utc_day * DAY_MS, tz)
    return start if start == _offset_ms((utc_day + 1) * DAY_MS, tz) else None


def local_time(instant_ms: int, tz: ZoneInfo) -> datetime:
    """What clocks in ``tz`` show at an instant. The result's own zone (UTC) has no meaning."""
    offset_ms = _offset_of_day_ms(instant_ms // DAY_MS, tz)
    if offset_ms is None:
        offset_ms = _offset_ms(instant_ms, tz)
    return from_ms(instant_ms + offset_ms)


def local_minute(instant_ms: int, zone_name: str) -> int:
    """What clocks of a known zone show at an instant, in minutes since 1970-01-01T00:00 local
    time."""
    offset_ms = offset_of_day_in_zone_ms(instant_ms // DAY_MS, zone_name)
    if offset_ms is None:
        offset_ms = _offset_ms(instant_ms, known_zone(zone_name))
    return (instant_ms + offset_ms) // 60_000


@lru_cache(maxsize=65_536)
def offset_of_day_in_zone_ms(utc_day: int, zone_name: str) -> int | None:
    """How far a zone's clocks are ahead during a UTC day; None if that changes within the day."""
    return _offset_of_day_ms(utc_day, known_zone(zone_name))


def clock_time(minute: int) -> time:
    """A time of day from minutes after midnight."""
    return time(*divmod(minute, 60))


def local_date(instant_ms: int, tz: ZoneInfo) -> date:
    """The subscriber's calendar day at an instant."""
    return local_time(instant_ms, tz).date()


@lru_cache(maxsize=65_536)
def local_instant_ms(day: date, at: time, tz: ZoneInfo) -> int:
    """The instant at which clocks in ``tz`` show ``at`` on ``day``: the first one, or the end of a
    gap."""
    naive = datetime.combine(day, at)
    early = naive.replace(tzinfo=tz, fold=0)
    instant = early.astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == naive:
        return to_ms(instant)
    # In a gap, fold=0 reads the clock as if the change had not happened and lands after the
    # change. fold=1 lands before the change. The change itself, which is the end of the gap,
    # lies between the two.
    low = naive.replace(tzinfo=tz, fold=1).astimezone(UTC)
    high = instant
    offset_after = high.astimezone(tz).utcoffset()
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(tz).utcoffset() == offset_after:
            high = middle
        else:
            low = middle
    return to_ms(high)


@lru_cache(maxsize=65_536)
def _cycle_of_day(day: date, anchor_day: int, tz: ZoneInfo) -> tuple[int, int]:
    start = day_in_month(day.year, day.month, anchor_day)
    if start > day:
        start = day_in_month(*month_after(day, -1), anchor_day)
    end = day_in_month(*month_after(start), anchor_day)
    return local_instant_ms(start, MIDNIGHT, tz), local_instant_ms(end, MIDNIGHT, tz)


def cycle_of(instant_ms: int, anchor_day: int, tz: ZoneInfo) -> tuple[int, int]:
    """Start (inclusive) and end (exclusive), in ms, of the billing cycle that contains an
    instant."""
    day = local_date(instant_ms, tz)
    start, end = _cycle_of_day(day, anchor_day, tz)
    if instant_ms < start:
        # In a zone that skips midnight, the day starts later than its date begins to count.
        return _cycle_of_day(day - timedelta(days=1), anchor_day, tz)
    if instant_ms >= end:
        return _cycle_of_day(day + timedelta(days=1), anchor_day, tz)
    return start, end
