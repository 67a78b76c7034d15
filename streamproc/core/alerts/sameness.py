"""Which messages are about the same thing, so that one of them is enough."""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts.message import Entry
from streamproc.core.state.account import Account

_FAMILIES: Final = {
    "usage_percent": "level",
    "remaining_percent": "level",
    "remaining_bytes": "level",
    "used_bytes": "level",
    "zero_balance": "level",
    "spend_amount": "money",
    "spend_percent": "money",
    "overage_started": "money",
}
"""Kinds of rules that tell one fact at different strength; every other kind tells its own."""


def is_same_telling(one: Entry, other: Entry) -> bool:
    """Whether one rule says both of one bucket (or of the account): nobody needs both at once."""
    return (
        one.speaker is other.speaker
        and not one.speaker.is_alone
        and one.rule.id == other.rule.id
        and one.bucket == other.bucket
    )


def are_told_together(one: Entry, other: Entry, account: Account) -> bool:
    """Whether one of two messages to the same recipient is enough; the more urgent one, that is.

    A group merges what is about the same bucket, or both about the whole account. That nothing is
    left in any bucket is also about each that is used up. What regulation demands is not merged
    into something that tells another fact.
    """
    if is_same_telling(one, other):
        return True
    group = one.rule.policy.group
    if not group or other.rule.policy.group != group:
        return False
    if one.speaker.is_alone or other.speaker.is_alone:
        return False
    if one.rule.mandatory and other.rule.mandatory and _family(one) != _family(other):
        return False
    if one.bucket == other.bucket:
        return True
    return _includes(one, other, account) or _includes(other, one, account)


def _family(entry: Entry) -> str:
    return _FAMILIES.get(entry.rule.kind, entry.rule.kind)


def _includes(whole: Entry, part: Entry, account: Account) -> bool:
    """Whether the one says that nothing is left, and the other is about a bucket used up."""
    return whole.rule.kind == "zero_balance" and any(
        bucket.id == part.bucket and not bucket.remaining_bytes for bucket in account.buckets
    )
