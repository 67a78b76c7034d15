"""Limits that are in force although the subscriber has just got a contract, more data or a plan.

Such an event takes nothing away, so it reaches no threshold. But who begins without data, or pays
for data that a limit keeps from being used, must get a message that data is barred or throttled.
"""

from __future__ import annotations

from streamproc.core.alerts.remembered_thresholds import Reached
from streamproc.core.alerts.watch_rules import NO_THRESHOLD
from streamproc.core.rules.account_rules import WHOLE_CAP_PERCENT, WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.plan_terms import PolicyCounter
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import ACTIVE, Account
from streamproc.core.state.events import PlanChanged, SubscriberEvent, ToppedUp
from streamproc.core.usage.policies import limits_in_force
from streamproc.core.usage.tariffs import tariff_called


class LimitsBefore:
    """The limits in force before a purchase, and the count of grants then."""

    __slots__ = ("edges", "grants")

    def __init__(self, account: Account, event: SubscriberEvent, rules: Rulebook) -> None:
        self.grants = account.grants
        self.edges = []
        if account.status == ACTIVE and isinstance(event, PlanChanged | ToppedUp):
            self.edges = edges_of_limits(account, rules, _scope_of(event, rules))

    def edges_still(
        self, account: Account, event: SubscriberEvent, rules: Rulebook
    ) -> list[Reached]:
        """What fires again, because the purchase left it in force."""
        # A refused purchase, or a change that waits for the next cycle, grants nothing.
        if not self.edges or account.grants == self.grants or account.status != ACTIVE:
            return []
        before = {one.rule.id for one in self.edges}
        now = edges_of_limits(account, rules, _scope_of(event, rules))
        return [one for one in now if one.rule.id in before]


class BeforeCycle:
    """The limits in force before the end of a cycle, and whether the next one has another plan."""

    __slots__ = ("edges", "is_end", "is_ordered")

    def __init__(self, account: Account, end_ms: int, rules: Rulebook) -> None:
        self.is_end = end_ms >= account.cycle_end_ms
        self.is_ordered = bool(account.next_plan)
        self.edges = edges_of_limits(account, rules) if self.is_end else []

    def edges_of_cycle(
        self, account: Account, known: list[Reached], rules: Rulebook
    ) -> tuple[list[Reached], list[Reached]]:
        """The limits that begin with the new cycle, beside what is ``known`` to fire; and those
        that fire again because its plan is another one.

        A cap of 0 begins with the plan, or when consent for one cycle is over.
        """
        if not self.is_end:
            return [], []
        now = edges_of_limits(account, rules)
        before = {one.rule.id for one in self.edges}
        fired = before | {one.rule.id for one in known}
        return (
            [one for one in now if one.rule.id not in fired],
            [one for one in now if one.rule.id in before and self.is_ordered],
        )


def edges_of_limits(account: Account, rules: Rulebook, scope: Scope = EVERYTHING) -> list[Reached]:
    """For each limit in force that some usage of a scope meets: the rules that tell it."""
    policies = rules.policies.get(account.plan, ())
    if not policies:
        return []
    names = frozenset(one.id for one in policies)
    limits = [
        one
        for one in limits_in_force(account, names, rules)
        if _limited_by(one, account, rules).overlaps(scope)
    ]
    return [
        Reached(rule, None, threshold, threshold)
        for rule in rules.watch_rules
        for threshold in _told_by(rule, limits, rules)
    ]


def _told_by(rule: WatchRule, limits: list[PolicyCounter], rules: Rulebook) -> tuple[int, ...]:
    """The threshold at which a rule tells one of the limits, if it tells any."""
    if WATCH_KINDS[rule.kind].tells_limits:
        return NO_THRESHOLD if any(one.id in rule.policies for one in limits) else ()
    if not rule.is_of_plan_cap or WHOLE_CAP_PERCENT not in rule.thresholds:
        return ()
    is_the_only_one = any(
        one.when == "cost_cap"
        and one.tariff == rule.tariff
        and not any(
            WATCH_KINDS[other.kind].tells_limits and one.id in other.policies
            for other in rules.watch_rules
        )
        for one in limits
    )
    return (WHOLE_CAP_PERCENT,) if is_the_only_one else ()


def _limited_by(policy: PolicyCounter, account: Account, rules: Rulebook) -> Scope:
    """The usage that a policy is about."""
    if policy.when != "cost_cap":
        return policy.scope
    tariff = tariff_called(account, policy.tariff, rules)
    return tariff.scope if tariff is not None else EVERYTHING


def _scope_of(event: SubscriberEvent, rules: Rulebook) -> Scope:
    """The usage that a purchase can cover."""
    pack = event.pack if isinstance(event, ToppedUp) else None
    return rules.scopes.get(pack, EVERYTHING) if isinstance(pack, str) else EVERYTHING
