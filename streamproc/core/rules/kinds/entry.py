"""Fields that entries of rules share in a rules file, and how they become parts of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Literal

from msgspec import Meta

from streamproc.core.instants import NEVER_MS, to_ms
from streamproc.core.rules.fields import (
    BucketIds,
    BucketKind,
    BucketKinds,
    ClockTime,
    Id,
    Instant,
    Natural,
    QuietHoursEntry,
    Seconds,
    Segment,
    SpokenEntry,
    TextEntry,
)
from streamproc.core.rules.rule import Misfire
from streamproc.core.rules.sending import PLAIN, Policy, QuietHours

FILLED_KINDS: frozenset[BucketKind] = frozenset(("allowance", "pack", "topup"))
"""Kinds of buckets that have a limit."""


class RuleEntry(SpokenEntry, frozen=True, kw_only=True):
    """Fields of every rule."""

    severity: Literal["info", "warning", "critical"] = "info"
    audience: Literal["device_user", "account_holder", "both"] = "device_user"
    in_quiet_hours: Literal["hold", "send"] = "hold"
    cool_down_seconds: Seconds = 0
    coalesce_seconds: Seconds = 0
    group: Id | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class ReachingEntry(RuleEntry, frozen=True, kw_only=True):
    """Fields of a rule whose thresholds can be reached and can be un-crossed again."""

    for_count: Annotated[int, Meta(ge=1, le=1000)] = 1
    hysteresis: Natural = 0
    evaluate_on_create: bool = False


class BucketEntry(ReachingEntry, frozen=True, kw_only=True):
    """Fields of a rule about single buckets."""

    bucket_kinds: BucketKinds = FILLED_KINDS
    buckets: BucketIds | None = None


class TimedEntry(RuleEntry, frozen=True, kw_only=True):
    """Fields of a rule that sends reminders at instants."""

    misfire_grace_seconds: Seconds = 21_600
    misfire: Misfire = "latest"
    plans: Annotated[frozenset[Id], Meta(min_length=1)] | None = None
    segments: Annotated[frozenset[Segment], Meta(min_length=1)] | None = None
    spread: bool = True


class ClockedEntry(TimedEntry, frozen=True, kw_only=True):
    """Fields of a rule that sends reminders at a time of day."""

    at: ClockTime


class CheckEntry(RuleEntry, frozen=True, kw_only=True):
    """Fields of a rule that checks an account at a time of day."""

    at: ClockTime
    misfire_grace_seconds: Seconds = 21_600


def policy_of(entry: RuleEntry) -> Policy:
    """How a rule's messages go out."""
    more = entry if isinstance(entry, ReachingEntry) else None
    policy = Policy(
        entry.severity,
        entry.audience,
        entry.in_quiet_hours,
        entry.cool_down_seconds * 1000,
        entry.coalesce_seconds * 1000,
        entry.group or "",
        more.for_count if more else 1,
        more.hysteresis if more else 0,
        more.evaluate_on_create if more else False,
        to_ms(datetime.fromisoformat(entry.valid_from)) if entry.valid_from else 0,
        to_ms(datetime.fromisoformat(entry.valid_until)) if entry.valid_until else NEVER_MS,
    )
    return PLAIN if policy == PLAIN else policy


def quiet_hours(hours: QuietHoursEntry | None) -> QuietHours | None:
    """Quiet hours in the form that the core uses."""
    if hours is None:
        return None
    return QuietHours(time.fromisoformat(hours.start), time.fromisoformat(hours.end))


def plain_texts(texts: Mapping[str, str | TextEntry]) -> dict[str, str]:
    """The templates of SMS by locale."""
    return {locale: one if isinstance(one, str) else one.text for locale, one in texts.items()}


def spoken(entry: SpokenEntry) -> tuple[dict[str, str], str, bool, int, int]:
    """What rules and notices share: texts, category, mandatory, priority, lifetime (ms)."""
    return (
        plain_texts(entry.texts),
        entry.category,
        entry.mandatory,
        entry.priority,
        entry.ttl_seconds * 1000,
    )
