"""Occurrences of timed rules, found in almanacs: every day of a year is checked one by one."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, time
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from streamproc.core.rules.rulebook import TimedRule
from streamproc.lab.oracle.days import ONE_DAY, day_of, instant_of, is_anchor

NEVER = float("inf")
BY_CALENDAR = ("usage_summary", "cron", "once")
CYCLE_PARTS = ("cycle_start", "cycle_middle", "cycle_end")
_YEARS_AHEAD = 9
"""The 29th of February is at most eight years away."""
_WORDS = {
    name: number
    for names in (
        "sun mon tue wed thu fri sat",
        "xxx jan feb mar apr may jun jul aug sep oct nov dec",
    )
    for number, name in enumerate(names.split())
}

Local = tuple[date, time]


class Pattern(NamedTuple):
    """The part of a rule that decides its days and times."""

    kind: str
    every: str
    day: int
    at: time
    cron: str
    on: date | None


class Occurrence(NamedTuple):
    sent: int
    planned: int
    local: Local


def pattern_of(rule: TimedRule) -> Pattern:
    return Pattern(rule.kind, rule.every, rule.day, rule.at, rule.cron, rule.on)


def follows_calendar(rule: TimedRule) -> bool:
    return rule.kind in BY_CALENDAR and rule.every not in CYCLE_PARTS


@lru_cache(maxsize=4096)
def almanac(pattern: Pattern, zone: str, year: int) -> tuple[tuple[int, ...], tuple[Local, ...]]:
    """Instants of a pattern from the last days of the year before to the first of the next one, and
    the local time of each. Days that a zone skips share an instant, which is listed once."""
    instants: list[int] = []
    locals_: list[Local] = []
    day = date(year - 1, 12, 25)
    while day < date(year + 1, 1, 8):
        for at in _times_of(pattern, day):
            instant = instant_of(day, at, zone)
            if not instants or instant > instants[-1]:
                instants.append(instant)
                locals_.append((day, at))
        day += ONE_DAY
    return tuple(instants), tuple(locals_)


def _times_of(pattern: Pattern, day: date) -> list[time]:
    """The times of a pattern on a day."""
    if pattern.kind == "cron":
        return _cron_times(pattern.cron) if _is_cron_day(pattern.cron, day) else []
    if pattern.kind == "once":
        is_day = day == pattern.on
    elif pattern.every == "day":
        is_day = True
    elif pattern.every == "week":
        is_day = day.isoweekday() == pattern.day
    elif pattern.every == "month_start":
        is_day = day.day == 1
    elif pattern.every == "month_middle":
        is_day = day.day == 15
    elif pattern.every == "month_end":
        is_day = (day + ONE_DAY).day == 1
    else:
        is_day = is_anchor(day, pattern.day)
    return [pattern.at] if is_day else []


@lru_cache(maxsize=1000)
def _cron_times(cron: str) -> list[time]:
    minutes, hours = cron.lower().split()[:2]
    return [
        time(hour, minute)
        for hour in range(24)
        for minute in range(60)
        if _matches(hours, hour, 23) and _matches(minutes, minute, 59)
    ]


def _is_cron_day(cron: str, day: date) -> bool:
    _, _, days, months, weekdays = cron.lower().split()
    if not _matches(months, day.month, 12):
        return False
    in_month = _matches(days, day.day, 31) or (days == "l" and (day + ONE_DAY).day == 1)
    number = day.isoweekday()
    in_week = _matches(weekdays, number, 7) or (number == 7 and _matches(weekdays, 0, 7))
    if "#" in weekdays:
        name, _, nth = weekdays.partition("#")
        in_week = _number(name) % 7 == number % 7 and (day.day - 1) // 7 + 1 == int(nth)
    # As in cron: with a star both fields must match, otherwise one of them is enough.
    if days.startswith("*") or weekdays.startswith("*"):
        return in_month and in_week
    return in_month or in_week


def _matches(field: str, value: int, last: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        if low == "*":
            begin, end = (1 if last in (12, 31) else 0), last
        elif not low.isalnum() or low == "l":
            continue
        else:
            begin = _number(low)
            end = _number(high) if high else (last if step else begin)
        if begin <= value <= end and (value - begin) % int(step or 1) == 0:
            return True
    return False


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _WORDS[word]


def place_in_window(rule: TimedRule, name: str, planned: int, before: float) -> int:
    """The instant of a subscriber within the window of the rule; earlier than ``before``."""
    begin, length = rule.spread_after_ms, rule.spread_ms
    if begin + length == 0:
        return planned
    longest = before - planned - 1
    if longest <= 0:
        return planned
    if begin + length > longest:
        begin = begin * int(longest) // (begin + length)
        length = int(longest) - begin
    digest = blake2b("\0".join((name, rule.id, str(planned))).encode(), digest_size=8).hexdigest()
    return planned + begin + int(digest, 16) * length // 16**16


def after(rule: TimedRule, name: str, zone: str, instant: int, count: int = 1) -> list[Occurrence]:
    """The next occurrences of a rule that follows the calendar, sent after an instant."""
    window = rule.spread_after_ms + rule.spread_ms
    pattern = pattern_of(rule)
    found: list[Occurrence] = []
    first = day_of(instant - window, zone).year
    last_planned = instant - window
    for year in range(first, first + _YEARS_AHEAD):
        instants, locals_ = almanac(pattern, zone, year)
        for index in range(bisect_right(instants, last_planned), len(instants)):
            if locals_[index][0].year > year:
                break
            planned = last_planned = instants[index]
            following = instants[index + 1] if index + 1 < len(instants) else NEVER
            sent = place_in_window(rule, name, planned, following)
            if sent > instant:
                found.append(Occurrence(sent, planned, locals_[index]))
                if len(found) == count:
                    return found
        if pattern.on is not None and pattern.on.year < year:
            break
    return found


def day_in_cycle(rule: TimedRule, end_ms: int, anchor_day: int, zone: str) -> date:
    """The day of a rule in the cycle that ends then."""
    before = rule.days_before if rule.kind == "before_cycle_end" else None
    return _day_in_cycle(rule.every, before, end_ms, anchor_day, zone)


@lru_cache(maxsize=50_000)
def _day_in_cycle(
    every: str, days_before: int | None, end_ms: int, anchor_day: int, zone: str
) -> date:
    day = day_of(end_ms, zone)
    if days_before is not None:
        for _ in range(days_before):
            day -= ONE_DAY
        return day
    if every == "cycle_end":
        return day - ONE_DAY
    days = []
    day -= ONE_DAY
    while not is_anchor(day, anchor_day):
        days.append(day)
        day -= ONE_DAY
    days.append(day)
    days.reverse()
    return days[0] if every == "cycle_start" else days[len(days) // 2]


__all__ = [
    "CYCLE_PARTS",
    "Local",
    "Occurrence",
    "after",
    "day_in_cycle",
    "follows_calendar",
    "place_in_window",
]
