"""Policies that stop or slow down data without any message."""

from __future__ import annotations

from streamproc.contracts.rules_file.format.plans import PolicyEntry
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.rules.account_rules import WHOLE_CAP_PERCENT
from streamproc.core.rules.kinds.access_limited import AccessLimitedEntry
from streamproc.core.rules.kinds.entry import BucketEntry
from streamproc.core.rules.kinds.spend_percent import SpendPercentEntry
from streamproc.core.usage.pools import MEMBER


def limit_untold(subject: Subject) -> Warned:
    """A policy that no rule tells, so that data stops or slows down in silence."""
    for number, plan in enumerate(subject.file.plans):
        for place, policy in enumerate(plan.policies):
            if not _is_told(policy, subject):
                words = "stops" if policy.state == "barred" else "slows down"
                hint = (
                    "a usage_percent rule with bucket_kinds [member]"
                    if policy.when == "member_cap"
                    else f"a rule of kind access_limited with policies [{policy.id}]"
                )
                yield (
                    ("plans", number, "policies", place),
                    f"no rule tells a subscriber that {policy.id} {words} data: {hint} would",
                )


def _is_told(policy: PolicyEntry, subject: Subject) -> bool:
    if policy.when == "member_cap":
        return any(
            MEMBER in rule.bucket_kinds and rule.buckets is None
            for _, rule in subject.rules(BucketEntry)
        )
    if any(policy.id in rule.policies for _, rule in subject.rules(AccessLimitedEntry)):
        return True
    return policy.when == "cost_cap" and any(
        WHOLE_CAP_PERCENT in rule.thresholds
        and rule.cap_minor is None
        and rule.tariff == policy.tariff
        for _, rule in subject.rules(SpendPercentEntry)
    )
