"""``before_cycle_end``: some bytes will soon be lost, because they end with the billing cycle."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.fields import BucketIds, EndingKinds
from streamproc.core.rules.kinds.entry import ClockedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind, about


class BeforeCycleEndEntry(ClockedEntry, frozen=True, tag="before_cycle_end", kw_only=True):
    # The cycle ends at midnight, so "one day before" is its last day. Zero days would be too late.
    days_before: Annotated[int, Meta(ge=1, le=27)]
    buckets: BucketIds | None = None
    bucket_kinds: EndingKinds | None = None


class BeforeCycleEnd(TimedRuleKind):
    entry = BeforeCycleEndEntry
    says = "the billing cycle ends in some days, and something with it"
    brief = "cycle ends soon"
    field_docs = {
        "days_before": "1 to 27",
        "buckets": "of these that end with the cycle, by id",
        "bucket_kinds": "of these kinds: `allowance`, `unlimited`, `rollover`, `pack`, `topup`",
    }
    placeholders = frozenset(("days",))
    shape = Shape.IN_CYCLE
    is_about_losses = True

    def terms(self, entry: BeforeCycleEndEntry) -> dict[str, Any]:
        return {"days_before": entry.days_before, **about(entry)}


KIND = BeforeCycleEnd()
