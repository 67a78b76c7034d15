"""The subscriber's calendar, found by going day by day and offset by offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streamproc.core.rules.rulebook import TimedRule

ONE_DAY = timedelta(days=1)
MIDNIGHT = time(0, 0)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000
_SECOND_MS = 1000


def _clock(instant_ms: int, zone: str) -> datetime:
    """What clocks in a zone show."""
    utc = _EPOCH + timedelta(milliseconds=instant_ms)
    return utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _as_if_utc_ms(shown: datetime) -> int:
    return (shown.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=100_000)
def _day_of_hour(hour: int, zone: str) -> date | None:
    """The date during an hour since 1970 (UTC), or None if it changes within the hour."""
    first, last = _clock(hour * _HOUR_MS, zone), _clock((hour + 1) * _HOUR_MS - 1, zone)
    runs_through = last - first == timedelta(milliseconds=_HOUR_MS - 1)
    return first.date() if runs_through and first.date() == last.date() else None


def day_of(instant_ms: int, zone: str) -> date:
    """The date in a zone at an instant."""
    return _day_of_hour(instant_ms // _HOUR_MS, zone) or _clock(instant_ms, zone).date()


@lru_cache(maxsize=1_000_000)
def _offset_ms(hour: int, zone: str) -> int:
    """How far clocks are ahead of UTC at the start of an hour since 1970 (UTC)."""
    return _as_if_utc_ms(_clock(hour * _HOUR_MS, zone)) - hour * _HOUR_MS


@lru_cache(maxsize=100_000)
def instant_of(day: date, at: time, zone: str) -> int:
    """When clocks show ``at`` on ``day``: the first time; in a gap, the end of the gap."""
    wanted = _as_if_utc_ms(datetime.combine(day, at))
    hours = range(wanted // _HOUR_MS - 36, wanted // _HOUR_MS + 36)
    offsets = {_offset_ms(hour, zone) for hour in hours}
    meeting = [
        wanted - offset
        for offset in offsets
        if _as_if_utc_ms(_clock(wanted - offset, zone)) == wanted
    ]
    if meeting:
        return min(meeting)
    # Never shown: search second by second for the place where clocks jump over it.
    instant = max(
        hour * _HOUR_MS for hour in hours if hour * _HOUR_MS + _offset_ms(hour, zone) < wanted
    )
    while _as_if_utc_ms(_clock(instant, zone)) < wanted:
        instant += _SECOND_MS
    return instant


def is_anchor(day: date, anchor_day: int) -> bool:
    """Whether cycles with this anchor begin on a day; in short months on the last day."""
    is_last = (day + ONE_DAY).month != day.month
    return day.day == anchor_day or (is_last and day.day < anchor_day)


def cycle_around(instant_ms: int, anchor_day: int, zone: str) -> tuple[int, int]:
    """Start and end of the cycle that contains an instant."""
    day = day_of(instant_ms, zone) + ONE_DAY
    while not (is_anchor(day, anchor_day) and instant_of(day, MIDNIGHT, zone) <= instant_ms):
        day -= ONE_DAY
    start = instant_of(day, MIDNIGHT, zone)
    day += ONE_DAY
    while not is_anchor(day, anchor_day):
        day += ONE_DAY
    return start, instant_of(day, MIDNIGHT, zone)


def days_before(end_ms: int, rule: TimedRule, zone: str) -> int:
    """The instant of a rule that counts days back from an end."""
    day = day_of(end_ms, zone)
    for _ in range(rule.days_before):
        day -= ONE_DAY
    return instant_of(day, rule.at, zone)


def days_after(instant_ms: int, days: int, at: time, zone: str) -> int:
    """When clocks show ``at``, so many days after (or before) the day of an instant."""
    day = day_of(instant_ms, zone)
    for _ in range(abs(days)):
        day += ONE_DAY if days > 0 else -ONE_DAY
    return instant_of(day, at, zone)
