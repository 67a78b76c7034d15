"""``every_bytes``: a further step of the cycle's overage, or of its usage, is used."""

from __future__ import annotations

from typing import Any, Literal

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.fields import Count
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class EveryBytesEntry(RuleEntry, frozen=True, tag="every_bytes", kw_only=True):
    step_bytes: Count
    of: Literal["usage", "overage"] = "overage"


class EveryBytes(WatchRuleKind):
    """The one threshold of a rule is the step. Its reminders are about multiples of the step."""

    entry = EveryBytesEntry
    says = "a further step of usage or overage was reached"
    brief = "a further step used"
    field_docs = {
        "step_bytes": "each further step fires; of several at once the last",
        "of": "of `overage`, or of the cycle's `usage`",
    }
    unit = "bytes_used"
    level_words = "{1} used"
    can_be_over = False

    def figure(self, rule: WatchRule) -> FigureName:
        return "overage" if rule.of == "overage" else "used", None

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.overage_bytes if rule.of == "overage" else figures.used_bytes

    def reached(
        self,
        rule: WatchRule,
        thresholds: tuple[int, ...],
        before: int,
        after: int,
        figures: Figures,
    ) -> list[int]:
        step = thresholds[0] if thresholds else 0
        if step <= 0 or after // step <= before // step:
            return []
        return [after // step * step]

    def has_threshold(self, known: tuple[int, ...], threshold: int) -> bool:
        return threshold > 0 and not threshold % known[0]

    def needs(self, entry: EveryBytesEntry) -> frozenset[Need]:
        return frozenset((Need.OVERAGE,)) if entry.of == "overage" else frozenset()

    def thresholds_of(self, entry: EveryBytesEntry) -> tuple[int, ...]:
        return (entry.step_bytes,)

    def terms(self, entry: EveryBytesEntry) -> dict[str, Any]:
        return {"of": entry.of}


KIND = EveryBytes()
