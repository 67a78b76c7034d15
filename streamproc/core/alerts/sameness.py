"""Which messages are about the same thing, so that one of them is enough."""

from __future__ import annotations

from collections.abc import Container

from streamproc.core.alerts.message import Candidate
from streamproc.core.rules.account_rules import WHOLE_CAP_PERCENT, ResolvedRule, WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS, kind_of
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken, urgency
from streamproc.core.state.account import Account
from streamproc.core.usage.costs import is_home_data_left
from streamproc.core.usage.policies import is_limited_by, limits_in_force
from streamproc.core.usage.tariffs import is_capped


def is_same_telling(one: Candidate, other: Candidate) -> bool:
    """Whether both are of one rule about one bucket (or about the account): one of them is
    enough."""
    return (
        one.speaker is other.speaker
        and not one.speaker.is_alone
        and one.rule.id == other.rule.id
        and one.bucket == other.bucket
    )


def are_told_together(one: Candidate, other: Candidate, account: Account, rules: Rulebook) -> bool:
    """Whether one of two messages to the same recipient is enough: the more urgent one.

    A group merges messages about the same bucket, or messages about the whole account. A message
    "nothing is left in any bucket" is also about each bucket that is used up; so is a message about
    the price of the next usage, or that data has stopped. A message that regulation requires is not
    merged into one that reports another fact.
    """
    if is_same_telling(one, other):
        return True
    group = one.rule.policy.group
    if not group or other.rule.policy.group != group:
        return False
    if one.speaker.is_alone or other.speaker.is_alone:
        return False
    if _tells_price_of(one, other, account, rules) or _tells_price_of(other, one, account, rules):
        return True
    if one.rule.mandatory and other.rule.mandatory and _family(one) != _family(other):
        return False
    if _loses_stop(one, other) or _loses_stop(other, one):
        return False
    if _loses_restart(one, other, rules) or _loses_restart(other, one, rules):
        return False
    if one.bucket == other.bucket:
        return True
    return any(
        _includes(whole, part, account) or _stops(whole, part, account, rules)
        for whole, part in ((one, other), (other, one))
    )


def _family(entry: Candidate) -> str:
    """The fact that a message reports, at any strength. A kind without a fact is a fact of
    its own."""
    kind = kind_of(entry.rule.kind)
    return (kind.fact if kind else "") or entry.rule.kind


def _includes(whole: Candidate, part: Candidate, account: Account) -> bool:
    """Whether one says that nothing is left, and the other is about a bucket that is used up."""
    rule = whole.rule
    return (
        isinstance(rule, WatchRule)
        and WATCH_KINDS[rule.kind].tells_all_used_up
        and _is_used_up(part, account)
    )


def _tells_price_of(price: Candidate, part: Candidate, account: Account, rules: Rulebook) -> bool:
    """Whether one reports that home data is used up and what more costs, and the other is about
    home data that is used up.

    Only the price message contains the price, so it must be the one that is sent: the more urgent
    one.
    """
    rule = price.rule
    return (
        isinstance(rule, WatchRule)
        and WATCH_KINDS[rule.kind].tells_price
        and not rule.tariff
        and urgency(rule) < urgency(part.rule)
        and not is_home_data_left(account, rules)
        and _is_used_up(part, account, rules.not_home_data)
    )


def _stops(stop: Candidate, part: Candidate, account: Account, rules: Rulebook) -> bool:
    """Whether one reports that data has stopped, and the other is about a bucket whose end led to
    that.

    Only the first says it, so it must be the one that is sent: the more urgent one.
    """
    rule = stop.rule
    if not isinstance(rule, WatchRule) or urgency(rule) >= urgency(part.rule):
        return False
    is_at_cap = rule.kind == "spend_percent" and rule.tariff == "" and is_capped(account, rules, "")
    limits = limits_in_force(account, rule.policies, rules)
    if is_at_cap or any(one.when == "cost_cap" and not one.tariff for one in limits):
        # Home data is used up, and the limit of what more may cost is reached, too.
        return not is_home_data_left(account, rules) and _is_used_up(
            part, account, rules.not_home_data
        )
    return any(
        bucket.id == part.bucket
        and not bucket.remaining_bytes
        and any(is_limited_by(bucket, one, rules) for one in limits)
        for bucket in account.buckets
    )


def _loses_stop(stop: Candidate, other: Candidate) -> bool:
    """Whether one reports that data is barred or throttled, and the other, which would be sent in
    its place, reports something else."""
    kind = WATCH_KINDS.get(stop.rule.kind)
    if kind is None or not kind.tells_limits or urgency(other.rule) > urgency(stop.rule):
        return False
    return not _tells_stop(other.rule, other.waiting.mark.threshold)


def _loses_restart(restart: Candidate, other: Candidate, rules: Rulebook) -> bool:
    """Whether one reports that data works again, and the other, which would be sent in its place,
    says nothing about that: neither that data works, or its price, nor that data has stopped."""
    if not _tells_restart(restart, rules) or urgency(other.rule) > urgency(restart.rule):
        return False
    kind = WATCH_KINDS.get(other.rule.kind)
    return not (
        _tells_restart(other, rules)
        or _tells_stop(other.rule, other.waiting.mark.threshold)
        or (kind is not None and kind.tells_price)
    )


def _tells_restart(entry: Candidate, rules: Rulebook) -> bool:
    """Whether a message reports the end of a limit."""
    mark = entry.waiting.mark
    over = rules.rules_by_id.get(mark.detail)
    return (
        isinstance(entry.rule, ResolvedRule)
        and over is not None
        and _tells_stop(over, mark.threshold)
    )


def _tells_stop(rule: Spoken, threshold: int) -> bool:
    """Whether a rule reports at a threshold that data is barred or throttled."""
    if not isinstance(rule, WatchRule):
        return False
    is_whole_cap = rule.is_of_plan_cap and threshold >= WHOLE_CAP_PERCENT
    return WATCH_KINDS[rule.kind].tells_limits or is_whole_cap


def _is_used_up(part: Candidate, account: Account, but_of: Container[str] = ()) -> bool:
    """Whether nothing is left in the bucket that a message is about; sources in ``but_of`` do not
    count."""
    return any(
        bucket.id == part.bucket and not bucket.remaining_bytes and bucket.source not in but_of
        for bucket in account.buckets
    )
