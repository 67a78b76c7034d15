"""Rules with a memory: counting (``for_count``), hysteresis, and what is over again (resolved).

An :class:`Alarm` is kept for a threshold that such a rule's usage has reached. It counts usage
events until the rule is satisfied, then it is told, and it ends when the figure has fallen below
the threshold by the rule's hysteresis: from then on the threshold is armed. Without hysteresis that
is whenever the threshold is un-crossed (law 13).
"""

from __future__ import annotations

from typing import NamedTuple

from streamproc.core.alerts.figures import level_of, value_of
from streamproc.core.alerts.gate import Message, Speaker, rule_of
from streamproc.core.alerts.policy import Spoken
from streamproc.core.alerts.records import of_level
from streamproc.core.alerts.rules import ResolvedRule, WatchRule
from streamproc.core.alerts.state import Alarm, Mark
from streamproc.core.effects import Cause, Effect
from streamproc.core.model import Account, Bucket, drop_empty_extra, extra_of
from streamproc.core.quota.pools import cap_bucket_of
from streamproc.core.reminding import remind, threshold_of
from streamproc.core.rulebook import Rulebook, UsageRule, used_level


class Edge(NamedTuple):
    """A threshold that usage has just reached."""

    rule: UsageRule | WatchRule
    bucket: Bucket | None
    threshold: int
    order: int
    """Of the thresholds of one rule and bucket the highest has the highest."""

    @property
    def bucket_id(self) -> str:
        return self.bucket.id if self.bucket is not None else ""


def is_reached(
    account: Account,
    rule: UsageRule | WatchRule,
    bucket: Bucket | None,
    threshold: int,
    rules: Rulebook,
    margin: int = 0,
) -> bool:
    """Whether a threshold is reached now, or would be if it were ``margin`` nearer."""
    if isinstance(rule, WatchRule):
        level = level_of(account, rule, threshold, rules, margin)
        return level is not None and value_of(account, rule, rules) >= level
    if bucket is None:
        return False
    is_of_used = rule.kind in ("usage_percent", "used_bytes")
    shifted = threshold - margin if is_of_used else threshold + margin
    return bucket.used_bytes >= max(used_level(rule.kind, shifted, bucket.granted_bytes), 1)


def bucket_of(account: Account, name: str) -> Bucket | None:
    """A live bucket by its id, or the cap of a pool's member."""
    of_cap = cap_bucket_of(account, name)
    for bucket in account.buckets if of_cap is None else (of_cap,):
        if bucket.id == name:
            return bucket
    return None


def after_usage(
    account: Account,
    subscriber: str,
    edges: list[Edge],
    at_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> tuple[list[Edge], list[Effect]]:
    """What fires by a usage event: new edges of rules without memory, and what was counted up."""
    out: list[Effect] = []
    fired = [edge for edge in edges if edge.rule.id not in rules.tracked]
    alarms = account.extra.alarms if account.extra is not None else []
    for alarm in alarms:
        if alarm.is_told:
            continue
        rule, bucket = _tracked(alarm, rules), bucket_of(account, alarm.bucket)
        if rule is None or not is_reached(account, rule, bucket, alarm.threshold, rules):
            continue  # rejudged after the event
        alarm.count += 1
        if alarm.count >= rule.policy.for_count:
            alarm.is_told = True
            fired.append(Edge(rule, bucket, alarm.threshold, _order(rule, bucket, alarm)))
    for edge in edges:
        rule = edge.rule
        if rule.id not in rules.tracked:
            continue
        known = _find(alarms, rule.id, edge.bucket_id, edge.threshold)
        if known is None:
            is_told = rule.policy.for_count == 1
            alarms = extra_of(account).alarms
            alarms.append(Alarm(rule.id, edge.bucket_id, edge.threshold, 1, is_told))
            if is_told:
                fired.append(edge)
            continue
        if known.is_told:
            out.append(
                of_level(
                    "hysteresis", subscriber, rule.id, edge.bucket_id, edge.threshold, at_ms, cause
                )
            )
    return fired, out


def rejudge(
    account: Account, subscriber: str, at_ms: int, cause: Cause, rules: Rulebook
) -> tuple[list[Message], list[Effect]]:
    """End the alarms that hold no more; who follows their rule has something to say."""
    extra = account.extra
    if extra is None or not extra.alarms:
        return [], []
    out: list[Effect] = []
    marks: dict[str, list[Mark]] = {}
    kept: list[Alarm] = []
    for alarm in extra.alarms:
        rule, bucket = _tracked(alarm, rules), bucket_of(account, alarm.bucket)
        if rule is None or (alarm.bucket and bucket is None):
            continue  # nobody can do anything with it any more
        margin = rule.policy.hysteresis if alarm.is_told else 0
        if is_reached(account, rule, bucket, alarm.threshold, rules, margin):
            kept.append(alarm)
        elif alarm.is_told:
            out.append(
                of_level(
                    "resolved", subscriber, rule.id, alarm.bucket, alarm.threshold, at_ms, cause
                )
            )
            if not any(one.rule == rule.id for one in extra.waiting):
                # Who was not told of it yet need not know that it is over.
                mark = Mark(at_ms, alarm.bucket, alarm.threshold, at_ms, rule.id)
                marks.setdefault(rule.id, []).append(mark)
    extra.alarms = kept
    drop_empty_extra(account)
    messages = []
    for follower in rules.resolved_rules:
        found = {
            mark.bucket: mark
            for rule_id in marks
            if rule_id in follower.of
            for mark in marks[rule_id]
        }
        if found:
            messages.append(Message(RESOLVED, follower, list(found.values()), cause))
    return messages, out


def _tracked(alarm: Alarm, rules: Rulebook) -> UsageRule | WatchRule | None:
    """The rule of an alarm, if it is there and still needs a memory."""
    rule = rules.rules_by_id.get(alarm.rule) if alarm.rule in rules.tracked else None
    return rule if isinstance(rule, UsageRule | WatchRule) else None


def _find(alarms: list[Alarm], rule: str, bucket: str, threshold: int) -> Alarm | None:
    for alarm in alarms:
        if alarm.rule == rule and alarm.bucket == bucket and alarm.threshold == threshold:
            return alarm
    return None


def _order(rule: UsageRule | WatchRule, bucket: Bucket | None, alarm: Alarm) -> int:
    if isinstance(rule, UsageRule) and bucket is not None:
        return used_level(rule.kind, alarm.threshold, bucket.granted_bytes)
    return alarm.threshold


def _is_true(account: Account, rule: Spoken, mark: Mark, at_ms: int, rules: Rulebook) -> bool:
    """Still over: not reached again."""
    of = rules.rules_by_id.get(mark.detail)
    if not isinstance(of, UsageRule | WatchRule):
        return False
    bucket = bucket_of(account, mark.bucket)
    if mark.bucket and bucket is None:
        return False
    return not is_reached(account, of, bucket, mark.threshold, rules)


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
    assert isinstance(rule, ResolvedRule)
    names = {mark.bucket for mark in marks}
    buckets = [one for one in account.buckets if "" in names or one.id in names]
    leading = marks[0]
    of = rules.rules_by_id[leading.detail]
    assert isinstance(of, UsageRule | WatchRule)
    return remind(
        account,
        subscriber,
        rule,
        buckets,
        None if "" in names else min(buckets, key=lambda one: one.remaining_bytes),
        threshold_of(of, leading.threshold),
        ",".join(f"{one.detail}/{one.bucket}/{one.threshold}@{one.arming}" for one in marks),
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
    )


RESOLVED = Speaker("resolved", rule_of(ResolvedRule), _is_true, _say)
