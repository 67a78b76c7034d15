"""Which policies of the plan bar or throttle data, as a customer would see it."""

from __future__ import annotations

from typing import Any

from streamproc.core.rules.plan_terms import PolicyCounter
from streamproc.core.rules.scope import EVERYTHING, Scope
from streamproc.lab.oracle.buckets import Bucket, remaining
from tests.support.truth.account import PLAN_KINDS, Snapshot


def limits_of(state: Snapshot | None) -> dict[str, PolicyCounter]:
    """The policies in force, by id; not those of members' caps."""
    plan = None if state is None or state.closed else state.rules.plans.get(state.plan)
    if state is None or plan is None:
        return {}
    terms = [one for one in plan.policies if one.when != "member_cap"]
    return {one.id: one for one in terms if is_in_force(state, one)}


def is_capped(state: Snapshot, tariff: str) -> bool:
    """Whether a tariff has cost as much as its cap allows."""
    cap = state.cap_minor.get(tariff)
    return cap is not None and state.spent_minor.get(tariff, 0) >= cap


def is_in_force(state: Snapshot, policy: PolicyCounter) -> bool:
    """Whether a policy stops or slows down data."""
    if policy.when == "cost_cap":
        return is_capped(state, policy.tariff)
    if policy.when == "nothing_left":
        return not state.covering(policy.scope)
    # Fair use: bytes that were bought come first.
    bought = [one for one in state.live if one["kind"] not in PLAN_KINDS and remaining(one)]
    if any(state.scope(one) in (EVERYTHING, policy.scope) for one in bought):
        return False
    own = [one for one in (*state.live, *state.over) if one["kind"] in PLAN_KINDS]
    used: int = sum(one["used"] for one in own if _counts_for(policy, one, state))
    if policy.scope == EVERYTHING:
        used += state.overage_bytes
    return used >= policy.after_bytes


def _counts_for(policy: PolicyCounter, bucket: Bucket, state: Snapshot) -> bool:
    return policy.scope in (EVERYTHING, state.scope(bucket))


def usage_of(policy: PolicyCounter, state: Snapshot) -> Scope:
    """The usage that a policy stops or slows down."""
    plan: Any = state.rules.plans.get(state.plan)
    if policy.when != "cost_cap":
        return policy.scope
    return next((one.scope for one in plan.all_tariffs if one.id == policy.tariff), EVERYTHING)
