"""``remaining_bytes``: only so many bytes of a bucket are left."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.fields import Natural
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.entry import BucketEntry


class RemainingBytesEntry(BucketEntry, frozen=True, tag="remaining_bytes", kw_only=True):
    thresholds: Annotated[tuple[Natural, ...], Meta(min_length=1)]


class RemainingBytes(BucketRuleKind):
    entry = RemainingBytesEntry
    says = "what is left of a bucket fell to a number of bytes"
    brief = "last megabytes"
    thresholds_are = "bytes left of a bucket"
    unit = "bytes"
    level_words = "{1} left"
    counts_down = True

    def used_level(self, value: int, granted_bytes: int) -> int:
        return granted_bytes - value


KIND = RemainingBytes()
