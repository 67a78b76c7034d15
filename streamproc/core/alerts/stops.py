"""Limits that are in force from the first instant of a contract.

The activation takes nothing away, so it reaches no threshold. But who begins without data must be
told that data is barred or throttled, and why.
"""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts.alarms import Reached
from streamproc.core.alerts.watch_rules import NO_THRESHOLD
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.plan_terms import PolicyCounter
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.usage.policies import limits_in_force

_WHOLE_CAP: Final = 100
"""The percentage of a cost cap at which its policy is in force."""


def edges_of_limits(account: Account, rules: Rulebook) -> list[Reached]:
    """For each limit in force: the rules that tell it."""
    policies = rules.policies.get(account.plan, ())
    if not policies:
        return []
    names = frozenset(one.id for one in policies)
    limits = limits_in_force(account, names, rules)
    return [
        Reached(rule, None, threshold, threshold)
        for rule in rules.watch_rules
        for threshold in _told_by(rule, limits, rules)
    ]


def _told_by(rule: WatchRule, limits: list[PolicyCounter], rules: Rulebook) -> tuple[int, ...]:
    """The threshold at which a rule tells one of the limits, if it tells any."""
    if WATCH_KINDS[rule.kind].tells_limits:
        return NO_THRESHOLD if any(one.id in rule.policies for one in limits) else ()
    is_of_cap = rule.kind == "spend_percent" and rule.cap_minor is None
    if not is_of_cap or _WHOLE_CAP not in rule.thresholds:
        return ()
    is_the_only_one = any(
        one.when == "cost_cap"
        and one.tariff == (rule.tariff or "")
        and not any(one.id in other.policies for other in rules.watch_rules)
        for one in limits
    )
    return (_WHOLE_CAP,) if is_the_only_one else ()
