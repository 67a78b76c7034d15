"""Buckets for ordinary usage at home, and the buckets that a text may sum up.

*Home data* are the live buckets that cover usage without a particular rating group, in the home
zone, at every hour of the day. A text about a whole account (a summary, a reply, a welcome) shows
only these. Bytes for films, for a trip or for the night do not help a reader who sees "2 GB left"
and opens a page. A bucket whose allowance or pack is not in the rules any more covers all usage,
here and when it is charged.
"""

from __future__ import annotations

from streamproc.core.rules.placeholders import ENDLESS
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.state.account import UNLIMITED, Bucket, totals

Shown = tuple[int, int, int]
"""Granted, used and remaining bytes as a text shows them. The first and the last are ENDLESS if an
unlimited bucket is among the buckets."""


def home_data_of(buckets: list[Bucket], rules: Rulebook) -> list[Bucket]:
    """The buckets that are home data, in their order."""
    elsewhere = rules.not_home_data
    if not elsewhere:
        return buckets
    return [bucket for bucket in buckets if bucket.source not in elsewhere]


def alike(buckets: list[Bucket], subject: Bucket, rules: Rulebook) -> list[Bucket]:
    """The buckets that cover the same usage as ``subject``."""
    scopes = rules.scopes
    if not scopes or (len(buckets) == 1 and buckets[0] is subject):
        return buckets
    if subject.source not in rules.not_home_data:
        return home_data_of(buckets, rules)
    scope = scopes.get(subject.source, EVERYTHING)
    return [bucket for bucket in buckets if scopes.get(bucket.source, EVERYTHING) == scope]


def is_endless(buckets: list[Bucket]) -> bool:
    """Whether an unlimited bucket is among them."""
    return any(bucket.kind == UNLIMITED for bucket in buckets)


def shown(buckets: list[Bucket]) -> Shown:
    """The sums over buckets that cover the same usage, as a text shows them."""
    granted_bytes, used_bytes, remaining_bytes = totals(buckets)
    if is_endless(buckets):
        return ENDLESS, used_bytes, ENDLESS
    return granted_bytes, used_bytes, remaining_bytes


def percent_used(granted_bytes: int, used_bytes: int) -> int | None:
    """Whole percent, cut off; None if there is no percentage: nothing is granted, or it is
    unlimited."""
    if not granted_bytes or granted_bytes >= ENDLESS:
        return None
    return used_bytes * 100 // granted_bytes
