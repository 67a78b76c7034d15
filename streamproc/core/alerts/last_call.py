"""Held messages about costs, when the cycle of these costs ends (law 28).

After the end of the cycle they would not be true any more: the next cycle has data again. But the
charge remains, and a subscriber must not pay without knowing it. So these messages describe the
last instant of the cycle, and name it. The reason that held them delays only their delivery
(``not_before``).
"""

from __future__ import annotations

from msgspec.structs import replace

from streamproc.core.alerts.delays import earliest, note_cooling, note_sent
from streamproc.core.alerts.judging import forget, is_wanted
from streamproc.core.alerts.message import Candidate, Speakers, entry_of, recipients_left
from streamproc.core.alerts.records import cause_of_release
from streamproc.core.instants import from_ms
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.state.effects import Effect, Reminder
from streamproc.core.state.moment import Moment


def speak_of_costs(moment: Moment, wall_ms: int, speakers: Speakers) -> list[Effect]:
    """Make the held messages about the start of overage, as of the instant at which a cycle
    ends."""
    account, rules = moment.account, moment.rules
    out: list[Effect] = []
    waiting = account.extra.waiting if account.extra is not None else []
    for one in waiting.copy():
        entry = entry_of(one, rules, speakers)
        kind = WATCH_KINDS.get(entry.rule.kind) if entry is not None else None
        if entry is None or kind is None or not kind.tells_price:
            continue
        speaker, rule, _, _ = entry
        of_it = moment.because(cause_of_release(one, moment.now_ms))
        if not speaker.is_true(of_it, rule, one.mark):
            continue  # the gate drops it, with an audit record, when it is due
        if is_wanted(of_it, rule, one.mark, out):
            for until_ms, to in _by_delay(moment, entry, wall_ms).items():
                said = speaker.say(of_it, rule, one.mark, to, one.cycle_start_ms)
                out += [_held_until(until_ms, each) for each in said]
                for reader in to:
                    note_sent(account, reader, until_ms, rules)
                    note_cooling(account, reader, rule, until_ms)
        forget(account, one)
    return out


def _by_delay(moment: Moment, entry: Candidate, wall_ms: int) -> dict[int, list[str]]:
    """The recipients of a message, by the instant from which they can get it."""
    found: dict[int, list[str]] = {}
    account, since_ms = moment.account, entry.waiting.since_ms
    at_ms = max(moment.now_ms, wall_ms)
    for to in recipients_left(entry, account):
        delay = earliest(account, to, entry.rule, since_ms, at_ms, moment.rules)
        found.setdefault(delay.until_ms, []).append(to)
    return found


def _held_until(until_ms: int, said: Effect) -> Effect:
    if not isinstance(said, Reminder):
        return said
    later = from_ms(until_ms) - said.not_before
    return replace(said, not_before=said.not_before + later, expires_time=said.expires_time + later)
