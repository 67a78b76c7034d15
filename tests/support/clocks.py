"""What clocks of a zone show, and the latest time that they have shown, from the zone database
alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
LONG = timedelta(days=2)
"""Longer than clocks are ever set back."""
ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Sydney", "America/St_Johns"),
    "America/Havana",  # at midnight
    *("America/Santiago", "America/Sao_Paulo", "America/Asuncion"),  # midnight is skipped
    *("Asia/Beirut", "Asia/Amman", "Asia/Damascus", "Asia/Gaza", "Africa/Cairo", "Asia/Tehran"),
    *("Africa/Casablanca", "Africa/El_Aaiun"),  # four times in a year
    *("Europe/Dublin", "Africa/Windhoek"),  # winter is the exception
    "Australia/Lord_Howe",  # half an hour
    "Antarctica/Troll",  # two hours
    *("America/Caracas", "Asia/Pyongyang", "Europe/Volgograd", "Europe/Istanbul"),  # for good
    "Pacific/Apia",  # a day is skipped
)
"""Zones whose clocks are set in every unusual way."""


@lru_cache(maxsize=1000)
def changes(zone: str, first_year: int = 2006, last_year: int = 2032) -> tuple[datetime, ...]:
    """Every instant at which clocks are set, exact to the second."""
    tz = ZoneInfo(zone)
    found = []
    at = datetime(first_year, 1, 1, tzinfo=UTC)
    while at.year < last_year:
        if at.astimezone(tz).utcoffset() != (at + _DAY).astimezone(tz).utcoffset():
            low, high = at, at + _DAY
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle -= timedelta(microseconds=middle.microsecond)
                same = middle.astimezone(tz).utcoffset() == low.astimezone(tz).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        at += _DAY
    return tuple(found)


def shown(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def furthest(at: datetime, zone: str) -> datetime:
    """The latest time that clocks have shown until an instant. It does not go back when clocks are
    set back."""
    before = [
        shown(one - timedelta(milliseconds=1), zone)
        for one in changes(zone)
        if at - LONG < one <= at
    ]
    return max([shown(at, zone), *before])


def is_quiet(at: datetime, start: time, end: time, zone: str) -> bool:
    """Whether the latest time that clocks have shown is within quiet hours."""
    clock = furthest(at, zone).time()
    return start <= clock < end if start < end else clock >= start or clock < end
