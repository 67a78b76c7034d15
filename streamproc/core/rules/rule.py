"""Rules about single buckets, at instants, and after refunds; ``watch`` has those about accounts.

A rule's ``kind`` is the name of one of the registry (``kinds``), which knows all about it.
"""

from __future__ import annotations

from datetime import date, time
from typing import Literal

from msgspec import Struct

from streamproc.core.rules.sending import PLAIN, Policy, QuietHours

CalendarEvery = Literal["day", "week", "month", "month_start", "month_middle", "month_end"]
CycleEvery = Literal["cycle_start", "cycle_middle", "cycle_end"]
Every = CalendarEvery | CycleEvery
Misfire = Literal["latest", "each"]


class UsageRule(Struct, frozen=True, gc=False):
    """Reminds when usage crosses a threshold, each bucket by itself."""

    id: str
    kind: str
    thresholds: tuple[int, ...]
    bucket_kinds: frozenset[str]
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    policy: Policy = PLAIN
    buckets: frozenset[str] | None = None
    """Allowances and packs, by id, that it is about; None: all of its kinds."""

    def is_about(self, kind: str, source: str) -> bool:
        """Whether it is about buckets of a kind and source (allowance or pack id)."""
        return kind in self.bucket_kinds and (self.buckets is None or source in self.buckets)


class TimedRule(Struct, frozen=True, gc=False):
    """Reminds at instants in the subscriber's own time zone; ``core/schedule`` knows which."""

    id: str
    kind: str
    at: time
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    misfire_grace_ms: int
    every: Every = "week"
    day: int = 1
    """ISO weekday (1 Monday) for weekly, day of month for monthly summaries."""
    days_before: int = 0
    policy: Policy = PLAIN
    hours_after: int = 0
    """Since the activation."""
    cron: str = ""
    """Five fields: minute, hour, day of month, month, day of week."""
    on: date | None = None
    """The day of a rule that reminds once."""
    plans: frozenset[str] | None = None
    """For subscribers of these plans only."""
    segments: frozenset[str] | None = None
    """For subscribers in one of these segments only."""
    only_chosen: bool = False
    """A summary for those who asked for one."""
    misfire: Misfire = "latest"
    """Of several occurrences that were missed: the latest alone, or each by itself."""
    spread_after_ms: int = 0
    """Begin of the window in which its reminders are sent, counted from their instant."""
    spread_ms: int = 0
    """Length of that window; 0: all at their instant."""
    hours_before: int = 0
    """Of ``expiry``: so long before the end; 0: at the end itself."""
    not_between: QuietHours | None = None
    """Of ``expiry``: what would come in these hours comes a minute before they begin or, where
    there was nothing to end then, when they are over."""
    buckets: frozenset[str] | None = None
    """Of rules about ends: allowances and packs, by id, that it is about; None: all."""
    bucket_kinds: frozenset[str] | None = None
    """Of rules about ends: kinds of buckets that it is about; None: all."""

    def is_about(self, kind: str, source: str) -> bool:
        """Whether it is about buckets of a kind and source (allowance or pack id)."""
        return (self.bucket_kinds is None or kind in self.bucket_kinds) and (
            self.buckets is None or source in self.buckets
        )


class CorrectionRule(Struct, frozen=True, gc=False):
    """Follows up when usage was refunded: ``uncrossed`` only if that un-crossed a threshold."""

    id: str
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    when: Literal["uncrossed", "always"] = "uncrossed"
    policy: Policy = PLAIN
    kind: Literal["usage_corrected"] = "usage_corrected"
