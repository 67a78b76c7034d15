"""``usage_percent``: a share of a bucket is used."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.fields import Percent
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.entry import BucketEntry


class UsagePercentEntry(BucketEntry, frozen=True, tag="usage_percent", kw_only=True):
    thresholds: Annotated[tuple[Percent, ...], Meta(min_length=1)]


class UsagePercent(BucketRuleKind):
    entry = UsagePercentEntry
    says = "usage of a bucket reached a percentage of its grant"
    brief = "share of quota used"
    thresholds_are = "percent used of a bucket (1 to 100)"
    unit = "percent"
    level_words = "{0} %"
    is_below_thresholds = True
    takes_own_percents = True

    def used_level(self, value: int, granted_bytes: int) -> int:
        # Rounded up: 80 % is not reached one byte too early.
        return -(-granted_bytes * value // 100)


KIND = UsagePercent()
