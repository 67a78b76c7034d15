"""``zero_balance``: no bytes are left in any bucket."""

from __future__ import annotations

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WithoutThresholds


class ZeroBalanceEntry(ReachingEntry, frozen=True, tag="zero_balance", kw_only=True):
    pass


class ZeroBalance(WithoutThresholds):
    """The figure is minus the bytes that are left. It rises to 0."""

    entry = ZeroBalanceEntry
    says = "no bucket has anything left"
    brief = "nothing left"
    fact = "level"
    is_of_cycle = False
    is_reached_by_ends = True
    is_reached_by_reductions = True
    tells_all_used_up = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "left", None

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return -figures.left_bytes

    def level(self, rule: WatchRule, threshold: int, margin: int, figures: Figures) -> int | None:
        return -margin

    def needs(self, entry: ZeroBalanceEntry) -> frozenset[Need]:
        return frozenset((Need.LIMIT,))


KIND = ZeroBalance()
