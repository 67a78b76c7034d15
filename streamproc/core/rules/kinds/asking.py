"""What kinds of rules may ask of an account, which they do not know; higher floors answer."""

from __future__ import annotations

from datetime import date, time
from typing import Protocol

from streamproc.core.rules.watch import WatchRule


class Figures(Protocol):
    """Figures of an account now; ``core/usage/figures.py`` has them."""

    @property
    def used_bytes(self) -> int:
        """The cycle's usage of what the plan grants, and beyond; packs and top-ups do not count."""

    @property
    def left_bytes(self) -> int:
        """What is left in all buckets together; far more than there can be if one is unlimited."""

    @property
    def overage_bytes(self) -> int:
        """The cycle's usage that no bucket covered."""

    def sorts_costing(self, tariff: str) -> int:
        """Sorts of usage whose next byte is charged under a tariff (empty: the plan's own)."""

    def spend_minor(self, tariff: str | None) -> int:
        """What the cycle's overage costs so far, under one tariff or (None) under all."""

    def cap_minor(self, tariff: str) -> int | None:
        """The cost cap of a tariff, or None if none is in force for the subscriber."""

    def usual_bytes(self, cycles: int) -> int:
        """Usage of the last ``cycles`` cycles together; 0 if they are not known, or not whole."""

    def in_window_bytes(self, rule: WatchRule) -> int:
        """Used within a rule's sliding window (``WatchRule.window_ms``)."""


class Look(Protocol):
    """An account as a check looks at it; ``core/alerts/checks.py`` has it."""

    @property
    def clock_ms(self) -> int:
        """Until when everything that was due is done."""

    @property
    def last_use_ms(self) -> int:
        """The last usage; the activation if there was none since."""

    @property
    def since_ms(self) -> int:
        """Begin of the cycle, or of the contract if that is later."""

    @property
    def cycle_start_ms(self) -> int: ...

    @property
    def cycle_end_ms(self) -> int: ...

    @property
    def is_told(self) -> bool:
        """Whether the rule has spoken and nothing was granted since (``CheckRuleKind.is_once``)."""

    def local_day(self, instant_ms: int) -> date:
        """The subscriber's calendar day at an instant."""

    def instant_ms(self, day: date, at: time) -> int:
        """When the subscriber's clocks show a time on a day."""

    def left_bytes(self) -> int:
        """What is left of home data."""

    def runs_out_ms(self, at_ms: int) -> int:
        """When no home data is left at the rate until ``at_ms``; NEVER_MS if not in this cycle."""
