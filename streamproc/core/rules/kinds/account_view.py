"""What kinds of rules need to know about an account. Higher layers implement these protocols."""

from __future__ import annotations

from datetime import date, time
from typing import Protocol

from streamproc.core.rules.account_rules import WatchRule


class Figures(Protocol):
    """Figures of an account now; ``core/usage/figures.py`` has them."""

    @property
    def used_bytes(self) -> int:
        """Usage of the cycle that the plan's allowances cover, and overage; packs and top-ups do
        not count."""

    @property
    def left_bytes(self) -> int:
        """Bytes left in all buckets together; a number larger than any real one if a bucket is
        unlimited."""

    @property
    def overage_bytes(self) -> int:
        """Usage of the cycle that no bucket covered."""

    def sorts_costing(self, tariff: str) -> int:
        """How many sorts of usage would cost at their next byte under a tariff (empty: the plan's
        own)."""

    def spend_minor(self, tariff: str | None) -> int:
        """What the cycle's overage costs so far, under one tariff or (None) under all."""

    def cap_minor(self, tariff: str) -> int | None:
        """The cost cap of a tariff, or None if none is in force for the subscriber."""

    def usual_bytes(self, cycles: int) -> int:
        """Usage of the last ``cycles`` cycles together; 0 if a cycle is unknown or incomplete."""

    def limits_in_force(self, policies: frozenset[str]) -> int:
        """How many of the plan's policies with these ids bar or throttle data now."""

    def in_window_bytes(self, rule: WatchRule) -> int:
        """Bytes used within a rule's sliding window (``WatchRule.window_ms``)."""


class Look(Protocol):
    """The account as a check sees it; ``core/alerts/checks.py`` implements it."""

    @property
    def clock_ms(self) -> int:
        """All work that fell due up to this instant is done."""

    @property
    def last_use_ms(self) -> int:
        """The last usage; the activation if there was no usage since."""

    @property
    def since_ms(self) -> int:
        """Start of the cycle, or of the contract if that is later."""

    @property
    def cycle_start_ms(self) -> int: ...

    @property
    def cycle_end_ms(self) -> int: ...

    @property
    def is_told(self) -> bool:
        """Whether the rule has sent its message and nothing was granted since
        (``CheckRuleKind.is_once``)."""

    def local_day(self, instant_ms: int) -> date:
        """The subscriber's calendar day at an instant."""

    def instant_ms(self, day: date, at: time) -> int:
        """The instant at which the subscriber's clocks show a time on a day."""

    def left_bytes(self) -> int:
        """Bytes of home data that are left."""

    def runs_out_ms(self, at_ms: int) -> int:
        """When home data runs out if usage continues at the rate until ``at_ms``; NEVER_MS if not
        in this cycle."""
