"""Kinds of rules that remind at instants of the subscriber's own clocks (law 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time
from enum import Enum
from typing import Any, ClassVar

from streamproc.core.rules.as_written import Problem, entries, items
from streamproc.core.rules.kinds.base import RuleKind, Windows
from streamproc.core.rules.kinds.entry import ClockedEntry, TimedEntry, policy_of, spoken
from streamproc.core.rules.recurring import LocalTime, Recurrence
from streamproc.core.rules.rule import TimedRule

MIDNIGHT = time(0)


class Shape(Enum):
    """How to find the instants of a timed rule; ``core/schedule/occurrences.py`` does it."""

    CALENDAR = "calendar"
    """Recurring local times (``local_times``), the same for all subscribers of a zone."""
    IN_CYCLE = "in_cycle"
    """One day of each billing cycle (``day_in_cycle``)."""
    AFTER_CYCLE = "after_cycle"
    """The instant at which a cycle ends; the reminder is about that cycle."""
    AFTER_ACTIVATION = "after_activation"
    """A number of hours after the activation (``TimedRule.hours_after``)."""
    AT_ENDS = "at_ends"
    """At or before the end of each pack, top-up and roll-over (``hours_before_end``)."""


class TimedRuleKind(RuleKind):
    """In the methods, ``rule`` is a rule of this kind."""

    called = "a timed rule"
    entry: ClassVar[type[TimedEntry]]
    shape: ClassVar[Shape]
    """The shape of most of its rules, see :meth:`shape_of`."""
    has_own_instants: ClassVar[bool] = False
    """Whether each subscriber has a different instant. Then there is no storm to spread."""
    is_by_choice: ClassVar[bool] = False
    """Whether subscribers choose how often its reminders come, and when."""
    recurs_by: ClassVar[str] = ""
    """The field that says how it recurs; empty if it does not recur."""
    is_about_losses: ClassVar[bool] = False
    """Whether it is about bytes that end with the cycle. If no bytes end, it sends nothing."""

    def shape_of(self, rule: TimedRule) -> Shape:
        return self.shape

    def is_by_clocks(self, rule: TimedRule) -> bool:
        """Whether the instants of a rule depend on the subscriber's time zone."""
        return True

    def recurrence(self, rule: TimedRule) -> Recurrence:
        """For shape CALENDAR: the part of a rule that decides when it recurs."""
        return Recurrence(rule.kind, rule.every, rule.day, rule.at, rule.cron, rule.on)

    def local_times(self, rule: Recurrence, first: date) -> Iterator[LocalTime]:
        """For shape CALENDAR: the local times from a day on, ascending; the sequence may end."""
        raise NotImplementedError

    def day_in_cycle(self, rule: TimedRule) -> str:
        """For shape IN_CYCLE: ``cycle_start``, ``cycle_middle``, ``cycle_end``; empty:
        ``days_before`` the end of the cycle."""
        return ""

    def hours_before_end(self, rule: TimedRule) -> int | None:
        """For shape AT_ENDS: the number of hours before the end; None: ``days_before`` the end, at
        ``at``."""
        return None

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        plans = {plan.get("id") for _, plan in entries(file, "plans")}
        for index, name in enumerate(items(rule, "plans")):
            if isinstance(name, str) and name not in plans:
                yield ("plans", index), f"there is no plan {name!r}"

    def rule(self, entry: Any, windows: Windows) -> TimedRule:
        after_ms = window_ms = 0
        if entry.spread and not self.has_own_instants:
            if entry.mandatory:
                window_ms = windows.mandatory_ms
            else:
                after_ms, window_ms = windows.mandatory_ms, windows.others_ms
        return TimedRule(
            entry.id,
            self.name,
            time.fromisoformat(entry.at) if isinstance(entry, ClockedEntry) else MIDNIGHT,
            *spoken(entry),
            entry.misfire_grace_seconds * 1000,
            plans=entry.plans,
            segments=entry.segments,
            misfire=entry.misfire,
            spread_after_ms=after_ms,
            spread_ms=window_ms,
            policy=policy_of(entry),
            **self.terms(entry),
        )

    def terms(self, entry: Any) -> dict[str, Any]:
        """Further arguments of the rule, from the entry."""
        return {}


def about(entry: Any) -> dict[str, Any]:
    """The buckets that an entry about ends of validity refers to."""
    return {
        "buckets": frozenset(entry.buckets) if entry.buckets else None,
        "bucket_kinds": frozenset(entry.bucket_kinds) if entry.bucket_kinds else None,
    }
