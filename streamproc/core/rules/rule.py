"""Rules about single buckets, at instants, and after refunds. ``watch`` has the rules about
accounts.

``kind`` of a rule is the name of a kind in the registry (``kinds``), which knows everything about
it.
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
    """Sends a reminder when usage crosses a threshold of a bucket. Each bucket is treated
    separately."""

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
    """Ids of the allowances and packs that it applies to; None: all buckets of its kinds."""

    def is_about(self, kind: str, source: str) -> bool:
        """Whether it applies to buckets of a kind and source (allowance or pack id)."""
        return kind in self.bucket_kinds and (self.buckets is None or source in self.buckets)


class TimedRule(Struct, frozen=True, gc=False):
    """Sends reminders at instants in the subscriber's time zone; ``core/schedule`` calculates
    them."""

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
    """ISO weekday (1 is Monday) of weekly summaries, day of month of monthly ones."""
    days_before: int = 0
    policy: Policy = PLAIN
    hours_after: int = 0
    """Hours since the activation."""
    cron: str = ""
    """Five fields: minute, hour, day of month, month, day of week."""
    on: date | None = None
    """The day of a rule of the kind ``once``."""
    plans: frozenset[str] | None = None
    """Only subscribers of these plans; None: all."""
    segments: frozenset[str] | None = None
    """Only subscribers in one of these segments; None: all."""
    only_chosen: bool = False
    """A summary that only subscribers get who asked for one."""
    misfire: Misfire = "latest"
    """If several occurrences were missed: send only the latest, or each of them."""
    spread_after_ms: int = 0
    """Start of the window in which its reminders are sent, counted from their instant."""
    spread_ms: int = 0
    """Length of that window; 0: all are sent at their instant."""
    hours_before: int = 0
    """For ``expiry``: hours before the end; 0: at the end itself."""
    not_between: QuietHours | None = None
    """For ``expiry``: hours without reminders. A reminder that falls into them is sent one minute
    before they begin. If the bucket did not exist then, it is sent when they are over."""
    buckets: frozenset[str] | None = None
    """For rules about ends: ids of the allowances and packs that it applies to; None: all."""
    bucket_kinds: frozenset[str] | None = None
    """For rules about ends: the kinds of buckets that it applies to; None: all."""

    def is_about(self, kind: str, source: str) -> bool:
        """Whether it applies to buckets of a kind and source (allowance or pack id)."""
        return (self.bucket_kinds is None or kind in self.bucket_kinds) and (
            self.buckets is None or source in self.buckets
        )


class CorrectionRule(Struct, frozen=True, gc=False):
    """Sends a message after a refund of usage; with ``uncrossed`` only if it un-crossed a
    threshold."""

    id: str
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    when: Literal["uncrossed", "always"] = "uncrossed"
    policy: Policy = PLAIN
    kind: Literal["usage_corrected"] = "usage_corrected"
