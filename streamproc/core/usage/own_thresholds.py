"""A subscriber's own thresholds, which replace those of the rules."""

from __future__ import annotations

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import BUCKET_KINDS
from streamproc.core.rules.rulebook import (
    OwnThresholds,
    Rulebook,
    UsageRule,
    chosen_thresholds,
)
from streamproc.core.state.account import Account


def own_of(account: Account, rules: Rulebook) -> OwnThresholds:
    """Own thresholds by rule of buckets. A subscriber's percentages apply to every rule in percent
    used."""
    extra = account.extra
    if extra is None or not (extra.own_percents or extra.own_thresholds):
        return ()
    found: dict[str, tuple[int, ...]] = {}
    for rule in rules.usage_rules:
        if rule.id in extra.own_thresholds:
            found[rule.id] = tuple(extra.own_thresholds[rule.id])
        elif extra.own_percents and BUCKET_KINDS[rule.kind].takes_own_percents:
            found[rule.id] = tuple(extra.own_percents)
    return tuple(found.items())


def thresholds_of(
    account: Account, rule: UsageRule | WatchRule, rules: Rulebook
) -> tuple[int, ...]:
    """The thresholds of a rule that are in force for a subscriber."""
    extra = account.extra
    if extra is None or not (extra.own_percents or extra.own_thresholds):
        return rule.thresholds
    if isinstance(rule, UsageRule):
        return chosen_thresholds(rule, dict(own_of(account, rules)).get(rule.id))
    own = extra.own_thresholds.get(rule.id)
    return chosen_thresholds(rule, None if own is None else tuple(own))
