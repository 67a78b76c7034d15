"""Rules whose time is past, or never comes."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.kinds.forecast import ForecastEntry
from streamproc.core.rules.kinds.once import OnceEntry
from streamproc.core.rules.kinds.timed import Shape

LONGEST_CYCLE_HOURS = 31 * 24
_ZONES = timedelta(days=1)
"""By how much time zones can move a day."""


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
    """A single date at which the rule is not valid, or a recurrence without any time in its
    validity."""
    yield from _recurring_outside(subject)
    for path, rule in subject.rules(OnceEntry):
        day = date.fromisoformat(rule.date)
        begins = rule.valid_from is not None and _instant(rule.valid_from).date() > day + _ZONES
        ends = rule.valid_until is not None and _instant(rule.valid_until).date() < day - _ZONES
        if begins or ends:
            name = "valid_from" if begins else "valid_until"
            yield (*path, "date"), f"never speaks: {rule.date} is outside of {name}"


def _recurring_outside(subject: Subject) -> Warned:
    for path, entry, rule in subject.timed_rules(Shape.CALENDAR):
        kind = TIMED_KINDS[rule.kind]
        if not kind.recurs_by or entry.valid_from is None or entry.valid_until is None:
            continue
        first = _instant(entry.valid_from).date() - _ZONES
        last = _instant(entry.valid_until).date() + _ZONES
        day, _ = next(kind.local_times(kind.recurrence(rule), first), (date.max, None))
        if day > last:
            yield (
                (*path, kind.recurs_by),
                "never speaks: it does not fall between valid_from and valid_until",
            )


def forecast_after_the_cycle(subject: Subject) -> Warned:
    """A forecast that is silent for a whole billing cycle."""
    for path, rule in subject.rules(ForecastEntry):
        if rule.silent_hours >= LONGEST_CYCLE_HOURS:
            yield (*path, "silent_hours"), "never speaks: no billing cycle is longer than 31 days"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
