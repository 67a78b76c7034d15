"""What timed rules say: summaries, cycle ends, ends of packs."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.gate import Message, Speaker
from streamproc.core.alerts.policy import Spoken
from streamproc.core.alerts.state import Mark
from streamproc.core.effects import Cause, Effect, audited
from streamproc.core.instants import from_ms
from streamproc.core.model import Account
from streamproc.core.reminding import remind
from streamproc.core.rulebook import Rulebook, TimedRule
from streamproc.core.timed import Due


def _find(rules: Rulebook, rule_id: str) -> Spoken | None:
    rule = rules.rules_by_id.get(rule_id)
    return rule if isinstance(rule, TimedRule) else None


def _is_true(account: Account, rule: Spoken, mark: Mark, at_ms: int, rules: Rulebook) -> bool:
    """A summary is true at any time; an end must still be ahead, and worth a word."""
    assert isinstance(rule, TimedRule)
    if rule.kind == "usage_summary":
        return True
    if rule.kind == "before_cycle_end":
        return mark.at_ms >= account.cycle_start_ms
    return any(
        bucket.id == mark.bucket and bucket.remaining_bytes > 0 and bucket.expires_ms > at_ms
        for bucket in account.buckets
    )


def _say(
    account: Account,
    subscriber: str,
    rule: Spoken,
    marks: list[Mark],
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    assert isinstance(rule, TimedRule)
    names = {mark.bucket for mark in marks}
    buckets = [one for one in account.buckets if "" in names or one.id in names]
    return remind(
        account,
        subscriber,
        rule,
        buckets,
        buckets[0] if buckets else None,
        None,
        ",".join(f"{mark.bucket}@{mark.arming}" for mark in marks),
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
    )


TIMED = Speaker("timed", _find, _is_true, _say)


def message_of_due(subscriber: str, due: Due, lateness_ms: int) -> Message | Effect:
    """The message of a due instant, or ``missed`` if it is too late to be useful (law 18)."""
    cause = Cause(due_time=from_ms(due.at_ms))
    bucket_id = due.bucket.id if due.bucket else ""
    if lateness_ms > due.rule.misfire_grace_ms:
        return audited(
            "missed",
            subscriber,
            due.at_ms,
            cause,
            rule=due.rule.id,
            bucket=bucket_id or UNSET,
            lateness_ms=lateness_ms,
        )
    return Message(TIMED, due.rule, [Mark(due.at_ms, bucket_id, arming=due.at_ms)], cause)
