"""Rules with a memory: counting (``for_count``), hysteresis, and alarms that are over (resolved).

A :class:`RememberedThreshold` is kept for a threshold of such a rule that is reached. It counts
usage events until the rule fires. It ends when the figure has fallen below the threshold by the
rule's hysteresis; then the threshold is armed again. Without hysteresis it ends when the threshold
is un-crossed (law 13).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from streamproc.core.alerts.audience import of_account
from streamproc.core.alerts.audit_records import of_level
from streamproc.core.alerts.message import Message, Speaker, arming_of, rule_of
from streamproc.core.rules.account_rules import ResolvedRule, WatchRule
from streamproc.core.rules.kinds import BUCKET_KINDS, WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.core.rules.sending import Spoken, urgency
from streamproc.core.state.account import (
    UNLIMITED,
    Account,
    Bucket,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark, RememberedThreshold
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind, threshold_of
from streamproc.core.usage.figures import AccountFigures, is_figure_at
from streamproc.core.usage.own_thresholds import thresholds_of
from streamproc.core.usage.pools import cap_bucket_of, member_of_cap

_REPEATED: Final = 0
"""The count of an alarm that was sent and then fired again."""


class Reached(NamedTuple):
    """A threshold that usage has just reached."""

    rule: UsageRule | WatchRule
    bucket: Bucket | None
    threshold: int
    order: int
    """Among thresholds of one rule and bucket, a higher threshold has a higher order."""

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
    """Whether a threshold is reached now, or would be reached if it were ``margin`` lower."""
    if isinstance(rule, WatchRule):
        return is_figure_at(account, rule, threshold, rules, margin)
    if bucket is None or not rule.is_about(bucket.kind, bucket.source):
        return False
    kind = BUCKET_KINDS[rule.kind]
    if bucket.kind == UNLIMITED and not kind.is_of_unlimited:
        return False  # an unlimited bucket has no percentage used
    level = kind.used_level(kind.shifted(threshold, margin), bucket.granted_bytes)
    # Zero used bytes never reach a threshold, not even one of 0.
    return bucket.used_bytes >= max(level, 1)


def bucket_of(account: Account, name: str) -> Bucket | None:
    """A live bucket by its id, or the cap of a member of the pool."""
    of_cap = cap_bucket_of(account, name)
    for bucket in account.buckets if of_cap is None else (of_cap,):
        if bucket.id == name:
            return bucket
    return None


def are_at_rest(account: Account, at_ms: int, rules: Rulebook) -> bool:
    """Whether usage that reaches no new threshold leaves all alarms unchanged: sent, and still
    reached.

    It answers quickly what :func:`count_usage`, :func:`end_slowed` and :func:`rejudge` would find.
    For velocity rules it never answers yes, because their windows move with time.
    """
    for alarm in account.extra.alarms if account.extra is not None else ():
        if not alarm.is_told:
            return False
        rule = _tracked(account, alarm, at_ms, rules)
        if rule is None or _slides(rule):
            return False
        bucket = bucket_of(account, alarm.bucket) if alarm.bucket else None
        if not is_reached(account, rule, bucket, alarm.threshold, rules, rule.policy.hysteresis):
            return False
    return True


def _slides(rule: UsageRule | WatchRule) -> bool:
    return isinstance(rule, WatchRule) and WATCH_KINDS[rule.kind].slides


def count_usage(moment: Moment) -> list[Reached]:
    """The thresholds that fire because this usage event was the last of ``for_count`` events."""
    account, rules = moment.account, moment.rules
    fired: list[Reached] = []
    for alarm in account.extra.alarms if account.extra is not None else ():
        if alarm.is_told:
            continue
        rule = _tracked(account, alarm, moment.now_ms, rules)
        bucket = bucket_of(account, alarm.bucket)
        if rule is None or not is_reached(account, rule, bucket, alarm.threshold, rules):
            continue  # it is checked again after the event
        alarm.count += 1
        if alarm.count >= rule.policy.for_count:
            alarm.is_told = True
            fired.append(Reached(rule, bucket, alarm.threshold, _order(rule, bucket, alarm)))
    return fired


def note(
    moment: Moment, edges: list[Reached], counted: list[Reached]
) -> tuple[list[Reached], list[Effect]]:
    """The thresholds that fire: those reached just now, and those counted up to now."""
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    out: list[Effect] = []
    fired = [edge for edge in edges if not _is_tracked(edge.rule, now_ms, rules)]
    fired += counted
    alarms = account.extra.alarms if account.extra is not None else []
    for edge in edges:
        rule = edge.rule
        if not _is_tracked(rule, now_ms, rules):
            continue
        known = _find(alarms, rule.id, edge.bucket_id, edge.threshold)
        # The event that reaches the threshold is the first of ``for_count``.
        if known is None:
            is_told = rule.policy.for_count == 1
            alarms = rare_state_of(account).alarms
            alarms.append(RememberedThreshold(rule.id, edge.bucket_id, edge.threshold, 1, is_told))
            if is_told:
                fired.append(edge)
            continue
        # It was sent and is reached again without having fallen far enough: hysteresis.
        if known.is_told and not any(_is_of(one, known) for one in counted):
            if rule.kind in WATCH_KINDS and WATCH_KINDS[rule.kind].tells_price:
                _note_repeated(account, known)
                fired.append(edge)  # other usage costs now as well
                continue
            name, level = edge.bucket_id, edge.threshold
            member = member_of_cap(name) or UNSET
            out.append(of_level(moment, "hysteresis", rule.id, name, level, member))
    return fired, out


def note_still(moment: Moment, still: list[Reached]) -> None:
    """Thresholds that were reached before fire again. If the first message does not wait any more,
    the end will be reported even if the new message waits then."""
    account = moment.account
    alarms = account.extra.alarms if account.extra is not None else []
    for edge in still:
        known = _find(alarms, edge.rule.id, edge.bucket_id, edge.threshold)
        if known is not None:
            _note_repeated(account, known)


def _note_repeated(account: Account, alarm: RememberedThreshold) -> None:
    if alarm.is_told and not _is_waiting(account, alarm):
        alarm.count = _REPEATED


def end_slowed(moment: Moment, before: list[int]) -> list[RememberedThreshold]:
    """Remove alarms of velocity rules that were sent and whose figure had fallen, and return them.

    ``before`` are the figures (``watch.Values``) before the present usage. A window moves with
    time, which is noticed only at the next usage.
    """
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    extra = account.extra
    if extra is None or not extra.alarms:
        return []
    speeds = {
        sharing[0].id: value
        for (_, kind, sharing), value in zip(rules.shared_figures, before, strict=True)
        if kind.slides
    }
    ended = []
    for alarm in extra.alarms if speeds else ():
        rule = _tracked(account, alarm, now_ms, rules) if alarm.rule in speeds else None
        if not alarm.is_told or not isinstance(rule, WatchRule):
            continue
        figures = AccountFigures(account, rules)
        margin = rule.policy.hysteresis
        level = WATCH_KINDS[rule.kind].level(rule, alarm.threshold, margin, figures)
        if level is not None and speeds[alarm.rule] < level:
            ended.append(alarm)
    extra.alarms = [one for one in extra.alarms if one not in ended]
    return ended


def rejudge(
    moment: Moment, ended: list[RememberedThreshold] | None = None
) -> tuple[list[Message], list[Effect]]:
    """End the alarms that are over. Returns messages of the ``resolved`` rules that follow them.

    ``ended`` are alarms that were removed before.
    """
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    extra = account.extra
    if not ended and (extra is None or not extra.alarms):
        return [], []
    kept: list[RememberedThreshold] = []
    over: list[RememberedThreshold] = list(ended or ())
    for alarm in extra.alarms if extra is not None else ():
        rule = _tracked(account, alarm, now_ms, rules)
        bucket = bucket_of(account, alarm.bucket)
        if rule is None or (alarm.bucket and bucket is None):
            continue  # the subscriber cannot use this bucket any more
        # An alarm that was not sent yet has no hysteresis: it simply stops counting.
        margin = rule.policy.hysteresis if alarm.is_told else 0
        if is_reached(account, rule, bucket, alarm.threshold, rules, margin):
            kept.append(alarm)
        elif alarm.is_told:
            over.append(alarm)
    if extra is not None:
        extra.alarms = kept
    out: list[Effect] = []
    marks: dict[str, list[Mark]] = {}
    for alarm in over:
        name, bucket_id, threshold = alarm.rule, alarm.bucket, alarm.threshold
        member = member_of_cap(bucket_id) or UNSET
        out.append(of_level(moment, "resolved", name, bucket_id, threshold, member))
        mark = Mark(now_ms, bucket_id, threshold, arming_of(moment), name)
        # The end is reported only if its reason was reported, and if it is not reached again.
        is_heard = alarm.count == _REPEATED or not _is_waiting(account, alarm)
        if is_heard and _is_over(account, mark, rules):
            marks.setdefault(name, []).append(mark)
    drop_empty_rare_state(account)
    messages = []
    for follower in rules.resolved_rules:
        found: dict[str, Mark] = {}
        # For each bucket, the mark that the most urgent rule reached last; among equal rules,
        # that of the oldest alarm. A set is not used because its order differs between
        # processes (law 5).
        followed = [name for name in marks if name in follower.of]
        for name in sorted(followed, key=lambda one: _urgency(one, rules)):
            for bucket_id, mark in {mark.bucket: mark for mark in marks[name]}.items():
                found.setdefault(bucket_id, mark)
        messages += [Message(RESOLVED, follower, mark, moment.cause) for mark in found.values()]
    return messages, out


def rename_bucket(account: Account, old: str, new: str) -> None:
    """A bucket continues under another id, so its alarms and waiting messages must name that id."""
    extra = account.extra
    if extra is None:
        return
    for alarm in extra.alarms:
        if alarm.bucket == old:
            alarm.bucket = new
    for waiting in extra.waiting:
        if waiting.speaker in _ABOUT_BUCKETS:
            waiting.marks = _renamed(waiting.marks, old, new)
            waiting.lower = _renamed(waiting.lower, old, new)


_ABOUT_BUCKETS: Final = ("usage", "resolved", "timed")
"""Speakers whose marks name buckets. Marks of notices name a request or a service."""


def _renamed(marks: list[Mark], old: str, new: str) -> list[Mark]:
    return [replace(one, bucket=new) if one.bucket == old else one for one in marks]


def _is_tracked(rule: UsageRule | WatchRule, at_ms: int, rules: Rulebook) -> bool:
    """Whether a rule has a memory now. Outside its validity it is ignored."""
    policy = rule.policy
    return rule.id in rules.tracked and policy.valid_from_ms <= at_ms < policy.valid_until_ms


def _tracked(
    account: Account, alarm: RememberedThreshold, at_ms: int, rules: Rulebook
) -> UsageRule | WatchRule | None:
    """The rule of an alarm, if it still has that threshold and a memory."""
    rule = rules.rules_by_id.get(alarm.rule)
    if not isinstance(rule, UsageRule | WatchRule) or not _is_tracked(rule, at_ms, rules):
        return None
    # Another rule can have this id by now: one without thresholds, or with other thresholds.
    known = thresholds_of(account, rule, rules) or (-1,)
    return rule if alarm.threshold in known else None


def _urgency(name: str, rules: Rulebook) -> tuple[bool, int, int]:
    return urgency(rules.rules_by_id[name])


def _is_waiting(account: Account, alarm: RememberedThreshold) -> bool:
    """A subscriber who did not get the reminder yet need not know that its reason is over."""
    return account.extra is not None and any(
        one.rule == alarm.rule
        and not one.told
        and any(
            (mark.bucket, mark.threshold) == (alarm.bucket, alarm.threshold)
            for mark in (*one.marks, *one.lower)
        )
        for one in account.extra.waiting
    )


def _is_of(edge: Reached, alarm: RememberedThreshold) -> bool:
    place = alarm.rule, alarm.bucket, alarm.threshold
    return (edge.rule.id, edge.bucket_id, edge.threshold) == place


def _find(
    alarms: list[RememberedThreshold], rule: str, bucket: str, threshold: int
) -> RememberedThreshold | None:
    for alarm in alarms:
        if alarm.rule == rule and alarm.bucket == bucket and alarm.threshold == threshold:
            return alarm
    return None


def _order(rule: UsageRule | WatchRule, bucket: Bucket | None, alarm: RememberedThreshold) -> int:
    if isinstance(rule, UsageRule) and bucket is not None:
        return BUCKET_KINDS[rule.kind].used_level(alarm.threshold, bucket.granted_bytes)
    return alarm.threshold


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    return _is_over(moment.account, mark, moment.rules)


def _is_over(account: Account, mark: Mark, rules: Rulebook) -> bool:
    """Whether it is still over: not reached again."""
    of = rules.rules_by_id.get(mark.detail)
    if not isinstance(of, UsageRule | WatchRule):
        return False
    bucket = bucket_of(account, mark.bucket)
    if mark.bucket and bucket is None:
        return False
    return not is_reached(account, of, bucket, mark.threshold, rules)


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, ResolvedRule)
    account = moment.account
    bucket = bucket_of(account, mark.bucket) if mark.bucket else None
    of = moment.rules.rules_by_id[mark.detail]
    assert isinstance(of, UsageRule | WatchRule)
    buckets = [bucket] if bucket else list(account.buckets)
    occasion = f"{mark.detail}/{mark.bucket}/{mark.threshold}@{mark.arming}"
    threshold = threshold_of(of, mark.threshold)
    return remind(moment, About(rule, buckets, occasion, cycle_start_ms, bucket, threshold), to)


def _last(rule: Spoken, mark: Mark) -> int:
    """Sort key of a mark: the reason that ended last is in the message. An earlier one replaces it
    if the last one is reached again."""
    return mark.at_ms


RESOLVED = Speaker("resolved", rule_of(ResolvedRule), _is_true, _say, of_account, _last)
