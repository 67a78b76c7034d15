"""Messages of timed rules: summaries, cycle ends, ends of packs."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from streamproc.core.alerts.audience import of_account
from streamproc.core.alerts.message import Message, Speaker, rule_of
from streamproc.core.instants import NEVER_MS, from_ms
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.rules.sending import Spoken
from streamproc.core.schedule.cycle_end import ending_with_cycle
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import ALLOWANCE, PLAN_KINDS, Account, Bucket
from streamproc.core.state.effects import Cause, Effect, audited
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, is_after_cycle, remind
from streamproc.core.usage.closed_cycles import own_buckets
from streamproc.core.usage.home_data import home_data_of
from streamproc.core.usage.periods import note_told, of_one_period
from streamproc.core.usage.rollover import lost_with_cycle

CLOSED_CYCLE = "closed_cycle"
"""Id and kind of the figures of a cycle that is over; its remaining bytes have expired."""


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """A summary is always true. A reminder of an end is true if the end still lies ahead and bytes
    are left."""
    assert isinstance(rule, TimedRule)
    account, kind = moment.account, TIMED_KINDS[rule.kind]
    shape = kind.shape_of(rule)
    if shape is Shape.IN_CYCLE:
        is_so = not kind.is_about_losses or (
            moment.now_ms < account.cycle_end_ms and bool(ending_with_cycle(account, rule))
        )
        return is_so and mark.at_ms >= account.cycle_start_ms
    if shape is Shape.AFTER_CYCLE:
        return mark.at_ms >= account.cycle_start_ms and bool(account.history)
    if shape is not Shape.AT_ENDS:
        return True
    if kind.hours_before_end(rule) == 0:
        return bool(_named(account, mark.bucket))
    return any(
        bucket.id == mark.bucket
        and bucket.remaining_bytes > 0
        and bucket.expires_ms > moment.now_ms
        for bucket in account.buckets
    )


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, TimedRule)
    present, rules = moment.account, moment.rules
    account, of_cycle = present, None
    if is_after_cycle(rule):
        of_cycle = _allowances_of_last_cycle(present)
        account = _as_it_ended(present)
    buckets, subject = account.buckets, None
    if TIMED_KINDS[rule.kind].is_about_losses:
        buckets = lost_with_cycle(account, rule, rules)
        subject = None if home_data_of(buckets, rules) else buckets[0]
    elif mark.bucket:
        buckets = _named(account, mark.bucket)
        subject = buckets[0] if buckets else None
    occasion = f"{mark.bucket}@{mark.arming}"
    about = About(
        rule,
        buckets,
        occasion,
        cycle_start_ms,
        subject,
        of_cycle=of_cycle,
        present=present,
        until_ms=_end_ahead_ms(present, rule, subject),
    )
    out: list[Effect] = []
    for some in of_one_period(present, rule, to, rules):
        out += remind(moment._replace(account=account), about, some)
    note_told(present, rule, to, of_account(moment, rule, mark), rules)
    return out


def _end_ahead_ms(account: Account, rule: TimedRule, subject: Bucket | None) -> int:
    """The end that is announced; NEVER_MS if there is none, or if it is now."""
    kind = TIMED_KINDS[rule.kind]
    if kind.is_about_losses:
        return account.cycle_end_ms
    if (
        kind.shape_of(rule) is Shape.AT_ENDS
        and kind.hours_before_end(rule) != 0
        and subject is not None
    ):
        return subject.expires_ms
    return NEVER_MS


def _named(account: Account, name: str) -> list[Bucket]:
    """The bucket with an id. If it ended within the cycle, as it was just before its end."""
    over = [replace(one, expired_bytes=0) for one in account.ended if one.id == name]
    return [one for one in account.buckets if one.id == name] + over


def _allowances_of_last_cycle(account: Account) -> list[Bucket]:
    """The allowances at the end of the last cycle, in charge order, as if nothing had expired.

    If a plan change ended an allowance earlier, nothing was left of it then: its grant is its used
    bytes.
    """
    over = account.history[-1]
    own = [
        replace(one, expired_bytes=0, rolled_over_bytes=0)
        if one.expires_ms >= over.end_ms
        else replace(
            one, kind=ALLOWANCE, granted_bytes=one.used_bytes, expired_bytes=0, rolled_over_bytes=0
        )
        for one in own_buckets(over)
        if one.kind in PLAN_KINDS
    ]
    for one in own:
        if not one.source:  # a record of an earlier release does not say whose figures they are
            one.source = CLOSED_CYCLE
            one.kind = CLOSED_CYCLE if one.kind == ALLOWANCE else one.kind
    known = [one for one in own if one.kind != CLOSED_CYCLE or one.granted_bytes or one.used_bytes]
    return sorted(known, key=Bucket.charge_order)


def _as_it_ended(account: Account) -> Account:
    """The account for a reminder about the cycle that is over: with the totals of that cycle."""
    over = account.history[-1]
    cycle = Bucket(
        CLOSED_CYCLE, CLOSED_CYCLE, CLOSED_CYCLE, 0, over.start_ms, over.end_ms,
        over.granted_bytes, over.used_bytes,
    )  # fmt: skip
    return replace(
        account,
        buckets=[cycle],
        cycle_start_ms=over.start_ms,
        cycle_end_ms=over.end_ms,
        overage_bytes=over.overage_bytes,
    )


TIMED = Speaker("timed", rule_of(TimedRule), _is_true, _say, of_account)


def message_of_due(
    subscriber: str, due: Due, now_ms: int, is_superseded: bool = False
) -> Message | Effect:
    """The message of a due instant, or the record why there is none (law 18).

    ``missed`` if ``now_ms`` is later than its rule's grace or lifetime; ``superseded`` if a later
    one of its rule replaces it.
    """
    rule = due.rule
    cause = Cause(due_time=from_ms(due.planned_ms))
    bucket_id = due.bucket.id if due.bucket else ""
    lateness_ms = max(0, now_ms - due.at_ms)
    is_missed = lateness_ms > rule.misfire_grace_ms or lateness_ms >= rule.ttl_ms
    if is_missed or is_superseded:
        return audited(
            "missed" if is_missed else "superseded",
            subscriber,
            due.at_ms,
            cause,
            rule=rule.id,
            bucket=bucket_id or UNSET,
            lateness_ms=lateness_ms,
        )
    return Message(TIMED, rule, Mark(due.at_ms, bucket_id, arming=due.number), cause)
