"""Which timed rules are meant for a subscriber, and what the subscriber chose about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.schedule.calendar import clock_time
from streamproc.core.state.account import PLAN_KINDS, Account, RareState

OFF = "off"


def timed_rules_of(account: Account, rules: Rulebook) -> Iterable[TimedRule]:
    """The rules that are meant for the account and that its subscriber's choices allow, in rulebook
    order.

    A subscriber who chose a frequency gets one summary: the first that is meant for them. Mandatory
    rules do not change.
    """
    return _meant(account, rules.timed_rules, rules)


def timed_rules_due(account: Account, rules: Rulebook) -> Iterable[TimedRule]:
    """The same, without rules that have nothing to report about the account now.

    This is called for nearly every event of an account, so it must be fast.
    """
    for bucket in account.buckets:
        if bucket.kind not in PLAN_KINDS:
            return _meant(account, rules.timed_rules, rules)
    return _meant(account, rules.timed_without_packs, rules)


def _meant(account: Account, timed: tuple[TimedRule, ...], rules: Rulebook) -> Iterable[TimedRule]:
    return timed if account.extra is None and rules.timed_for_all else _chosen(account, timed)


def _chosen(account: Account, timed: tuple[TimedRule, ...]) -> Iterator[TimedRule]:
    extra = account.extra
    has_summary = False
    for rule in timed:
        if not is_meant_for(rule, account):
            continue
        if TIMED_KINDS[rule.kind].is_by_choice and not rule.mandatory:
            if extra is None or not extra.summary_every:
                if rule.only_chosen:
                    continue
                if extra is not None and extra.summary_minute >= 0:
                    yield replace(rule, at=clock_time(extra.summary_minute))
                    continue
            elif has_summary or extra.summary_every == OFF:
                continue
            else:
                has_summary = True
                yield _as_chosen(rule, extra)
                continue
        yield rule


def is_meant_for(rule: TimedRule, account: Account) -> bool:
    """Whether a rule is for the account's plan and segments; the subscriber's choices are
    ignored."""
    if rule.plans is not None and account.plan not in rule.plans:
        return False
    segments = account.extra.segments if account.extra is not None else ()
    return rule.segments is None or not rule.segments.isdisjoint(segments)


def _as_chosen(rule: TimedRule, extra: RareState) -> TimedRule:
    every = extra.summary_every
    at = rule.at if extra.summary_minute < 0 else clock_time(extra.summary_minute)
    return replace(rule, every=every, day=rule.day if rule.every == every else 1, at=at)
