"""The instants of a timed rule for an account, calculated from its state (laws 18 and 19).

An occurrence is a wall-clock time in the subscriber's calendar. It happens once: at its first
instant if clocks are set back, at the end of the gap if they skip it, and in one zone only if the
subscriber moves. ``at`` is when its message is sent, ``planned`` when it would be sent without a
spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from functools import lru_cache, partial
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from streamproc.core.instants import DAY_MS, HOUR_MS, NEVER_MS
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.recurring import Recurrence, day_in_month, month_after
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.calendar import known_zone, local_date, local_instant_ms
from streamproc.core.schedule.cycle_end import ending_with_cycle
from streamproc.core.schedule.nights import Night, hours_without, night_of
from streamproc.core.schedule.spread import sent_ms
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import PLAN_KINDS, Account, Bucket, Move

_MINUTE_MS = 60_000
_UTC = known_zone("UTC")

Planned = Callable[[ZoneInfo], int]
Occurrence = tuple[date, time, int]
"""Local day and time, and the instant of both in a zone."""


def soonest_ms(
    rule: TimedRule,
    account: Account,
    subscriber: str,
    after_ms: int,
    before_ms: int,
    tz: ZoneInfo,
) -> int:
    """When the first of :func:`coming` is sent, if that is before ``before_ms``.

    Otherwise any instant that is not before ``before_ms``. An occurrence is never sent before it is
    planned, so for most rules the planned instant is enough to exclude them. This function is
    called for every rule when the next due instant of an account is calculated. Therefore the usual
    cases are written out.
    """
    window_ms = rule.spread_after_ms + rule.spread_ms
    is_plain = not window_ms and not _moves_of(account)
    kind = TIMED_KINDS[rule.kind]
    shape = kind.shape_of(rule)
    if shape is Shape.AFTER_ACTIVATION:
        at_ms = _after_activation_ms(rule, account)
        return at_ms if at_ms > after_ms else NEVER_MS
    if shape is Shape.AFTER_CYCLE:
        # Its instant is the start of this cycle. If the whole window after it is past,
        # nothing is due.
        if account.cycle_start_ms + window_ms < after_ms:
            return NEVER_MS
    elif shape is Shape.IN_CYCLE:
        at_ms = _in_cycle_ms(rule, account, tz)[1]
        if at_ms >= before_ms:
            return at_ms
        # Before its window has passed, the reminder may still have to be sent.
        if at_ms + window_ms <= after_ms or not _has_cause(rule, account):
            return NEVER_MS
        if is_plain:
            return at_ms
    elif shape is Shape.CALENDAR:
        # An occurrence that was planned earlier may still be sent within its window.
        found = _next(TIMED_KINDS[rule.kind].recurrence(rule), after_ms - window_ms, tz)
        if found is None:
            return NEVER_MS
        if is_plain or found[2] >= before_ms:
            return found[2]
    elif is_plain and kind.hours_before_end(rule) is None:
        soonest = NEVER_MS
        for bucket in account.buckets:
            if _is_about(rule, bucket):
                at_ms = _before_expiry_ms(rule.days_before, rule.at, bucket.expires_ms, tz)
                if max(after_ms, bucket.granted_ms) < at_ms < soonest:
                    soonest = at_ms
        return soonest
    series = next_of(rule, account, subscriber, after_ms, tz)
    return min((due.at_ms for due in series), default=NEVER_MS)


def next_of(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    """The rule's next occurrence that is sent after an instant; one for each bucket."""
    series = coming(rule, account, subscriber, after_ms, tz)
    return series if is_of_buckets(rule) else islice(series, 1)


def coming(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    """The rule's occurrences that are sent after an instant, ascending; separately for each bucket.

    Rules that follow the calendar have endless occurrences. Others have at most one (or one for
    each bucket).
    """
    shape = TIMED_KINDS[rule.kind].shape_of(rule)
    if shape is Shape.AT_ENDS:
        yield from _of_buckets(rule, account, subscriber, after_ms, tz)
    elif shape is Shape.IN_CYCLE:
        yield from _in_cycle(rule, account, subscriber, after_ms, tz)
    elif shape is Shape.AFTER_CYCLE:
        yield from _after_cycle(rule, account, subscriber, after_ms)
    elif shape is Shape.AFTER_ACTIVATION:
        at = _after_activation_ms(rule, account)
        if at > after_ms:
            yield Due(at, rule, None, at, at)
    else:
        yield from _in_calendar(rule, account, subscriber, after_ms, tz)


def is_by_clocks(rule: TimedRule) -> bool:
    """Whether the instants of a rule depend on the subscriber's time zone."""
    return TIMED_KINDS[rule.kind].is_by_clocks(rule)


def is_of_buckets(rule: TimedRule) -> bool:
    """Whether a rule has one occurrence for each bucket."""
    return TIMED_KINDS[rule.kind].shape_of(rule) is Shape.AT_ENDS


def begun(rule: TimedRule, series: Iterator[Due], has_begun: Callable[[Due], bool]) -> list[Due]:
    """The occurrences that have begun. ``has_begun`` is true for the first ones and false for all
    later."""
    if is_of_buckets(rule):
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
        # Without a window the following occurrence does not matter, so it is not calculated twice.
        following = next(series, None) if window_ms else None
        # Sent before the next occurrence is planned, so that their order is kept.
        sent = sent_ms(rule, subscriber, planned, following[2] if following else NEVER_MS)
        if sent > after_ms and not _came_before_move(account, _local(day, at)):
            yield Due(sent, rule, None, planned, _number(account, day, at, planned))
        current = following if window_ms else next(series, None)


def _number(account: Account, day: date, at: time, planned_ms: int) -> int:
    """The number of an occurrence.

    In a zone that the subscriber has left, another local time can be the same instant, and its
    message may have been sent. So an occurrence planned before the move gets its local time as its
    number, counted in milliseconds down from 0.
    """
    if all(planned_ms > move.until_ms for move in _moves_of(account)):
        return planned_ms
    return -local_instant_ms(day, at, _UTC)


def _planned(rule: TimedRule, after_ms: int, tz: ZoneInfo) -> Iterator[Occurrence]:
    """Occurrences after an instant. If a zone skips a day, its occurrence is on the next day."""
    recurrence = TIMED_KINDS[rule.kind].recurrence(rule)
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
    """The occurrences within a UTC day, and the first one after it. They are the same for a whole
    zone."""
    start_ms = utc_day * DAY_MS
    last_ms = start_ms - 1
    found: list[Occurrence] = []
    for day, at in TIMED_KINDS[recurrence.kind].local_times(recurrence, local_date(start_ms, tz)):
        planned = local_instant_ms(day, at, tz)
        # In a gap two local times have one instant. It counts once.
        if planned > last_ms:
            found.append((day, at, planned))
            last_ms = planned
            if planned >= start_ms + DAY_MS:
                break
    return tuple(found)


def _in_cycle(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    if not _has_cause(rule, account):
        return
    day, planned = _in_cycle_ms(rule, account, tz)
    sent = sent_ms(rule, subscriber, planned, account.cycle_end_ms)
    if sent > after_ms and not _came_before_move(account, _local(day, rule.at)):
        yield Due(sent, rule, None, planned, planned)


def _has_cause(rule: TimedRule, account: Account) -> bool:
    """Whether any bucket that the rule is about ends with the cycle."""
    return not TIMED_KINDS[rule.kind].is_about_losses or bool(ending_with_cycle(account, rule))


def _in_cycle_ms(rule: TimedRule, account: Account, tz: ZoneInfo) -> tuple[date, int]:
    """For a rule of shape IN_CYCLE: the local day, and its instant."""
    every = TIMED_KINDS[rule.kind].day_in_cycle(rule)
    day, planned = _day_in_cycle(
        every, rule.days_before, rule.at, account.anchor_day, account.cycle_end_ms, tz
    )
    if every == "cycle_start":
        # At the first instant of a cycle, reminders about the old cycle are sent.
        planned = max(planned, account.cycle_start_ms + 1)
    return day, planned


@lru_cache(maxsize=65_536)
def _day_in_cycle(
    every: str, days_before: int, at: time, anchor_day: int, end_ms: int, tz: ZoneInfo
) -> tuple[date, int]:
    """The day and instant of a rule in a cycle. They are the same for all accounts with this cycle
    end."""
    end = local_date(end_ms, tz)
    if not every:
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
    """About the cycle before the present one. It must belong to the present contract."""
    start_ms = account.cycle_start_ms
    # Without a closed cycle that ends now, the contract began with this cycle: there is
    # nothing to report.
    if not account.history or account.history[-1].end_ms != start_ms:
        return
    planned = start_ms + 1
    sent = sent_ms(rule, subscriber, planned, account.cycle_end_ms)
    if sent > after_ms:
        yield Due(sent, rule, None, planned, planned)


def _after_activation_ms(rule: TimedRule, account: Account) -> int:
    return account.activated_ms + rule.hours_after * HOUR_MS


def _of_buckets(
    rule: TimedRule, account: Account, subscriber: str, after_ms: int, tz: ZoneInfo
) -> Iterator[Due]:
    told = account.extra.ends_told if account.extra is not None else ()
    for bucket in account.buckets:
        if not _is_about(rule, bucket) or (rule.id, bucket.id) in told:
            continue
        planned_in = _planned_of(rule, account, bucket)
        planned = planned_in(tz)
        sent = planned
        # Other kinds have a separate instant for each subscriber, so there is nothing to spread.
        if rule.kind == "before_expiry":
            sent = sent_ms(rule, subscriber, planned, bucket.expires_ms)
        # A bucket that was granted after its own reminder was due gets none.
        if sent > max(after_ms, bucket.granted_ms) and not _came_before_move(account, planned_in):
            yield Due(sent, rule, bucket, planned, planned)


def _planned_of(rule: TimedRule, account: Account, bucket: Bucket) -> Planned:
    """The function that gives the planned instant for a bucket's end, by the clocks of a zone."""
    hours_before = TIMED_KINDS[rule.kind].hours_before_end(rule)
    if hours_before is None:
        return partial(_before_expiry_ms, rule.days_before, rule.at, bucket.expires_ms)
    at_ms = bucket.expires_ms - hours_before * HOUR_MS
    hours = hours_without(rule, account)
    if not hours:
        return lambda tz: at_ms
    return partial(_by_day_ms, hours, bucket.granted_ms, bucket.expires_ms, at_ms)


def _by_day_ms(
    hours: tuple[QuietHours, ...], granted_ms: int, expires_ms: int, at_ms: int, tz: ZoneInfo
) -> int:
    """An instant before a bucket's end that does not fall into the night. It is moved to the
    evening before; if the bucket did not exist then, to the morning after. There is none if that is
    too late."""
    evening_ms = at_ms
    # Backwards from the instant to an evening at which the bucket already existed.
    while evening_ms > granted_ms:
        night = _night_of_any(hours, evening_ms, tz)
        if night is None:
            return evening_ms
        evening_ms = night.start_ms - _MINUTE_MS
    # There was no such evening: forwards to the first morning.
    while (night := _night_of_any(hours, at_ms, tz)) is not None:
        at_ms = night.end_ms
    return at_ms if at_ms < expires_ms else NEVER_MS


def _night_of_any(hours: tuple[QuietHours, ...], at_ms: int, tz: ZoneInfo) -> Night | None:
    found = (night_of(one, at_ms, tz) for one in hours)
    return next((one for one in found if one is not None), None)


def _is_about(rule: TimedRule, bucket: Bucket) -> bool:
    """Whether a rule has something to report about the end of a bucket."""
    return (
        bucket.kind not in PLAN_KINDS
        and bucket.expires_ms < NEVER_MS
        and bucket.remaining_bytes > 0
        and rule.is_about(bucket.kind, bucket.source)
    )


def _local(day: date, at: time) -> Planned:
    return lambda tz: local_instant_ms(day, at, tz)


@lru_cache(maxsize=65_536)
def _before_expiry_ms(days_before: int, at: time, expires_ms: int, tz: ZoneInfo) -> int:
    return local_instant_ms(local_date(expires_ms, tz) - timedelta(days=days_before), at, tz)


def _came_before_move(account: Account, planned_in: Planned) -> bool:
    """Whether it was due in a zone that the subscriber has left, while the subscriber was still
    there."""
    return any(
        planned_in(known_zone(move.time_zone)) <= move.until_ms for move in _moves_of(account)
    )


def _moves_of(account: Account) -> list[Move]:
    return account.extra.moves if account.extra is not None else []
