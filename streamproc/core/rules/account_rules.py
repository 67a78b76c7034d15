"""Rules about an account as a whole. Rules about single buckets are ``rule.UsageRule``."""

from __future__ import annotations

from datetime import time
from typing import Final, Literal

from msgspec import Struct

from streamproc.core.rules.sending import PLAIN, Policy

VELOCITY_SLOTS: Final = 10
"""A window slides in steps; this many steps are one window."""


WHOLE_CAP_PERCENT: Final = 100
"""The share of a plan's cost cap at which its policy is in force."""


class WatchRule(Struct, frozen=True, gc=False):
    """Sends a reminder when usage moves a figure of the account to a threshold (law 12).

    The figure, and the unit of ``thresholds``:

    - ``spend_amount``: the cost of the cycle's overage, in minor units of the currency;
    - ``spend_percent``: the same, in percent of ``cap_minor``, or of the tariff's own cap as long
      as that is in force;
    - ``overage_started``: sorts of usage that cost under ``tariff`` (None: the plan's own prices):
      there was overage, and no bucket with bytes left covers it; each further sort sends a
      reminder;
    - ``every_bytes``: a reminder at every multiple of the one threshold; ``of`` names the figure;
    - ``velocity``: bytes used within ``window_ms``;
    - ``anomaly``: the cycle's usage, in percent of the average of the ``cycles`` before;
    - ``zero_balance``: no bytes are left in any bucket; no thresholds;
    - ``access_limited``: one of ``policies`` bars or throttles data; no thresholds.
    """

    id: str
    kind: str
    thresholds: tuple[int, ...]
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    policy: Policy = PLAIN
    cap_minor: int | None = None
    """Cap for ``spend_percent``; None: the cap of ``tariff``."""
    tariff: str | None = None
    """For spend: the tariff whose overage counts, empty for the plan's own; None: all overage. For
    ``overage_started``: the tariff; None or empty for the plan's own."""
    of: Literal["usage", "overage"] = "overage"
    window_ms: int = 0
    cycles: int = 3
    min_bytes: int = 0
    """Below this usage there is no anomaly."""
    policies: frozenset[str] = frozenset()
    """For ``access_limited``: ids of policies of plans."""

    @property
    def is_of_plan_cap(self) -> bool:
        """Whether it reports shares of a plan's own cost cap, at which data stops."""
        return self.kind == "spend_percent" and self.cap_minor is None


class CheckRule(Struct, frozen=True, gc=False):
    """Checks an account at a time of day, and sends a reminder if there is a reason.

    - ``forecast``: at the present rate of usage, the plan's allowance ends before the cycle;
    - ``inactivity``: there was no usage for ``days`` days.
    """

    id: str
    kind: str
    at: time
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    misfire_grace_ms: int
    policy: Policy = PLAIN
    days: int = 0
    silent_ms: int = 0
    """No forecast for this long after the start of a cycle (or of the contract)."""


class ResolvedRule(Struct, frozen=True, gc=False):
    """Sends a message when the reason of reminders of the rules ``of`` is over: top-up, refund, new
    cycle."""

    id: str
    of: frozenset[str]
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    policy: Policy = PLAIN
    kind: Literal["resolved"] = "resolved"


class AlertRules(Struct, frozen=True, gc=False):
    """All rules about accounts."""

    watch: tuple[WatchRule, ...] = ()
    checks: tuple[CheckRule, ...] = ()
    resolved: tuple[ResolvedRule, ...] = ()


NO_ALERT_RULES: Final = AlertRules()
