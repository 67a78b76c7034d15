"""Held messages about costs that stop being true although something was charged (law 28).

A cycle or a contract ends, or a top-up or another plan covers further usage. When nothing holds the
message any more, it would not be true. But the charge remains, and a subscriber must not pay
without knowing it. So these messages describe the last instant at which they were true, and name
it. The reason that held them delays only their delivery (``not_before``).
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from streamproc.core.alerts.audit_records import cause_of_release
from streamproc.core.alerts.delays import earliest, note_cooling, note_sent
from streamproc.core.alerts.judging import forget, is_wanted
from streamproc.core.alerts.message import Candidate, Speakers, entry_of, recipients_left
from streamproc.core.instants import from_ms
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.state.account import ACTIVE
from streamproc.core.state.effects import Effect, Reminder
from streamproc.core.state.moment import Moment
from streamproc.core.usage.figures import spend_minor


class LastCall(NamedTuple):
    """A held message as it reads before an event, in case it is not true after the event."""

    entry: Candidate
    to: list[str]
    said: list[Effect]
    """The message for each of ``to``."""


def speak_of_costs(moment: Moment, wall_ms: int, speakers: Speakers) -> list[Effect]:
    """Send the held messages about the start of overage, as of the end of a cycle or a contract."""
    out: list[Effect] = []
    for entry in _held(moment, speakers):
        of_it = moment.because(cause_of_release(entry.waiting, moment.now_ms))
        if is_wanted(of_it, entry.rule, entry.waiting.mark, out):
            out += speak_at_once(
                moment, _in_words_of_now(of_it, entry), max(moment.now_ms, wall_ms)
            )
        else:
            forget(moment.account, entry.waiting)
    return out


def last_calls(moment: Moment, speakers: Speakers) -> list[LastCall]:
    """The same messages before an event; nothing is sent yet."""
    unheard: list[Effect] = []
    found = []
    for entry in _held(moment, speakers):
        of_it = moment.because(cause_of_release(entry.waiting, moment.now_ms))
        if is_wanted(of_it, entry.rule, entry.waiting.mark, unheard):
            found.append(_in_words_of_now(of_it, entry))
    return found


def speak_of_ended_costs(moment: Moment, calls: list[LastCall]) -> list[Effect]:
    """Send those messages that an event made untrue although something was charged."""
    account, rules = moment.account, moment.rules
    out: list[Effect] = []
    for call in calls:
        speaker, rule, waiting, _ = call.entry
        assert isinstance(rule, WatchRule)
        is_held = account.extra is not None and any(one is waiting for one in account.extra.waiting)
        if account.status != ACTIVE or not is_held:
            continue
        if speaker.is_true(moment, rule, waiting.mark):
            continue
        if spend_minor(account, rule.tariff or "", rules) > 0:
            out += speak_at_once(moment, call, moment.now_ms)
    return out


def _held(moment: Moment, speakers: Speakers) -> list[Candidate]:
    """Held messages about the start of overage that are true now."""
    account = moment.account
    found = []
    for one in account.extra.waiting if account.extra is not None else ():
        entry = entry_of(one, moment.rules, speakers)
        kind = WATCH_KINDS.get(entry.rule.kind) if entry is not None else None
        if entry is None or kind is None or not kind.tells_price:
            continue
        # The gate drops those that are not true any more, with an audit record, when they are due.
        if entry.speaker.is_true(moment, entry.rule, one.mark):
            found.append(entry)
    return found


def _in_words_of_now(moment: Moment, entry: Candidate) -> LastCall:
    speaker, rule, waiting, _ = entry
    to = recipients_left(entry, moment)
    return LastCall(entry, to, speaker.say(moment, rule, waiting.mark, to, waiting.cycle_start_ms))


def speak_at_once(moment: Moment, call: LastCall, at_ms: int) -> list[Effect]:
    """Send a message to each recipient, to be delivered when nothing holds it any more."""
    account, rules = moment.account, moment.rules
    rule, since_ms = call.entry.rule, call.entry.waiting.since_ms
    delays = [earliest(account, to, rule, since_ms, at_ms, rules) for to in call.to]
    for to, delay in zip(call.to, delays, strict=True):
        note_sent(account, to, delay.until_ms, rules)
        note_cooling(account, to, rule, delay.until_ms)
    forget(account, call.entry.waiting)
    return [
        _held_until(delay.until_ms, said) for said, delay in zip(call.said, delays, strict=True)
    ]


def _held_until(until_ms: int, said: Effect) -> Effect:
    if not isinstance(said, Reminder):
        return said
    later = from_ms(until_ms) - said.not_before
    return replace(said, not_before=said.not_before + later, expires_time=said.expires_time + later)
