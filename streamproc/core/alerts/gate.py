"""The gate that every outgoing message passes (laws 14 and 16).

Speakers submit each :class:`Message` (:func:`submit`). The gate drops messages that the subscriber
opted out of. It sends the others or holds them: in quiet hours, under a frequency cap, in a rule's
cool-down, or while they wait for others of their group (``passing.py``).

Held messages are in ``RareState.waiting``, one for each rule, bucket and set of recipients. Each
is due at its ``until_ms``. Then (:func:`release`) the gate asks its speaker whether it is still
true, and sends it with the figures of that time. If the reason for the delay changes, the delay is
calculated again (:func:`look_again`). Every delay and every drop is audited. No message is lost
otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from streamproc.core.alerts.audit_records import cause_of_release, of_waiting, refused
from streamproc.core.alerts.delays import Delay, earliest, tidy
from streamproc.core.alerts.judging import forget, is_opted_out, is_wanted, judge, lower_marks
from streamproc.core.alerts.message import (
    Candidate,
    Message,
    Speakers,
    entry_of,
    recipients_left,
)
from streamproc.core.alerts.passing import Pass
from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.rules.sending import PLAIN, UNRESTRICTED, Spoken, urgency
from streamproc.core.state.account import Account, drop_empty_rare_state
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Waiting
from streamproc.core.state.moment import Moment


def submit(
    moment: Moment, messages: list[Message], speakers: Speakers, wall_ms: int = 0
) -> list[Effect]:
    """Pass messages of one instant through the gate. The effects say what happened to each of them.

    ``wall_ms`` is later than the moment if no worker ran for a while. Then the gate uses it, so
    that a worker that starts at night sends nothing in quiet hours.
    """
    account, now_ms = moment.account, moment.now_ms
    out: list[Effect] = []
    entries: list[Candidate] = []
    if len(messages) > 1:
        messages = sorted(messages, key=lambda one: urgency(one.rule))
    # The usual case: no rule can delay, merge or drop a message, so each is sent at once.
    is_simple = (
        moment.rules.alerts is UNRESTRICTED
        and account.extra is None
        and all(one.rule.policy is PLAIN for one in messages)
        and (wall_ms <= now_ms or not any(_has_hours(one.rule) for one in messages))
    )
    _split(account)
    for speaker, rule, mark, cause, lower in messages:
        of_message = moment if cause is moment.cause else moment.because(cause)
        if not is_wanted(of_message, rule, mark, out):
            continue
        start_ms = account.cycle_start_ms
        if is_simple:
            out += speaker.say(of_message, rule, mark, [""], start_ms)
            continue
        waiting = Waiting(speaker.name, rule.id, [mark], now_ms, now_ms, start_ms, cause)
        if speaker.order is not None:
            waiting.lower = lower_marks(list(lower), mark.threshold)
        entries.append(Candidate(speaker, rule, waiting, False))
    if entries:
        Pass(moment, max(now_ms, wall_ms), speakers, out).run(entries)
    return out


def release(moment: Moment, wall_ms: int, speakers: Speakers, newer: list[Message]) -> list[Effect]:
    """Send the held messages that are due and still true; ``wall_ms`` as in :func:`submit`.

    ``newer`` are messages of the same instant, to be submitted next. They replace held messages of
    the same rule about the same thing; otherwise two summaries would arrive together.
    """
    account, now_ms = moment.account, moment.now_ms
    out: list[Effect] = []
    _split(account)
    due: list[Waiting] = []
    for waiting in [one for one in _waiting_of(account) if one.until_ms <= now_ms]:
        following = next((one for one in newer if _is_followed(waiting, one)), None)
        if following is None:
            due.append(waiting)
            continue
        out.append(of_waiting(moment.because(following.cause), "superseded", waiting, []))
        forget(account, waiting)
    _send(moment, due, max(now_ms, wall_ms), speakers, out)
    tidy(account, now_ms, moment.rules)
    return out


class Terms(NamedTuple):
    """The parts of an account that decide when, and to whom, a held message is sent."""

    time_zone: str
    quiet_minutes: tuple[int, ...]
    opted_out: frozenset[str]
    members: tuple[tuple[str, bool], ...]
    """Members of a pool; the flag says whether the member is an owner."""


def terms_of(account: Account) -> Terms:
    """The terms of an account. They are compared before and after an event: see
    :func:`look_again`."""
    extra, quota = account.extra, account.quota
    return Terms(
        account.time_zone,
        tuple(extra.quiet_minutes) if extra is not None else (),
        frozenset(account.opted_out),
        tuple((name, one.owner) for name, one in quota.members.items()) if quota else (),
    )


def look_again(moment: Moment, speakers: Speakers) -> list[Effect]:
    """Calculate delays again, because zone, quiet hours, opt-outs or members of a pool changed.

    Messages that are not wanted any more are dropped. Messages that nothing delays any more are
    sent. The others get another instant; whether they are still true is checked then.
    """
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    out: list[Effect] = []
    free: list[Waiting] = []
    _split(account)
    for waiting in _waiting_of(account).copy():
        entry = entry_of(waiting, rules, speakers)
        if entry is None:
            continue
        if is_opted_out(account, entry.rule):
            out.append(refused(moment, "opted_out", entry.rule, waiting.mark))
            forget(account, waiting)
            continue
        why, until_ms = _soonest(moment, entry, now_ms)
        if until_ms <= now_ms:
            free.append(waiting)
        elif until_ms != waiting.until_ms:
            waiting.until_ms = until_ms
            to = recipients_left(entry, moment)
            out.append(of_waiting(moment, why, waiting, to, until_ms))
    _send(moment, free, now_ms, speakers, out)
    drop_empty_rare_state(account)
    return out


def wait_by_new_rules(moment: Moment, speakers: Speakers) -> None:
    """Other rules are in force since this moment. Messages for which they mean another instant
    become due at once; then they are sent or held again."""
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    _split(account)
    for waiting in _waiting_of(account):
        entry = entry_of(waiting, rules, speakers)
        if entry is None or waiting.until_ms <= now_ms:
            continue
        if _soonest(moment, entry, now_ms).until_ms != waiting.until_ms:
            waiting.until_ms = max(now_ms, account.clock_ms + 1)


def next_release_ms(account: Account) -> int:
    """When the next held message is due; NEVER_MS if none is held."""
    return min((one.until_ms for one in _waiting_of(account)), default=NEVER_MS)


def forget_all(moment: Moment) -> list[Effect]:
    """The contract is over: drop all held messages, and all that is remembered for rules."""
    account = moment.account
    _split(account)
    out: list[Effect] = [
        of_waiting(moment, "no_longer_true", waiting, []) for waiting in _waiting_of(account)
    ]
    extra = account.extra
    if extra is not None:
        extra.waiting, extra.sent_ms, extra.cooling, extra.members_told = [], [], {}, {}
        extra.alarms, extra.speeds, extra.foretold, extra.used_ms = [], {}, {}, 0
        extra.own_thresholds = {}
        drop_empty_rare_state(account)
    return out


def _waiting_of(account: Account) -> list[Waiting]:
    return account.extra.waiting if account.extra is not None else []


def _has_hours(rule: Spoken) -> bool:
    """Whether a rule has hours of its own, which a late message may fall into."""
    return isinstance(rule, TimedRule) and rule.not_between is not None


def _is_followed(held: Waiting, newer: Message) -> bool:
    """Whether a new message says about the same thing what a held one has not said yet."""
    names = newer.speaker.name, newer.rule.id, newer.mark.bucket
    return (held.speaker, held.rule, held.mark.bucket) == names


def _split(account: Account) -> None:
    """Split messages of earlier versions, which kept the reasons of several buckets as one
    message."""
    extra = account.extra
    if extra is None or all(len(one.marks) == 1 for one in extra.waiting):
        return
    extra.waiting = [
        replace(one, marks=[mark], lower=list(one.lower), told=list(one.told))
        for one in extra.waiting
        for mark in one.marks
    ]


def _send(
    moment: Moment, held: list[Waiting], wall_ms: int, speakers: Speakers, out: list[Effect]
) -> None:
    """Pass held messages that are still true through the gate again."""
    entries: list[Candidate] = []
    for waiting in held:
        entry = entry_of(waiting, moment.rules, speakers)
        if entry is None:
            cause = cause_of_release(waiting, moment.now_ms)
            out.append(of_waiting(moment.because(cause), "no_longer_true", waiting, []))
            forget(moment.account, waiting)
            continue
        entry = judge(moment, entry, out)
        if entry is not None:
            entries.append(entry)
    if entries:
        Pass(moment, wall_ms, speakers, out).run(entries)


def _soonest(moment: Moment, entry: Candidate, at_ms: int) -> Delay:
    """When the first recipient of a message can get it, and the reason for the delay until then."""
    since_ms = entry.waiting.since_ms
    return min(
        (
            earliest(moment.account, to, entry.rule, since_ms, at_ms, moment.rules)
            for to in recipients_left(entry, moment)
        ),
        key=lambda one: one.until_ms,
        default=Delay("", at_ms),
    )
