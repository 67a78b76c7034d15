"""The gate that every outgoing message passes (laws 14 and 16).

Who has something to say hands over :class:`Message` s (:func:`submit`). The gate drops what the
subscriber opted out of, and sends the rest or holds it back: in quiet hours, under a frequency
cap, in a rule's cool-down, or while it waits for others to be told together with
(``passing.py``). What is held lies in ``Extra.waiting``, one entry for each rule, bucket and
recipients, and is due at its ``until_ms``; then (:func:`release`) its speaker is asked whether it
is still true, and says it with figures as of then. If what it waits for changes, it is looked at
again (:func:`look_again`). Every delay and every drop is audited. Nothing is lost otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

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
from streamproc.core.alerts.records import cause_of_release, of_waiting, refused
from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import PLAIN, UNRESTRICTED, urgency
from streamproc.core.state.account import Account, drop_empty_extra
from streamproc.core.state.effects import Effect
from streamproc.core.state.gate import Waiting
from streamproc.core.state.moment import Moment


def submit(
    moment: Moment, messages: list[Message], speakers: Speakers, wall_ms: int = 0
) -> list[Effect]:
    """Let messages of one instant through the gate; the effects say what became of each.

    ``wall_ms`` is later than the moment if nobody worked in between: then the gate looks at it, so
    that a worker that comes back at night wakes nobody.
    """
    account, now_ms = moment.account, moment.now_ms
    out: list[Effect] = []
    entries: list[Candidate] = []
    if len(messages) > 1:
        messages = sorted(messages, key=lambda one: urgency(one.rule))
    is_simple = (
        moment.rules.alerts is UNRESTRICTED
        and account.extra is None
        and all(one.rule.policy is PLAIN for one in messages)
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
    """Send what was held until now and is still true; ``wall_ms`` as in :func:`submit`.

    ``newer`` are messages of this very instant, to be submitted next: what was held of the same
    rule and thing gives way to them, or two summaries would arrive together.
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
    """What of an account decides when, and to whom, a held message goes."""

    time_zone: str
    quiet_minutes: tuple[int, ...]
    opted_out: frozenset[str]
    members: tuple[tuple[str, bool], ...]
    """Of a pool; the flag says who owns it."""


def terms_of(account: Account) -> Terms:
    """They are compared before and after an event: see :func:`look_again`."""
    extra, quota = account.extra, account.quota
    return Terms(
        account.time_zone,
        tuple(extra.quiet_minutes) if extra is not None else (),
        frozenset(account.opted_out),
        tuple((name, one.owner) for name, one in quota.members.items()) if quota else (),
    )


def look_again(moment: Moment, speakers: Speakers) -> list[Effect]:
    """Whatever held messages wait for has changed: zone, quiet hours, opt-outs, members of a pool.

    What is not wanted any more is dropped, what nothing delays any more is sent, and the rest
    waits for another instant. Whether the rest is still true is asked when that has come.
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
        why, until_ms = _soonest(account, entry, now_ms, rules)
        if until_ms <= now_ms:
            free.append(waiting)
        elif until_ms != waiting.until_ms:
            waiting.until_ms = until_ms
            to = recipients_left(entry, account)
            out.append(of_waiting(moment, why, waiting, to, until_ms))
    _send(moment, free, now_ms, speakers, out)
    drop_empty_extra(account)
    return out


def wait_by_new_rules(account: Account, now_ms: int, rules: Rulebook, speakers: Speakers) -> None:
    """Other rules are in force since ``now_ms``: what by them waits for another instant is due at
    once, to be sent or held anew."""
    _split(account)
    for waiting in _waiting_of(account):
        entry = entry_of(waiting, rules, speakers)
        if entry is None or waiting.until_ms <= now_ms:
            continue
        if _soonest(account, entry, now_ms, rules).until_ms != waiting.until_ms:
            waiting.until_ms = max(now_ms, account.clock_ms + 1)


def next_release_ms(account: Account) -> int:
    """When a held message is due; NEVER_MS if none is held."""
    return min((one.until_ms for one in _waiting_of(account)), default=NEVER_MS)


def forget_all(moment: Moment) -> list[Effect]:
    """The contract is over: nothing that waits, or was remembered for rules, is of use any more."""
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
        drop_empty_extra(account)
    return out


def _waiting_of(account: Account) -> list[Waiting]:
    return account.extra.waiting if account.extra is not None else []


def _is_followed(held: Waiting, newer: Message) -> bool:
    """Whether a new message says of the same thing what a held one has not said yet."""
    names = newer.speaker.name, newer.rule.id, newer.mark.bucket
    return (held.speaker, held.rule, held.mark.bucket) == names


def _split(account: Account) -> None:
    """Earlier versions kept the reasons of several buckets as one message: now they are several."""
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
    """Let what was held, and is still true, pass once more."""
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


def _soonest(account: Account, entry: Candidate, at_ms: int, rules: Rulebook) -> Delay:
    """When the first of its recipients may hear a message, and what delays it until then."""
    since_ms = entry.waiting.since_ms
    return min(
        (
            earliest(account, to, entry.rule, since_ms, at_ms, rules)
            for to in recipients_left(entry, account)
        ),
        key=lambda one: one.until_ms,
        default=Delay("", at_ms),
    )
