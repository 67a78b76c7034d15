"""``used_bytes``: a number of bytes of a bucket is used; also for buckets without a limit."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.fields import Count
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.entry import BucketEntry


class UsedBytesEntry(BucketEntry, frozen=True, tag="used_bytes", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]


class UsedBytes(BucketRuleKind):
    entry = UsedBytesEntry
    says = "usage of a bucket reached a number of bytes"
    brief = "bytes of quota used"
    thresholds_are = "bytes used of a bucket"
    unit = "bytes_used"
    level_words = "{1} used"
    is_below_thresholds = True
    is_of_unlimited = True

    def used_level(self, value: int, granted_bytes: int) -> int:
        return value


KIND = UsedBytes()
