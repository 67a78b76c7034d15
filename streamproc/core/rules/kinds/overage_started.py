"""``overage_started``: the first byte that costs, and the first byte after a top-up or pack is used
up.

There is no overage as long as a bucket with bytes left covers such usage.
"""

from __future__ import annotations

from typing import Any

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.fields import Id
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WithoutThresholds


class OverageStartedEntry(ReachingEntry, frozen=True, tag="overage_started", kw_only=True):
    tariff: Id | None = None


class OverageStarted(WithoutThresholds):
    entry = OverageStartedEntry
    says = "the first byte was used that costs, or the first one after a top-up or pack was over"
    brief = "data costs now"
    field_docs = {"tariff": "under this tariff; default: under the plan's own prices"}
    fact = "money"
    is_reached_by_ends = True
    is_reached_by_reductions = True
    is_of_cost = True
    tells_price = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "uncovered", rule.tariff or ""

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.sorts_costing(rule.tariff or "")

    def reached(
        self,
        rule: WatchRule,
        thresholds: tuple[int, ...],
        before: int,
        after: int,
        figures: Figures,
    ) -> list[int]:
        """Each further sort of usage that costs sends a message."""
        return list(thresholds) if before < after else []

    def needs(self, entry: OverageStartedEntry) -> frozenset[Need]:
        return frozenset((Need.OVERAGE,))

    def terms(self, entry: OverageStartedEntry) -> dict[str, Any]:
        return {"tariff": entry.tariff}


KIND = OverageStarted()
