"""``spend_amount``: the overage of the cycle costs a given amount."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.fields import Count, Id
from streamproc.core.rules.kinds.base import MINOR_UNITS, Need
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.spend import TARIFF_OF_SPEND, SpendKind


class SpendAmountEntry(ReachingEntry, frozen=True, tag="spend_amount", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    tariff: Id | None = None


class SpendAmount(SpendKind):
    entry = SpendAmountEntry
    says = "the cycle's overage cost a sum of money"
    brief = "money spent"
    field_docs = {"tariff": TARIFF_OF_SPEND}
    thresholds_are = "cost of the cycle's overage, in minor units"
    unit = MINOR_UNITS
    level_words = "{0} minor units spent"

    def needs(self, entry: SpendAmountEntry) -> frozenset[Need]:
        return frozenset((Need.PRICE, Need.OVERAGE))

    def terms(self, entry: SpendAmountEntry) -> dict[str, Any]:
        return {"tariff": entry.tariff}


KIND = SpendAmount()
