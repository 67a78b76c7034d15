"""What a policy system is told: derived from the account's state, told when it changes.

Whether a counter is throttled or barred follows from the account and the rules alone; the account
keeps only what was told last. So it is told once per change, whatever caused it (usage, a top-up,
consent, a refund, time, other rules), and never twice in a row the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from msgspec import UNSET

from streamproc.core.effects import Cause, Effect, PolicyChanged
from streamproc.core.instants import coarse_from_ms, from_ms
from streamproc.core.model import (
    ACTIVE,
    PLAN_KINDS,
    UNLIMITED,
    Account,
    Bucket,
    quota_of,
    tidy,
)
from streamproc.core.quota.catalogue import PolicyCounter
from streamproc.core.quota.tariffs import is_capped, spend_minor
from streamproc.core.rulebook import EVERYTHING, Rulebook, Scope

_BETWEEN = " "
"""Between the parts of a key and of what was told: none of them contains a space."""


def policy_changes(
    account: Account, subscriber: str, at_ms: int, cause: Cause, rules: Rulebook
) -> list[Effect]:
    """What the policy system must be told now; the account keeps that it was."""
    policies = rules.policies.get(account.plan, ())
    quota = account.extra.quota if account.extra else None
    if not policies and (quota is None or not quota.told):
        return []
    wanted = dict(_active(account, policies, rules)) if account.status == ACTIVE else {}
    told = quota.told if quota else {}
    out: list[Effect] = []
    for key, was in list(told.items()):
        if key not in wanted:
            state, reason, _ = was.split(_BETWEEN)
            del quota_of(account).told[key]
            out.append(
                _change(account, subscriber, key, "restored", reason, "", at_ms, cause, rules)
            )
    for key, now in wanted.items():
        if told.get(key) != now:
            state, reason, kbps = now.split(_BETWEEN)
            quota_of(account).told[key] = now
            out.append(_change(account, subscriber, key, state, reason, kbps, at_ms, cause, rules))
    if out:
        tidy(account)
    return out


def _active(
    account: Account, policies: tuple[PolicyCounter, ...], rules: Rulebook
) -> Iterator[tuple[str, str]]:
    """Key and state of every counter that is not as usual."""
    for policy in policies:
        kbps = "" if policy.throttle_kbps is None else str(policy.throttle_kbps)
        now = _BETWEEN.join((policy.state, policy.when, kbps))
        if policy.when == "member_cap":
            quota = account.extra.quota if account.extra else None
            for name, member in quota.members.items() if quota else ():
                if member.cap_bytes is not None and member.used_bytes >= member.cap_bytes:
                    yield f"{policy.id}{_BETWEEN}{name}", now
        elif _is_active(account, policy, rules):
            yield policy.id, now


def _is_active(account: Account, policy: PolicyCounter, rules: Rulebook) -> bool:
    if policy.when == "cost_cap":
        return is_capped(account, rules, policy.tariff)
    if policy.when == "nothing_left":
        return not any(
            _is_about(bucket, policy.scope, rules, exactly=False)
            and (bucket.kind == UNLIMITED or bucket.remaining_bytes > 0)
            for bucket in account.buckets
        )
    used = account.overage_bytes if policy.scope == EVERYTHING else 0
    for bucket in (*account.ended, *account.buckets):
        if bucket.kind in PLAN_KINDS:
            if policy.scope == EVERYTHING or _is_about(bucket, policy.scope, rules, exactly=True):
                used += bucket.used_bytes
        elif bucket.remaining_bytes > 0 and _is_about(bucket, policy.scope, rules, exactly=False):
            return False
    return used >= policy.after_bytes


def _is_about(bucket: Bucket, scope: Scope, rules: Rulebook, *, exactly: bool) -> bool:
    """Whether a bucket covers just what a policy does, or (not ``exactly``) all usage.

    What is limited to other hours, zones or groups than the policy does not count as left.
    """
    own = rules.scopes.get(bucket.source, EVERYTHING)
    return own == scope or (own == EVERYTHING and not exactly)


def _change(  # every argument is a different fact of the message
    account: Account,
    subscriber: str,
    key: str,
    state: str,
    reason: str,
    kbps: str,
    at_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> PolicyChanged:
    quota = quota_of(account)
    quota.policy_number += 1
    counter, _, member = key.partition(_BETWEEN)
    # The activation is in it: who returns after having been forgotten counts from one again.
    identity = (subscriber, key, str(account.activated_ms), str(quota.policy_number))
    return PolicyChanged(
        id=blake2b("\0".join(identity).encode(), digest_size=16).hexdigest(),
        subscriber=subscriber,
        number=quota.policy_number,
        counter=counter,
        state=state,
        reason=reason,
        time=from_ms(at_ms),
        cycle_start=coarse_from_ms(account.cycle_start_ms),
        cycle_end=coarse_from_ms(account.cycle_end_ms),
        overage_bytes=account.overage_bytes,
        spend_minor=spend_minor(account, rules),
        currency=rules.currency,
        cause=cause,
        member=member or UNSET,
        throttle_kbps=int(kbps) if kbps else UNSET,
    )
