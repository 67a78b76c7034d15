"""Kinds of rules about an account as a whole: a figure that usage brings to a threshold (law 12).

A kind says which figure it is, and at which value of it a threshold is reached.
"""

from __future__ import annotations

from typing import Any, ClassVar

from streamproc.core.rules.kinds.asking import Figures
from streamproc.core.rules.kinds.base import Windows
from streamproc.core.rules.kinds.entry import RuleEntry, policy_of, spoken
from streamproc.core.rules.kinds.reaching import ReachingRuleKind
from streamproc.core.rules.watch import WatchRule

FigureName = tuple[str, str | None]
"""What the figure is, and what it is of: a tariff, or the rule whose window it is."""


class WatchRuleKind(ReachingRuleKind):
    """``rule`` in the methods is one of this kind."""

    slides: ClassVar[bool] = False
    """Whether its figure is of a sliding window: it falls with time, and nobody sees it fall."""
    stays_true: ClassVar[bool] = False
    """Whether what was reached once is true for good: so much was used so fast."""
    is_of_cycle: ClassVar[bool] = True
    """Whether a message that waited into the next cycle is not true any more."""
    is_reached_by_ends: ClassVar[bool] = False
    """Whether the end of a pack or top-up may reach it: its last bytes were what was left."""
    is_reached_by_losses: ClassVar[bool] = False
    """Whether a change may reach it that leaves less than before (``core/alerts/losses.py``)."""
    is_of_cost: ClassVar[bool] = False
    """Whether its figure is 0 as long as the cycle has cost nothing."""
    tells_price: ClassVar[bool] = False
    """Whether it is about what the next byte costs: under another price it is told again."""
    tells_all_used_up: ClassVar[bool] = False
    """Whether it says of every bucket that it is used up."""

    def figure(self, rule: WatchRule) -> FigureName:
        """Rules with the same one share the work of finding its value."""
        raise NotImplementedError

    def value(self, rule: WatchRule, figures: Figures) -> int:
        """The figure now: the higher, the more is reached."""
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
        """The thresholds that a figure has reached from one value to another, ascending."""
        found = []
        for threshold in thresholds:
            level = self.level(rule, threshold, 0, figures)
            if level is not None and before < level <= after:
                found.append(threshold)
        return found

    def has_threshold(self, known: tuple[int, ...], threshold: int) -> bool:
        """Whether a threshold of a mark still is one of the rule's."""
        return threshold in known

    def rule(self, entry: Any, windows: Windows) -> WatchRule:
        common = (*spoken(entry), policy_of(entry))
        return WatchRule(
            entry.id, self.name, self.thresholds_of(entry), *common, **self.terms(entry)
        )

    def thresholds_of(self, entry: Any) -> tuple[int, ...]:
        """Ascending; empty if the kind has none."""
        return tuple(sorted(entry.thresholds))

    def terms(self, entry: Any) -> dict[str, Any]:
        """What else of the entry goes into the rule."""
        return {}


class WithoutThresholds(WatchRuleKind):
    """A figure that is there or not."""

    placeholders = frozenset()

    def thresholds_of(self, entry: RuleEntry) -> tuple[int, ...]:
        return ()
