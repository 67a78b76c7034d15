"""Kinds of rules about single buckets: thresholds that usage of a bucket reaches."""

from __future__ import annotations

from typing import Any, ClassVar

from streamproc.core.rules.kinds.base import Windows
from streamproc.core.rules.kinds.entry import BucketEntry, policy_of, spoken
from streamproc.core.rules.kinds.reaching import ReachingRuleKind
from streamproc.core.rules.rule import UsageRule


class BucketRuleKind(ReachingRuleKind):
    """A kind is told by the used bytes at which its thresholds are reached."""

    fact = "level"
    entry: ClassVar[type[BucketEntry]]
    counts_down: ClassVar[bool] = False
    """Whether the smaller threshold is the more urgent one."""
    is_of_unlimited: ClassVar[bool] = False
    """Whether it has a meaning for unlimited buckets, of which there is no share and no rest."""
    takes_own_percents: ClassVar[bool] = False
    """Whether percentages that a subscriber chose take the place of its thresholds."""

    def used_level(self, value: int, granted_bytes: int) -> int:
        """Used bytes at which a threshold is reached.

        0 or less if it holds from the start, more than is granted if it is never reached.
        """
        raise NotImplementedError

    def shifted(self, threshold: int, margin: int) -> int:
        """A threshold so much less far (hysteresis)."""
        return threshold + margin if self.counts_down else threshold - margin

    def urgency(self, threshold: int) -> int:
        """Of several thresholds the highest of these is told."""
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
