"""Kinds of rules about the whole account: usage moves a figure to a threshold (law 12).

A kind names its figure, and the value of the figure at which a threshold is reached.
"""

from __future__ import annotations

from typing import Any, ClassVar

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Windows
from streamproc.core.rules.kinds.entry import RuleEntry, policy_of, spoken
from streamproc.core.rules.kinds.reaching import ReachingRuleKind

FigureName = tuple[str, str | None]
"""The name of a figure, and what it depends on: a tariff, or the rule that defines its window."""


class WatchRuleKind(ReachingRuleKind):
    """In the methods, ``rule`` is a rule of this kind."""

    slides: ClassVar[bool] = False
    """Whether its figure is about a sliding window. Such a figure falls with time, without an
    event."""
    stays_true: ClassVar[bool] = False
    """Whether a reached threshold stays true for ever: the usage was that fast at that time."""
    is_of_cycle: ClassVar[bool] = True
    """Whether a message that waited into the next cycle is not true any more."""
    is_reached_by_ends: ClassVar[bool] = False
    """Whether the end of a pack or top-up can reach it, because its bytes were the last ones
    left."""
    is_reached_by_reductions: ClassVar[bool] = False
    """Whether a change that leaves fewer bytes than before can reach it
    (``core/alerts/reductions.py``)."""
    is_of_cost: ClassVar[bool] = False
    """Whether its figure is 0 as long as the cycle has cost nothing."""
    tells_price: ClassVar[bool] = False
    """Whether it is about the price of the next byte. Under another price it sends its message
    again."""
    tells_all_used_up: ClassVar[bool] = False
    """Whether its messages say that every bucket is used up."""
    tells_limits: ClassVar[bool] = False
    """Whether its messages say that data is barred or throttled."""

    def figure(self, rule: WatchRule) -> FigureName:
        """The name of its figure. Rules with the same name share the work of calculating the
        value."""
        raise NotImplementedError

    def value(self, rule: WatchRule, figures: Figures) -> int:
        """The figure now. A higher value reaches more thresholds."""
        raise NotImplementedError

    def level(self, rule: WatchRule, threshold: int, margin: int, figures: Figures) -> int | None:
        """The figure at which a threshold (-1: the rule has none) is reached, ``margin``
        (hysteresis) below it; None if nothing can be reached now."""
        return max(threshold - margin, 1)

    def reached(
        self,
        rule: WatchRule,
        thresholds: tuple[int, ...],
        before: int,
        after: int,
        figures: Figures,
    ) -> list[int]:
        """The thresholds between two values of a figure, ascending."""
        found = []
        for threshold in thresholds:
            level = self.level(rule, threshold, 0, figures)
            if level is not None and before < level <= after:
                found.append(threshold)
        return found

    def has_threshold(self, known: tuple[int, ...], threshold: int) -> bool:
        """Whether the threshold of a mark is still a threshold of the rule."""
        return threshold in known

    def rule(self, entry: Any, windows: Windows) -> WatchRule:
        common = (*spoken(entry), policy_of(entry))
        return WatchRule(
            entry.id, self.name, self.thresholds_of(entry), *common, **self.terms(entry)
        )

    def thresholds_of(self, entry: Any) -> tuple[int, ...]:
        """Thresholds, ascending; empty if the kind has none."""
        return tuple(sorted(entry.thresholds))

    def terms(self, entry: Any) -> dict[str, Any]:
        """Further arguments of the rule, from the entry."""
        return {}


class WithoutThresholds(WatchRuleKind):
    """The figure has no thresholds: it is there or it is not."""

    placeholders = frozenset()

    def thresholds_of(self, entry: RuleEntry) -> tuple[int, ...]:
        return ()
