"""Timed rules of a rules file: what must hold between their fields, and their ready form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from typing import Any

from streamproc.contracts.rules_file.alert_rules import policy_of, quiet_hours
from streamproc.contracts.rules_file.format.entries import (
    AfterActivationEntry,
    AnyTimedEntry,
    BeforeCycleEndEntry,
    BeforeExpiryEntry,
    ClockedEntry,
    CronEntry,
    ExpiryEntry,
    OnceEntry,
    StormsEntry,
    SummaryEntry,
)
from streamproc.contracts.rules_file.read.as_written import entries, items
from streamproc.contracts.rules_file.read.lines import Path
from streamproc.contracts.rules_file.texts import spoken
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.schedule.recurrence import cron_error

COUNTDOWN_KINDS = ("before_cycle_end", "before_expiry")
OWN_INSTANT_KINDS = ("expiry", "after_activation")
"""Every subscriber has an instant of their own: nothing to spread."""
TIMED_KINDS = (
    *("usage_summary", "cron", "once", "cycle_end"),
    *COUNTDOWN_KINDS,
    *OWN_INSTANT_KINDS,
)
_DAYS = ("week", "month")
_MIDNIGHT = time(0)


def timed_faults(rule: dict[str, Any], file: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Field and problem, from the data as it was written; types are checked elsewhere."""
    kind = rule.get("kind")
    if kind not in TIMED_KINDS:
        return
    if kind == "usage_summary" and "day" in rule:
        every, day = rule.get("every", "week"), rule["day"]
        if every == "day":
            yield ("day",), "a daily summary has no day"
        elif every not in _DAYS:
            yield ("day",), "is for every week and every month"
        elif every == "week" and type(day) is int and day > 7:
            yield ("day",), "a weekday is 1 (Monday) to 7"
    if kind == "cron" and isinstance(rule.get("cron"), str):
        problem = cron_error(rule["cron"])
        if problem:
            yield ("cron",), problem
    if kind == "expiry" and "not_between" in rule and not rule.get("hours_before"):
        yield ("not_between",), "is for what is told hours_before the end"
    hours = rule.get("not_between")
    if isinstance(hours, dict) and hours.get("start") == hours.get("end") is not None:
        yield ("not_between", "end"), "is the start too; leave not_between out"
    if kind == "once" and isinstance(rule.get("date"), str) and not _is_day(rule["date"]):
        yield ("date",), "there is no such day"
    plans = {plan.get("id") for _, plan in entries(file, "plans")}
    for index, name in enumerate(items(rule, "plans")):
        if isinstance(name, str) and name not in plans:
            yield ("plans", index), f"there is no plan {name!r}"


def timed_rule(rule: AnyTimedEntry, storms: StormsEntry) -> TimedRule:
    """The rule as the core works with it."""
    summary = rule if isinstance(rule, SummaryEntry) else None
    before = rule if isinstance(rule, BeforeCycleEndEntry | BeforeExpiryEntry) else None
    cycle = rule if isinstance(rule, BeforeCycleEndEntry) else None
    ends = cycle or (rule if isinstance(rule, BeforeExpiryEntry | ExpiryEntry) else None)
    kind: Any = type(rule).__struct_config__.tag
    after_ms = window_ms = 0
    if _is_spread(kind, rule.spread):
        first_ms = storms.mandatory_window_seconds * 1000
        if rule.mandatory:
            window_ms = first_ms
        else:
            after_ms, window_ms = first_ms, storms.window_seconds * 1000
    return TimedRule(
        rule.id,
        kind,
        time.fromisoformat(rule.at) if isinstance(rule, ClockedEntry) else _MIDNIGHT,
        *spoken(rule),
        rule.misfire_grace_seconds * 1000,
        summary.every if summary else "week",
        summary.day if summary else 1,
        before.days_before if before else 0,
        hours_after=rule.hours_after if isinstance(rule, AfterActivationEntry) else 0,
        cron=rule.cron if isinstance(rule, CronEntry) else "",
        on=date.fromisoformat(rule.date) if isinstance(rule, OnceEntry) else None,
        plans=rule.plans,
        segments=rule.segments,
        only_chosen=summary is not None and summary.only_chosen,
        misfire=rule.misfire,
        spread_after_ms=after_ms,
        spread_ms=window_ms,
        policy=policy_of(rule),
        hours_before=rule.hours_before if isinstance(rule, ExpiryEntry) else 0,
        not_between=quiet_hours(rule.not_between) if isinstance(rule, ExpiryEntry) else None,
        buckets=frozenset(ends.buckets) if ends and ends.buckets else None,
        bucket_kinds=frozenset(ends.bucket_kinds) if ends and ends.bucket_kinds else None,
    )


def _is_spread(kind: Any, spread: Any) -> bool:
    return spread is not False and kind not in OWN_INSTANT_KINDS


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
