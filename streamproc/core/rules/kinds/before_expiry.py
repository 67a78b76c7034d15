"""``before_expiry``: a pack, top-up or roll-over ends in some days."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.fields import BucketIds, ExpiringKinds
from streamproc.core.rules.kinds.entry import ClockedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind, about

OF_ENDS = {
    "buckets": "of these packs and (rolled over) allowances, by id",
    "bucket_kinds": "of these kinds: `pack`, `topup`, `rollover`",
}


class BeforeExpiryEntry(ClockedEntry, frozen=True, tag="before_expiry", kw_only=True):
    days_before: Annotated[int, Meta(ge=0, le=365)]
    buckets: BucketIds | None = None
    bucket_kinds: ExpiringKinds | None = None


class BeforeExpiry(TimedRuleKind):
    entry = BeforeExpiryEntry
    says = "a pack, top-up or roll-over with something left ends in some days"
    brief = "pack expires soon"
    field_docs = {"days_before": "0 to 365", **OF_ENDS}
    placeholders = frozenset(("days",))
    shape = Shape.AT_ENDS

    def terms(self, entry: BeforeExpiryEntry) -> dict[str, Any]:
        return {"days_before": entry.days_before, **about(entry)}


KIND = BeforeExpiry()
