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
    """How the instants of a timed rule are found; ``core/schedule/occurrences.py`` does it."""

    CALENDAR = "calendar"
    """Recurring local times (``local_times``), the same for all subscribers of a zone."""
    IN_CYCLE = "in_cycle"
    """One day of each billing cycle (``day_in_cycle``)."""
    AFTER_CYCLE = "after_cycle"
    """When a cycle is over, about that cycle."""
    AFTER_ACTIVATION = "after_activation"
    """So many hours after the activation (``TimedRule.hours_after``)."""
    AT_ENDS = "at_ends"
    """At or before the end of each pack, top-up and roll-over (``hours_before_end``)."""


class TimedRuleKind(RuleKind):
    """``rule`` in the methods is one of this kind."""

    called = "a timed rule"
    entry: ClassVar[type[TimedEntry]]
    shape: ClassVar[Shape]
    """Of most of its rules, see :meth:`shape_of`."""
    has_own_instants: ClassVar[bool] = False
    """Whether each subscriber has an instant of their own, so that there is no storm to spread."""
    is_by_choice: ClassVar[bool] = False
    """Whether subscribers choose how often it comes, and when."""
    recurs_by: ClassVar[str] = ""
    """The field that says how it recurs; empty: it does not recur."""
    is_about_losses: ClassVar[bool] = False
    """Whether it tells of what ends with the cycle, and nothing if nothing does."""

    def shape_of(self, rule: TimedRule) -> Shape:
        return self.shape

    def is_by_clocks(self, rule: TimedRule) -> bool:
        """Whether the subscriber's clocks decide when a rule speaks."""
        return True

    def recurrence(self, rule: TimedRule) -> Recurrence:
        """Of shape CALENDAR: what of a rule says when it recurs."""
        return Recurrence(rule.kind, rule.every, rule.day, rule.at, rule.cron, rule.on)

    def local_times(self, rule: Recurrence, first: date) -> Iterator[LocalTime]:
        """Of shape CALENDAR: the local times from a day on, ascending; may end."""
        raise NotImplementedError

    def day_in_cycle(self, rule: TimedRule) -> str:
        """Of shape IN_CYCLE: ``cycle_start``, ``cycle_middle``, ``cycle_end``, or empty for
        ``days_before`` the cycle's end."""
        return ""

    def hours_before_end(self, rule: TimedRule) -> int | None:
        """Of shape AT_ENDS: so many hours before the end; None: ``days_before`` it, at ``at``."""
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
                after_ms, window_ms = windows
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
        """What else of the entry goes into the rule."""
        return {}


def about(entry: Any) -> dict[str, Any]:
    """The buckets that an entry about ends is about."""
    return {
        "buckets": frozenset(entry.buckets) if entry.buckets else None,
        "bucket_kinds": frozenset(entry.bucket_kinds) if entry.bucket_kinds else None,
    }
