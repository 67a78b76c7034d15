"""``spend_percent``: the overage of the cycle costs a given share of a cap.

The cap is the rule's own, or the cap of a tariff as long as that is in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.as_written import Problem, entries, has_cap
from streamproc.core.rules.fields import Count, Id, MuchPercent
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.spend import TARIFF_OF_SPEND, SpendKind


class SpendPercentEntry(ReachingEntry, frozen=True, tag="spend_percent", kw_only=True):
    thresholds: Annotated[tuple[MuchPercent, ...], Meta(min_length=1)]
    cap_minor: Count | None = None
    tariff: Id | None = None


class SpendPercent(SpendKind):
    entry = SpendPercentEntry
    says = "the cycle's overage cost a percentage of a cap"
    brief = "share of a cost cap spent"
    field_docs = {
        "cap_minor": "the cap; default: the `cost_cap_minor` of `tariff` (or of the plan's own "
        "prices), while it is in force",
        "tariff": TARIFF_OF_SPEND,
    }
    thresholds_are = "cost of the cycle's overage, in percent of a cap"
    unit = "percent_of_cap"
    level_words = "{0} % of the cap spent"
    placeholders = frozenset(("threshold", "cap"))

    def level(self, rule: WatchRule, threshold: int, margin: int, figures: Figures) -> int | None:
        cap = rule.cap_minor
        if cap is None:
            cap = figures.cap_minor(rule.tariff or "")
        return None if cap is None else -(-cap * max(threshold - margin, 1) // 100)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        plans = [plan for _, plan in entries(file, "plans")]
        tariffs = [one for plan in plans for _, one in entries(plan, "tariffs")]
        capped = {one.get("id") for one in tariffs if has_cap(one)}
        capped |= {None for plan in plans if has_cap(plan)}
        tariff = rule.get("tariff")
        is_known = not isinstance(tariff, str) or tariff in {one.get("id") for one in tariffs}
        if is_known and rule.get("cap_minor") is None and tariff not in capped:
            of = "of its own" if tariff is None else f"for tariff {tariff!r}"
            yield ("cap_minor",), f"is missing, and no plan has a cost_cap_minor {of}"

    def needs(self, entry: SpendPercentEntry) -> frozenset[Need]:
        is_of_plan = entry.tariff is None and entry.cap_minor is None
        return frozenset((Need.PRICE_UNDER_CAP if is_of_plan else Need.PRICE, Need.OVERAGE))

    def terms(self, entry: SpendPercentEntry) -> dict[str, Any]:
        tariff = entry.tariff
        if entry.cap_minor is None:
            tariff = tariff or ""  # a percentage of the plan's own cap counts the plan's own tariff
        return {"cap_minor": entry.cap_minor, "tariff": tariff}


KIND = SpendPercent()
