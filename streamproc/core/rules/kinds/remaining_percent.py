"""``remaining_percent``: only a share of a bucket is left."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.fields import PercentLeft
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.entry import BucketEntry


class RemainingPercentEntry(BucketEntry, frozen=True, tag="remaining_percent", kw_only=True):
    thresholds: Annotated[tuple[PercentLeft, ...], Meta(min_length=1)]


class RemainingPercent(BucketRuleKind):
    entry = RemainingPercentEntry
    says = "what is left of a bucket fell to a percentage of its grant"
    brief = "share of quota left"
    thresholds_are = "percent left of a bucket (0 to 99)"
    unit = "percent_remaining"
    level_words = "{0} % left"
    counts_down = True

    def used_level(self, value: int, granted_bytes: int) -> int:
        return granted_bytes - granted_bytes * value // 100


KIND = RemainingPercent()
