"""Rules whose time is over, or never comes."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from streamproc.contracts.rules_file.format.entries import (
    CronEntry,
    ForecastEntry,
    OnceEntry,
    RuleEntry,
    StormsEntry,
    SummaryEntry,
)
from streamproc.contracts.rules_file.read.lines import Path
from streamproc.contracts.rules_file.timed_rules import timed_rule
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.schedule.recurrence import local_times, recurrence_of

_OF_CYCLES = ("cycle_start", "cycle_middle", "cycle_end")
LONGEST_CYCLE_HOURS = 31 * 24
_ZONES = timedelta(days=1)
"""What time zones may make of a day."""


def is_over(subject: Subject) -> Warned:
    """A date or a validity that lies in the past."""
    yesterday = subject.today - _ZONES
    for path, rule in subject.rules(OnceEntry):
        if date.fromisoformat(rule.date) < yesterday:
            yield (*path, "date"), f"{rule.date} is over: only a replay of the past sends it"
    for path, one in subject.rules(RuleEntry):
        if one.valid_until is not None and _instant(one.valid_until).date() < yesterday:
            yield (*path, "valid_until"), "is over: the rule is as if it were not there"


def outside_validity(subject: Subject) -> Warned:
    """A single date on which the rule is not valid, or a recurrence that has none while it is."""
    yield from _recurring_outside(subject)
    for path, rule in subject.rules(OnceEntry):
        day = date.fromisoformat(rule.date)
        begins = rule.valid_from is not None and _instant(rule.valid_from).date() > day + _ZONES
        ends = rule.valid_until is not None and _instant(rule.valid_until).date() < day - _ZONES
        if begins or ends:
            name = "valid_from" if begins else "valid_until"
            yield (*path, "date"), f"never speaks: {rule.date} is outside of {name}"


def _recurring_outside(subject: Subject) -> Warned:
    found: list[tuple[Path, SummaryEntry | CronEntry]] = [
        *subject.rules(SummaryEntry),
        *subject.rules(CronEntry),
    ]
    for path, rule in found:
        timed = timed_rule(rule, StormsEntry())
        if rule.valid_from is None or rule.valid_until is None or timed.every in _OF_CYCLES:
            continue
        first = _instant(rule.valid_from).date() - _ZONES
        last = _instant(rule.valid_until).date() + _ZONES
        day, _ = next(local_times(recurrence_of(timed), first), (date.max, None))
        if day > last:
            field = "cron" if isinstance(rule, CronEntry) else "every"
            yield (
                (*path, field),
                "never speaks: it does not fall between valid_from and valid_until",
            )


def forecast_after_the_cycle(subject: Subject) -> Warned:
    """A forecast that is silent for as long as a billing cycle is."""
    for path, rule in subject.rules(ForecastEntry):
        if rule.silent_hours >= LONGEST_CYCLE_HOURS:
            yield (*path, "silent_hours"), "never speaks: no billing cycle is longer than 31 days"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
