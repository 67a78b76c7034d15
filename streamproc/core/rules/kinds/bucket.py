"""Kinds of rules about single buckets: thresholds that usage of a bucket reaches."""

from __future__ import annotations

from typing import Any, ClassVar

from streamproc.core.rules.kinds.base import Windows
from streamproc.core.rules.kinds.entry import BucketEntry, policy_of, spoken
from streamproc.core.rules.kinds.reaching import ReachingRuleKind
from streamproc.core.rules.rule import UsageRule


class BucketRuleKind(ReachingRuleKind):
    """A rule of such a kind converts each threshold to a level of used bytes."""

    fact = "level"
    entry: ClassVar[type[BucketEntry]]
    counts_down: ClassVar[bool] = False
    """Whether the smaller threshold is the more urgent one."""
    is_of_unlimited: ClassVar[bool] = False
    """Whether it applies to unlimited buckets, which have no percentage used and no bytes left."""
    takes_own_percents: ClassVar[bool] = False
    """Whether percentages that a subscriber chose replace its thresholds."""

    def used_level(self, value: int, granted_bytes: int) -> int:
        """Used bytes at which a threshold is reached.

        0 or less if it is reached from the start; more than the grant if it can never be reached.
        """
        raise NotImplementedError

    def shifted(self, threshold: int, margin: int) -> int:
        """A threshold moved back by a margin (hysteresis)."""
        return threshold + margin if self.counts_down else threshold - margin

    def urgency(self, threshold: int) -> int:
        """Sort key: if several thresholds are reached at once, the reminder is about the highest
        one."""
        return -threshold if self.counts_down else threshold

    def rule(self, entry: Any, windows: Windows) -> UsageRule:
        return UsageRule(
            entry.id,
            self.name,
            tuple(sorted(entry.thresholds)),
            frozenset(map(str, entry.bucket_kinds)),
            *spoken(entry),
            policy_of(entry),
            None if entry.buckets is None else frozenset(map(str, entry.buckets)),
        )
