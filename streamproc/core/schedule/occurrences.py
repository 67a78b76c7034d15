"""The instants of a timed rule for an account, derived from its state (laws 18 and 19).

An occurrence is a wall-clock time of the subscriber's calendar. It comes once: at its first
instant where clocks go back, at the gap's end where they skip it, and in one zone only where the
subscriber moves. ``at`` is when it is sent, ``planned`` what it would be without a spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from streamproc.core.calendar import (
    day_in_month,
    known_zone,
    local_date,
    local_instant_ms,
    month_after,
)
from streamproc.core.instants import DAY_MS, HOUR_MS, NEVER_MS
from streamproc.core.model import PLAN_KINDS, Account, Bucket, Move
from streamproc.core.rulebook import TimedRule
from streamproc.core.schedule.due import Due
from streamproc.core.schedule.recurrence import Recurrence, local_times, recurrence_of
from streamproc.core.schedule.spread import sent_ms

CYCLE_PARTS = ("cycle_start", "cycle_middle", "cycle_end")
MANY_BUCKETS = ("before_expiry", "expiry")
"""Kinds of rules with an occurrence for each bucket."""
_CALENDAR_KINDS = ("usage_summary", "cron", "once")
OF_ANY_ZONE = ("cycle_end", "expiry", "after_activation")
"""Kinds whose instants no clock decides."""

Planned = Callable[[ZoneInfo], int]
Occurrence = tuple[date, time, int]
"""Local day and time, and their instant in a zone."""


def follows_calendar(rule: TimedRule) -> bool:
    """Whether its instants follow from the zone's calendar alone."""
    kind = rule.kind
    return kind in _CALENDAR_KINDS and not (kind == "usage_summary" and rule.every in CYCLE_PARTS)


def soonest_ms(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> int:
    """When the first of :func:`coming` is sent; NEVER_MS if there is none."""
    if rule.kind in MANY_BUCKETS:
        return min(
            (due.at_ms for due in _of_buckets(rule, account, subscriber, after_ms, tz)),
            default=NEVER_MS,
        )
    is_plain = not (rule.spread_ms or rule.spread_after_ms) and not _moves_of(account)
    if is_plain and follows_calendar(rule):
        found = _next(recurrence_of(rule), after_ms, tz)
        return NEVER_MS if found is None else found[2]
    first = next(coming(rule, account, subscriber, after_ms, tz), None)
    return NEVER_MS if first is None else first.at_ms


def coming(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    """The rule's occurrences sent after an instant; ascending, for each bucket by itself.

    Rules that follow the calendar have occurrences without end, the others at most one (or one for
    each bucket).
    """
    kind = rule.kind
    if kind in MANY_BUCKETS:
        yield from _of_buckets(rule, account, subscriber, after_ms, tz)
    elif kind == "before_cycle_end" or rule.every in CYCLE_PARTS:
        yield from _in_cycle(rule, account, subscriber, after_ms, tz)
    elif kind == "cycle_end":
        yield from _after_cycle(rule, account, subscriber, after_ms)
    elif kind == "after_activation":
        at = account.activated_ms + rule.hours_after * HOUR_MS
        if at > after_ms:
            yield Due(at, rule, None, at)
    else:
        yield from _in_calendar(rule, account, subscriber, after_ms, tz)


def begun(rule: TimedRule, series: Iterator[Due], has_begun: Callable[[Due], bool]) -> list[Due]:
    """Those of a rule's occurrences for which something holds that holds for none after them."""
    if rule.kind in MANY_BUCKETS:
        return [due for due in series if has_begun(due)]
    return list(takewhile(has_begun, series))


def _in_calendar(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    window_ms = rule.spread_after_ms + rule.spread_ms
    series = _planned(rule, after_ms - window_ms, tz)
    current = next(series, None)
    while current is not None:
        day, at, planned = current
        following = next(series, None) if window_ms else None
        # Sent before the next occurrence is planned, so that their order stays.
        sent = sent_ms(rule, subscriber, planned, following[2] if following else NEVER_MS)
        if sent > after_ms and not _came_before_move(account, _local(day, at)):
            yield Due(sent, rule, None, planned)
        current = following if window_ms else next(series, None)


def _planned(rule: TimedRule, after_ms: int, tz: ZoneInfo) -> Iterator[Occurrence]:
    """Occurrences after an instant; a day that a zone leaves out shares the next one's."""
    recurrence = recurrence_of(rule)
    found = _next(recurrence, after_ms, tz)
    while found is not None:
        yield found
        found = _next(recurrence, found[2], tz)


def _next(recurrence: Recurrence, after_ms: int, tz: ZoneInfo) -> Occurrence | None:
    for one in _of_utc_day(recurrence, after_ms // DAY_MS, tz):
        if one[2] > after_ms:
            return one
    return None


@lru_cache(maxsize=65_536)
def _of_utc_day(recurrence: Recurrence, utc_day: int, tz: ZoneInfo) -> tuple[Occurrence, ...]:
    """The occurrences within a UTC day and the first after it: the same for all of a zone."""
    start_ms = utc_day * DAY_MS
    last_ms = start_ms - 1
    found: list[Occurrence] = []
    for day, at in local_times(recurrence, local_date(start_ms, tz)):
        planned = local_instant_ms(day, at, tz)
        if planned > last_ms:
            found.append((day, at, planned))
            last_ms = planned
            if planned >= start_ms + DAY_MS:
                break
    return tuple(found)


def _in_cycle(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    end_ms = account.cycle_end_ms
    days_before = rule.days_before if rule.kind == "before_cycle_end" else 0
    day, planned = _day_in_cycle(rule.every, days_before, rule.at, account.anchor_day, end_ms, tz)
    if not days_before and rule.every == "cycle_start":
        # At the cycle's very first instant the old one's reminders are sent.
        planned = max(planned, account.cycle_start_ms + 1)
    sent = sent_ms(rule, subscriber, planned, end_ms)
    if sent > after_ms and not _came_before_move(account, _local(day, rule.at)):
        yield Due(sent, rule, None, planned)


@lru_cache(maxsize=65_536)
def _day_in_cycle(
    every: str, days_before: int, at: time, anchor_day: int, end_ms: int, tz: ZoneInfo
) -> tuple[date, int]:
    """The day of a cycle's rule and its instant: the same for all with this end of cycle."""
    end = local_date(end_ms, tz)
    if days_before:
        day = end - timedelta(days=days_before)
    elif every == "cycle_end":
        day = end - timedelta(days=1)
    else:
        day = day_in_month(*month_after(end, -1), anchor_day)
        if every == "cycle_middle":
            day += (end - day) // 2
    return day, local_instant_ms(day, at, tz)


def _after_cycle(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int
) -> Iterator[Due]:
    """About the cycle before the present one, which must have been this contract's."""
    start_ms = account.cycle_start_ms
    if not account.history or account.history[-1].end_ms != start_ms:
        return
    planned = start_ms + 1
    sent = sent_ms(rule, subscriber, planned, account.cycle_end_ms)
    if sent > after_ms:
        yield Due(sent, rule, None, planned)


def _of_buckets(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    for bucket in account.buckets:
        if (
            bucket.kind in PLAN_KINDS
            or bucket.expires_ms >= NEVER_MS
            or bucket.remaining_bytes <= 0
        ):
            continue
        if rule.kind == "expiry":
            if bucket.expires_ms > max(after_ms, bucket.granted_ms):
                yield Due(bucket.expires_ms, rule, bucket, bucket.expires_ms)
            continue
        planned_in = _before_expiry(rule, bucket)
        planned = planned_in(tz)
        sent = sent_ms(rule, subscriber, planned, bucket.expires_ms)
        if sent > max(after_ms, bucket.granted_ms) and not _came_before_move(account, planned_in):
            yield Due(sent, rule, bucket, planned)


def _local(day: date, at: time) -> Planned:
    return lambda tz: local_instant_ms(day, at, tz)


def _before_expiry(rule: TimedRule, bucket: Bucket) -> Planned:
    def planned(tz: ZoneInfo) -> int:
        day = local_date(bucket.expires_ms, tz) - timedelta(days=rule.days_before)
        return local_instant_ms(day, rule.at, tz)

    return planned


def _came_before_move(account: Account, planned_in: Planned) -> bool:
    """Whether it was due in a zone that the subscriber has left, while still there."""
    return any(
        planned_in(known_zone(move.time_zone)) <= move.until_ms for move in _moves_of(account)
    )


def _moves_of(account: Account) -> list[Move]:
    return account.extra.moves if account.extra is not None else []
