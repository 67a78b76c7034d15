"""Packs whose end no rule reports, by the time of their purchase."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from streamproc.contracts.rules_file.format.plans import PackEntry
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.instants import DAY_MINUTES, DAY_MS, HOUR_MS, NEVER_MS
from streamproc.core.rules.kinds import TIMED_KINDS, before_cycle_end
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.schedule.occurrences import coming
from streamproc.core.state.account import ACTIVE, PACK, Account, Bucket

_START_MS = 20_514 * DAY_MS  # any day serves
_UTC = ZoneInfo("UTC")
_HINT = "a rule of kind expiry with hours_before would"


class PurchaseMinutes(NamedTuple):
    """Minutes of the day at which a pack is bought; the end is exclusive."""

    start: int
    end: int


def end_untold(subject: Subject) -> Warned:
    """Packs whose end a rule does not report, because the reminder is due before they are
    bought."""
    told = _Told()
    every = [rule for _, _, rule in subject.timed_rules(Shape.AT_ENDS)]
    for path, _, rule in subject.timed_rules(Shape.AT_ENDS):
        for pack in subject.file.packs:
            if not _is_about(rule, pack):
                continue
            others = [one for one in every if one is not rule and _speaks_for(one, rule)]
            spans = _spans(told.of(rule, pack).union(*(told.of(one, pack) for one in others)))
            if spans:
                words = " and ".join(_words(span) for span in spans)
                hint = f"; {_HINT}" if TIMED_KINDS[rule.kind].hours_before_end(rule) is None else ""
                yield (
                    path,
                    f"says nothing of the end of {pack.id} ({_hours(pack)}) bought {words}: it "
                    f"would be due before that{hint}",
                )


def nothing_ends(subject: Subject) -> Warned:
    """A rule about buckets with an end of their own, for allowances that end with the cycle."""
    rolling = {one.id for one in subject.allowances() if one.rollover is not None}
    packs = {pack.id for pack in subject.file.packs}
    for path, _, rule in subject.timed_rules(Shape.AT_ENDS):
        for name in sorted(rule.buckets or ()):
            if name not in rolling | packs:
                yield (
                    (*path, "buckets"),
                    f"never speaks of {name}: it ends with the billing cycle and does not roll "
                    f"over; {before_cycle_end.KIND.name} speaks of that",
                )


def _speaks_for(other: TimedRule, rule: TimedRule) -> bool:
    """Whether everyone who gets a rule's messages gets those of the other rule too."""
    if other.policy.valid_from_ms or other.policy.valid_until_ms < NEVER_MS:
        return False
    pairs = ((other.plans, rule.plans), (other.segments, rule.segments))
    return all(theirs is None or (ours is not None and ours <= theirs) for theirs, ours in pairs)


def _is_about(rule: TimedRule, pack: PackEntry) -> bool:
    """Whether a rule is about ends of a pack."""
    return (rule.buckets is None or pack.id in rule.buckets) and (
        rule.bucket_kinds is None or PACK in rule.bucket_kinds
    )


class _Told:
    """The minutes of the day at which a pack can be bought so that a rule reports its end;
    cached."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], frozenset[int]] = {}

    def of(self, rule: TimedRule, pack: PackEntry) -> frozenset[int]:
        if not _is_about(rule, pack):
            return frozenset()
        key = rule.id, pack.validity_hours
        if key not in self._known:
            self._known[key] = _told_minutes(rule, pack.validity_hours)
        return self._known[key]


def _told_minutes(rule: TimedRule, validity_hours: int) -> frozenset[int]:
    """Calculated by the function that plans the reminders of a rule, for each minute of a day."""
    rule = replace(rule, buckets=None, bucket_kinds=None)
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


def _spans(told: frozenset[int]) -> list[PurchaseMinutes]:
    """Parts of the day in which no end is reported. A part that passes midnight is one part."""
    spans: list[PurchaseMinutes] = []
    for minute in range(DAY_MINUTES):
        if minute in told:
            continue
        if spans and spans[-1].end == minute:
            spans[-1] = PurchaseMinutes(spans[-1].start, minute + 1)
        else:
            spans.append(PurchaseMinutes(minute, minute + 1))
    if len(spans) > 1 and spans[0].start == 0 and spans[-1].end == DAY_MINUTES:
        first, last = spans[0], spans.pop()
        spans[0] = PurchaseMinutes(last.start, first.end)
    return spans


def _words(span: PurchaseMinutes) -> str:
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
