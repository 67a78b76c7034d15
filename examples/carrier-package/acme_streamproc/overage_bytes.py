"""``overage_bytes``: the cycle's overage has reached a number of bytes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.fields import Count
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class OverageBytesEntry(ReachingEntry, frozen=True, tag="overage_bytes", kw_only=True):
    """What a rule of this kind has in the rules file. The tag is the kind's name."""

    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]


class OverageBytes(WatchRuleKind):
    entry = OverageBytesEntry
    says = "the cycle's overage reached a number of bytes"
    brief = "bytes of overage"
    thresholds_are = "bytes of the cycle's overage"
    unit = "bytes_used"
    level_words = "{1} used"
    fact = "money"  # a group tells it together with what the overage costs
    is_below_thresholds = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "overage", None

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.overage_bytes

    def needs(self, entry: OverageBytesEntry) -> frozenset[Need]:
        return frozenset((Need.OVERAGE,))


KIND = OverageBytes()
