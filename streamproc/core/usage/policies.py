"""Messages to the policy system: derived from the account's state, sent when it changes.

Account and rules alone decide whether a counter is throttled or barred; the account keeps only the
state that was sent last. So each change is sent once, whatever caused it (usage, a top-up, consent,
a refund, time, other rules), and the same state is never sent twice in a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from streamproc.core.instants import coarse_from_ms, from_ms
from streamproc.core.rules.plan_terms import PolicyCounter
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook, Scope
from streamproc.core.state.account import (
    ACTIVE,
    ALLOWANCE,
    PLAN_KINDS,
    UNLIMITED,
    Account,
    Bucket,
    drop_empty_rare_state,
    quota_of,
)
from streamproc.core.state.effects import Effect, PolicyChanged, record_id
from streamproc.core.state.moment import Moment
from streamproc.core.usage.tariffs import is_capped, spend_minor

_BETWEEN = " "
"""Separator in keys and in sent states: none of their parts contains a space."""


_NOTHING_TOLD: Final[dict[str, str]] = {}


def policies_differ(account: Account, rules: Rulebook) -> bool:
    """Whether anything must be sent to the policy system. This is called for each usage event."""
    policies = rules.policies.get(account.plan)
    quota = account.quota
    told = quota.told if quota is not None else _NOTHING_TOLD
    if policies is None:
        return bool(told)
    return dict(_active(account, policies, rules)) != told


def bars_of(account: Account, rules: Rulebook) -> list[PolicyCounter]:
    """The counters that bar data now because nothing is left."""
    return [
        policy
        for policy in rules.policies.get(account.plan, ())
        if policy.when == "nothing_left"
        and policy.state == "barred"
        and _is_active(account, policy, rules)
    ]


def limits_in_force(
    account: Account, names: frozenset[str], rules: Rulebook
) -> list[PolicyCounter]:
    """The counters of the plan with these ids that bar or throttle data now; not those of members'
    caps."""
    return [
        policy
        for policy in rules.policies.get(account.plan, ())
        if policy.id in names and policy.when != "member_cap" and _is_active(account, policy, rules)
    ]


def is_limited_by(bucket: Bucket, policy: PolicyCounter, rules: Rulebook) -> bool:
    """Whether a counter waits until nothing is left in buckets like this one."""
    return policy.when == "nothing_left" and _is_about(bucket, policy.scope, rules, exactly=False)


def is_emptied(bucket: Bucket, bars: list[PolicyCounter], rules: Rulebook) -> bool:
    """Whether a bucket is an allowance with nothing left that one of these counters is about."""
    return (
        bucket.kind == ALLOWANCE
        and not bucket.remaining_bytes
        and any(_is_about(bucket, policy.scope, rules, exactly=False) for policy in bars)
    )


def policy_changes(moment: Moment) -> list[Effect]:
    """The records for the policy system that are due now. The account remembers them as sent."""
    account, rules = moment.account, moment.rules
    policies = rules.policies.get(account.plan, ())
    quota = account.quota
    if not policies and (quota is None or not quota.told):
        return []
    wanted = dict(_active(account, policies, rules)) if account.status == ACTIVE else {}
    told = quota.told if quota else {}
    out: list[Effect] = []
    for key, was in list(told.items()):
        if key not in wanted:
            state, reason, _ = was.split(_BETWEEN)
            del quota_of(account).told[key]
            out.append(_change(moment, key, "restored", reason, ""))
    for key, now in wanted.items():
        if told.get(key) != now:
            state, reason, kbps = now.split(_BETWEEN)
            quota_of(account).told[key] = now
            out.append(_change(moment, key, state, reason, kbps))
    if out:
        drop_empty_rare_state(account)
    return out


def _active(
    account: Account, policies: tuple[PolicyCounter, ...], rules: Rulebook
) -> Iterator[tuple[str, str]]:
    """Key and state of every counter that is throttled or barred."""
    for policy in policies:
        if policy.when == "member_cap":
            quota = account.quota
            if quota is not None:
                for name, member in quota.members.items():
                    cap = member.cap_bytes
                    if cap is not None and member.used_bytes >= cap:
                        yield f"{policy.id}{_BETWEEN}{name}", _now(policy)
        elif _is_active(account, policy, rules):
            yield policy.id, _now(policy)


def _now(policy: PolicyCounter) -> str:
    kbps = "" if policy.throttle_kbps is None else str(policy.throttle_kbps)
    return _BETWEEN.join((policy.state, policy.when, kbps))


def _is_active(account: Account, policy: PolicyCounter, rules: Rulebook) -> bool:
    if policy.when == "cost_cap":
        if not account.overage_bytes and account.extra is None:
            return policy.tariff in rules.free_caps.get(account.plan, ())
        return is_capped(account, rules, policy.tariff)
    if policy.when == "nothing_left":
        return not any(
            _is_about(bucket, policy.scope, rules, exactly=False)
            and (bucket.kind == UNLIMITED or bucket.remaining_bytes > 0)
            for bucket in account.buckets
        )
    is_general = policy.scope == EVERYTHING
    used = account.overage_bytes if is_general else 0
    for buckets in (account.buckets, account.ended):
        for bucket in buckets:
            if bucket.kind in PLAN_KINDS and (
                is_general or _is_about(bucket, policy.scope, rules, exactly=True)
            ):
                used += bucket.used_bytes
    if used < policy.after_bytes:
        return False
    return not any(
        bucket.kind not in PLAN_KINDS
        and bucket.remaining_bytes > 0
        and _is_about(bucket, policy.scope, rules, exactly=False)
        for bucket in account.buckets
    )


def _is_about(bucket: Bucket, scope: Scope, rules: Rulebook, *, exactly: bool) -> bool:
    """Whether a bucket covers exactly the usage of a policy, or (not ``exactly``) all usage.

    A bucket that is limited to other hours, zones or groups than the policy does not count.
    """
    own = rules.scopes.get(bucket.source, EVERYTHING)
    return own == scope or (own == EVERYTHING and not exactly)


def _change(moment: Moment, key: str, state: str, reason: str, kbps: str) -> PolicyChanged:
    account, subscriber, rules, now_ms, cause = moment
    quota = quota_of(account)
    quota.policy_number += 1
    counter, _, member = key.partition(_BETWEEN)
    # The activation is part of it: a subscriber who was forgotten and returns counts
    # from one again.
    return PolicyChanged(
        id=record_id(
            *(rules.id_key, subscriber, key, str(account.activated_ms)), str(quota.policy_number)
        ),
        subscriber=subscriber,
        number=quota.policy_number,
        counter=counter,
        state=state,
        reason=reason,
        time=from_ms(now_ms),
        cycle_start=coarse_from_ms(account.cycle_start_ms),
        cycle_end=coarse_from_ms(account.cycle_end_ms),
        overage_bytes=account.overage_bytes,
        spend_minor=spend_minor(account, rules),
        currency=rules.currency,
        cause=cause,
        member=member or UNSET,
        throttle_kbps=int(kbps) if kbps else UNSET,
    )
