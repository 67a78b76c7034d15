"""Which choices the rules offer to a subscriber, and the present settings.

A choice that no rule serves is not offered: it is neither confirmed nor kept, and help does not
name its keyword. What holds now is asked of whatever applies it, never of the choice alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streamproc.core.rules.kinds import BUCKET_KINDS, TIMED_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.schedule.choices import is_meant_for, timed_rules_of
from streamproc.core.state.account import Account
from streamproc.core.usage.own_thresholds import thresholds_of

CHOICES: Final = ("thresholds", "quiet_hours", "schedule")
"""Actions by which subscribers choose."""
Minutes = tuple[int, int]
"""From and to, in minutes after local midnight."""


def is_offered(action: str, account: Account, rules: Rulebook, now_ms: int) -> bool:
    """Whether an action can have any effect for this subscriber."""
    if action in CHOICES:
        return any(True for _ in _served_by(action, account, rules, now_ms))
    return bool(rules.services) or not action.startswith("unsubscribe")


def left_categories(action: str, account: Account, rules: Rulebook, now_ms: int) -> list[str]:
    """Categories of the messages that a choice is about, if the subscriber left all of them."""
    served = list(_served_by(action, account, rules, now_ms))
    if any(_is_wanted(rule, account) for rule in served):
        return []
    return list(dict.fromkeys(rule.category for rule in served))


def thresholds_now(account: Account, rules: Rulebook, now_ms: int) -> list[int]:
    """Percentages that are reminded of, ascending."""
    found = (
        value
        for rule in rules.usage_rules
        if BUCKET_KINDS[rule.kind].takes_own_percents
        and _is_in_force(rule, now_ms)
        and _is_wanted(rule, account)
        for value in thresholds_of(account, rule, rules)
    )
    return sorted(set(found))


def quiet_hours_now(account: Account, rules: Rulebook) -> Minutes | None:
    """The subscriber's own, else those of the rules file; None: there are none."""
    own = account.extra.quiet_minutes if account.extra is not None else []
    if own:
        return None if own[0] == own[1] else (own[0], own[1])
    hours = rules.alerts.quiet_hours
    if hours is None:
        return None
    start, end = hours.start, hours.end
    return start.hour * 60 + start.minute, end.hour * 60 + end.minute


def summaries_now(account: Account, rules: Rulebook, now_ms: int) -> list[tuple[str, int]]:
    """How often summaries come, and at which minute after local midnight, each once."""
    return list(
        dict.fromkeys(
            (rule.every, rule.at.hour * 60 + rule.at.minute)
            for rule in timed_rules_of(account, rules)
            if TIMED_KINDS[rule.kind].is_by_choice
            and _is_in_force(rule, now_ms)
            and _is_wanted(rule, account)
        )
    )


def _served_by(action: str, account: Account, rules: Rulebook, now_ms: int) -> Iterable[Spoken]:
    """The rules that a choice bears on."""
    everything: Iterable[Spoken]
    if action == "thresholds":
        everything = (one for one in rules.usage_rules if BUCKET_KINDS[one.kind].takes_own_percents)
    elif action == "schedule":
        everything = (
            one
            for one in rules.timed_rules
            if TIMED_KINDS[one.kind].is_by_choice
            and not one.mandatory
            and is_meant_for(one, account)
        )
    else:
        everything = (one for one in rules.speaking() if one.policy.in_quiet_hours == "hold")
    return (one for one in everything if _is_in_force(one, now_ms))


def _is_in_force(rule: Spoken, now_ms: int) -> bool:
    """Now or later."""
    return now_ms < rule.policy.valid_until_ms


def _is_wanted(rule: Spoken, account: Account) -> bool:
    return rule.mandatory or rule.category not in account.opted_out
