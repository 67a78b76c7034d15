"""Rules about an account as a whole; those about single buckets are ``rulebook.UsageRule``."""

from __future__ import annotations

from datetime import time
from typing import Final, Literal

from msgspec import Struct

from streamproc.core.rules.sending import PLAIN, Policy

VELOCITY_SLOTS: Final = 10
"""A window slides by so many parts of it."""


class WatchRule(Struct, frozen=True, gc=False):
    """Reminds when a figure of the account reaches a threshold by usage (law 12).

    The figure, and the unit of ``thresholds``:

    - ``spend_amount``: what the cycle's overage costs, in minor units of the currency;
    - ``spend_percent``: the same, in percent of ``cap_minor``, or of the tariff's own cap for as
      long as that is in force;
    - ``overage_started``: sorts of usage that cost under ``tariff`` (None: the plan's own prices):
      there was overage, and no bucket with something left covers it; each further one is told;
    - ``every_bytes``: reminds at every multiple of the one threshold, of what ``of`` says;
    - ``velocity``: bytes used within ``window_ms``;
    - ``anomaly``: the cycle's usage, in percent of the average of the ``cycles`` before;
    - ``zero_balance``: nothing is left in any bucket; no thresholds.
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
    """Of ``spend_percent``; None: that of ``tariff``."""
    tariff: str | None = None
    """Of spend: the tariff whose overage counts, empty for the plan's own; None: all of it. Of
    ``overage_started``: the tariff; None or empty for the plan's own."""
    of: Literal["usage", "overage"] = "overage"
    window_ms: int = 0
    cycles: int = 3
    min_bytes: int = 0
    """An anomaly is none below."""


class CheckRule(Struct, frozen=True, gc=False):
    """Looks at an account at a time of day, and reminds if there is something to say.

    - ``forecast``: at the present rate the plan's allowance ends before its cycle does;
    - ``inactivity``: nothing was used for ``days`` days.
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
    """A forecast says nothing for so long after the begin of a cycle (or of the contract)."""


class ResolvedRule(Struct, frozen=True, gc=False):
    """Reminds when what rules ``of`` told of holds no more: topped up, refunded, a new cycle."""

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
    """All of them."""

    watch: tuple[WatchRule, ...] = ()
    checks: tuple[CheckRule, ...] = ()
    resolved: tuple[ResolvedRule, ...] = ()


NO_ALERT_RULES: Final = AlertRules()
