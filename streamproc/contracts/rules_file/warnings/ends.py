"""Rules about ends of packs: which packs, bought when, they leave untold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamproc.contracts.rules_file.alert_rules import quiet_hours
from streamproc.contracts.rules_file.format.entries import (
    BeforeCycleEndEntry,
    BeforeExpiryEntry,
    ExpiryEntry,
)
from streamproc.contracts.rules_file.format.plans import PackEntry
from streamproc.contracts.rules_file.read.lines import Path
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.instants import DAY_MINUTES, DAY_MS, HOUR_MS
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.rules.sending import QuietHours
from streamproc.core.schedule.occurrences import coming
from streamproc.core.state.account import ACTIVE, PACK, Account, Bucket

EndEntry = BeforeExpiryEntry | ExpiryEntry
_START_MS = 20_514 * DAY_MS  # any day
_UTC = ZoneInfo("UTC")
_HINT = "a rule of kind expiry with hours_before would"


class Span(NamedTuple):
    """Minutes of the day in which a pack is bought; the end is exclusive."""

    start: int
    end: int


def end_untold(subject: Subject) -> Warned:
    """Packs of whose end a rule is silent, because it is due before they are bought."""
    every = [rule for _, rule in _rules(subject)]
    for path, rule in _rules(subject):
        for pack in subject.file.packs:
            if not _is_about(rule, pack):
                continue
            others = [one for one in every if one is not rule and _speaks_for(one, rule)]
            told = _told(rule, pack).union(*(_told(one, pack) for one in others))
            spans = _spans(told)
            if spans:
                words = " and ".join(_words(span) for span in spans)
                hint = f"; {_HINT}" if isinstance(rule, BeforeExpiryEntry) else ""
                yield (
                    path,
                    f"says nothing of the end of {pack.id} ({_hours(pack)}) bought {words}: it "
                    f"would be due before that{hint}",
                )


def nothing_ends(subject: Subject) -> Warned:
    """A rule about ends of allowances that end with the cycle, as nothing of their own."""
    rolling = {one.id for one in subject.allowances() if one.rollover is not None}
    packs = {pack.id for pack in subject.file.packs}
    for path, rule in _rules(subject):
        for name in sorted(rule.buckets or ()):
            if name not in rolling | packs:
                yield (
                    (*path, "buckets"),
                    f"never speaks of {name}: it ends with the billing cycle and does not roll "
                    f"over; {BeforeCycleEndEntry.__struct_config__.tag} speaks of that",
                )


def _rules(subject: Subject) -> Iterator[tuple[Path, EndEntry]]:
    yield from subject.rules(BeforeExpiryEntry)
    yield from subject.rules(ExpiryEntry)


def _speaks_for(other: EndEntry, rule: EndEntry) -> bool:
    """Whether whoever gets a rule's messages gets the other's, too."""
    if other.valid_from is not None or other.valid_until is not None:
        return False
    pairs = ((other.plans, rule.plans), (other.segments, rule.segments))
    return all(theirs is None or (ours is not None and ours <= theirs) for theirs, ours in pairs)


def _is_about(rule: EndEntry, pack: PackEntry) -> bool:
    """Whether a rule speaks of ends of a pack."""
    return (rule.buckets is None or pack.id in rule.buckets) and (
        rule.bucket_kinds is None or PACK in rule.bucket_kinds
    )


def _told(rule: EndEntry, pack: PackEntry) -> frozenset[int]:
    """Minutes of the day at which a pack is bought of whose end a rule speaks."""
    if not _is_about(rule, pack):
        return frozenset()
    if isinstance(rule, ExpiryEntry):
        hours = quiet_hours(rule.not_between)
        return _told_minutes(time(), None, rule.hours_before, pack.validity_hours, hours)
    at = time.fromisoformat(rule.at)
    return _told_minutes(at, rule.days_before, 0, pack.validity_hours)


@lru_cache(maxsize=256)
def _told_minutes(
    at: time,
    days_before: int | None,
    hours_before: int,
    validity_hours: int,
    not_between: QuietHours | None = None,
) -> frozenset[int]:
    """By the very function that plans a rule's reminders, for each minute of a day."""
    rule = TimedRule(
        *("end", "expiry" if days_before is None else "before_expiry", at, {}, "", False, 0, 0, 0),
        days_before=days_before or 0,
        hours_before=hours_before,
        not_between=not_between,
    )
    told = []
    for minute in range(DAY_MINUTES):
        granted_ms = _START_MS + minute * 60_000
        expires_ms = granted_ms + validity_hours * HOUR_MS
        bucket = Bucket("pack#1", PACK, "pack", 10, granted_ms, expires_ms, 1)
        account = Account(status=ACTIVE, buckets=[bucket])
        series = coming(rule, account, "subscriber", granted_ms, _UTC)
        if any(due.at_ms <= expires_ms for due in series):
            told.append(minute)
    return frozenset(told)


def _spans(told: frozenset[int]) -> list[Span]:
    """Stretches of the day in which nothing is told; one over midnight is one."""
    spans: list[Span] = []
    for minute in range(DAY_MINUTES):
        if minute in told:
            continue
        if spans and spans[-1].end == minute:
            spans[-1] = Span(spans[-1].start, minute + 1)
        else:
            spans.append(Span(minute, minute + 1))
    if len(spans) > 1 and spans[0].start == 0 and spans[-1].end == DAY_MINUTES:
        first, last = spans[0], spans.pop()
        spans[0] = Span(last.start, first.end)
    return spans


def _words(span: Span) -> str:
    if span == (0, DAY_MINUTES):
        return "at any time"
    if span.end == DAY_MINUTES:
        return f"from {_clock(span.start)} on"
    if span.start == 0:
        return f"before {_clock(span.end)}"
    return f"from {_clock(span.start)} to {_clock(span.end)}"


def _hours(pack: PackEntry) -> str:
    return "1 hour" if pack.validity_hours == 1 else f"{pack.validity_hours} hours"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
