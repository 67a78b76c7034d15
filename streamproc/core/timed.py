"""When something falls due for an account, derived from its state and the rulebook alone.

There is no stored schedule: the next due instant is the earliest occurrence after the account's
clock, so a timer can neither be forgotten nor fire twice (law 19).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from streamproc.core.alerts.gate import next_release_ms
from streamproc.core.calendar import (
    day_in_month,
    known_zone,
    local_date,
    local_instant_ms,
    month_after,
)
from streamproc.core.instants import NEVER_MS
from streamproc.core.model import ACTIVE, HELD, PLAN_KINDS, Account, Bucket
from streamproc.core.notices.due import soonest_ms as notices_due_ms
from streamproc.core.rulebook import Rulebook, TimedRule


class Due(Struct, frozen=True, gc=False):
    """A timed rule at an instant, for one bucket or (None) for the whole account."""

    at_ms: int
    rule: TimedRule
    bucket: Bucket | None


def next_due_ms(account: Account, rules: Rulebook) -> int:
    """The next instant at which the account needs attention; NEVER_MS if none."""
    if account.status == HELD:
        oldest_ms = min(held.arrival.received_ms for held in account.held)
        return oldest_ms + rules.limits.hold_unknown_ms
    if account.status != ACTIVE:
        # A closed account is kept until no duplicate of its events can count any more.
        return account.closed_ms + rules.limits.dedupe_horizon_ms
    soonest = min(account.cycle_end_ms, notices_due_ms(account, rules))
    if account.extra is not None:
        soonest = min(soonest, next_release_ms(account))
    for bucket in account.buckets:
        soonest = min(soonest, bucket.expires_ms)
    for due in _upcoming(account, rules):
        soonest = min(soonest, due.at_ms)
    return soonest


def reminders_due(account: Account, at_ms: int, rules: Rulebook) -> list[Due]:
    """The timed reminders of exactly this instant, in rulebook order."""
    return [due for due in _upcoming(account, rules) if due.at_ms == at_ms]


def _upcoming(account: Account, rules: Rulebook) -> Iterator[Due]:
    if not rules.timed_rules:
        return
    tz = known_zone(account.time_zone)
    clock = account.clock_ms
    for rule in rules.timed_rules:
        if rule.kind == "usage_summary":
            yield Due(_next_summary_ms(rule, clock, tz), rule, None)
        elif rule.kind == "before_cycle_end":
            at = _days_before_ms(rule, account.cycle_end_ms, tz)
            if at > clock:
                yield Due(at, rule, None)
        else:
            for bucket in account.buckets:
                if bucket.kind in PLAN_KINDS or bucket.expires_ms >= NEVER_MS:
                    continue
                at = _days_before_ms(rule, bucket.expires_ms, tz)
                if at > max(clock, bucket.granted_ms) and bucket.remaining_bytes > 0:
                    yield Due(at, rule, bucket)


def _days_before_ms(rule: TimedRule, end_ms: int, tz: ZoneInfo) -> int:
    day = local_date(end_ms, tz) - timedelta(days=rule.days_before)
    return local_instant_ms(day, rule.at, tz)


def _next_summary_ms(rule: TimedRule, after_ms: int, tz: ZoneInfo) -> int:
    day = local_date(after_ms, tz)
    if rule.every == "month":
        at = local_instant_ms(day_in_month(day.year, day.month, rule.day), rule.at, tz)
        months = 1
        while at <= after_ms:
            at = local_instant_ms(day_in_month(*month_after(day, months), rule.day), rule.at, tz)
            months += 1
        return at
    step = 1
    if rule.every == "week":
        step = 7
        day += timedelta(days=(rule.day - day.isoweekday()) % 7)
    while (at := local_instant_ms(day, rule.at, tz)) <= after_ms:
        day += timedelta(days=step)
    return at
