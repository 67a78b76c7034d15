"""What ``spend_amount`` and ``spend_percent`` share: their figure is the cost of the overage."""

from __future__ import annotations

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind

TARIFF_OF_SPEND = "of this tariff; default: of all"


class SpendKind(WatchRuleKind):
    fact = "money"
    is_below_thresholds = True
    is_of_cost = True
    is_reached_by_reductions = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "spend", rule.tariff

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.spend_minor(rule.tariff)
