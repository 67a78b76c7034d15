"""Which buckets end together with the billing cycle."""

from __future__ import annotations

from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.state.account import Account, Bucket


def ending_with_cycle(account: Account, rule: TimedRule) -> list[Bucket]:
    """The buckets that a rule is about and that end together with the cycle, in their order."""
    return [
        bucket
        for bucket in account.buckets
        if bucket.expires_ms == account.cycle_end_ms and rule.is_about(bucket.kind, bucket.source)
    ]
