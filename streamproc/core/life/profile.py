"""Changes of a subscriber's time zone, language and segments.

A move to another zone neither repeats nor loses occurrences. Four cases:

- An occurrence that was due in the old zone, and that a spread still delays, is sent at the move.
- A time that is already past in the new zone, and was not yet reached in the old one, is late. The
  misfire policy of its rule decides; but what announces an end that lies ahead is due now.
- An occurrence that happened in the old zone does not happen again (``RareState.moves``).
- The day on which the billing cycle ends stays the same; the cycle ends at its midnight in the new
  zone.
"""

from __future__ import annotations

from msgspec.structs import replace

from streamproc.core.alerts import speakers
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.timed_rules import message_of_due
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.life.ends import note_reached
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.schedule.calendar import (
    MIDNIGHT,
    known_zone,
    local_date,
    local_instant_ms,
    zone,
)
from streamproc.core.schedule.choices import timed_rules_of
from streamproc.core.schedule.occurrences import begun, coming, is_by_clocks, is_of_buckets
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import (
    PLAN_KINDS,
    Account,
    Bucket,
    Move,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.effects import Effect, audited, rejected
from streamproc.core.state.events import Arrival, ProfileChanged
from streamproc.core.state.moment import Moment

MOVES_KEPT_MS = 3 * DAY_MS
"""Clocks of two zones differ by 26 hours at most, and the date of an end by one more day."""


def change_profile(moment: Moment, event: ProfileChanged, arrival: Arrival) -> list[Effect]:
    """Apply the fields that the event has. A move can send reminders."""
    account = moment.account
    name = event.time_zone
    if isinstance(name, str) and zone(name) is None:
        return [rejected("unknown_time_zone", "no such IANA time zone", event, arrival)]
    out: list[Effect] = [
        audited("profile_changed", event.subscriber, to_ms(event.time), moment.cause)
    ]
    if isinstance(event.locale, str):
        account.locale = event.locale
    if isinstance(event.segments, list):
        rare_state_of(account).segments = sorted(set(event.segments))
        drop_empty_rare_state(account)
    if isinstance(name, str) and name != account.time_zone:
        out += _move(moment, name)
    return out


def _move(moment: Moment, name: str) -> list[Effect]:
    account, subscriber, rules, now_ms, _ = moment
    out: list[Effect] = []
    messages: list[Message] = []
    old, new = known_zone(account.time_zone), known_zone(name)
    for rule in _by_clocks(account, rules):
        series = coming(rule, account, subscriber, now_ms, old)
        for due in begun(rule, series, lambda due: due.planned_ms <= now_ms):
            _sort(message_of_due(subscriber, due, now_ms), messages, out)
    if messages:
        # These messages describe the account as it was in the old zone.
        out += speakers.submit(moment, messages)
    note_reached(account, subscriber, now_ms, rules)
    extra = rare_state_of(account)
    kept = [move for move in extra.moves if move.until_ms > now_ms - MOVES_KEPT_MS]
    extra.moves = [*kept, Move(account.time_zone, now_ms)]
    account.time_zone = name
    last_day = local_date(account.cycle_end_ms, old)
    _move_cycle_end(account, max(now_ms, local_instant_ms(last_day, MIDNIGHT, new)))
    messages = []
    for rule in _by_clocks(account, rules):
        series = coming(rule, account, subscriber, now_ms - MOVES_KEPT_MS, new)
        passed = begun(rule, series, lambda due: due.at_ms <= now_ms)
        for due in passed:
            is_superseded = (
                rule.misfire == "latest" and not is_of_buckets(rule) and due != passed[-1]
            )
            if _announces_end(due, account, now_ms):
                due = replace(due, at_ms=now_ms, planned_ms=now_ms)
            _sort(message_of_due(subscriber, due, now_ms, is_superseded), messages, out)
    if messages:
        out += speakers.submit(moment, messages)
    return out


def _announces_end(due: Due, account: Account, now_ms: int) -> bool:
    """Whether a reminder is about an end that lies ahead, so that it is not too late."""
    if due.bucket is not None:
        return due.bucket.expires_ms > now_ms
    return TIMED_KINDS[due.rule.kind].is_about_losses and account.cycle_end_ms > now_ms


def _sort(found: Message | Effect, messages: list[Message], out: list[Effect]) -> None:
    if isinstance(found, Message):
        messages.append(found)
    else:
        out.append(found)


def _by_clocks(account: Account, rules: Rulebook) -> list[TimedRule]:
    """The rules whose instants depend on the zone."""
    return [rule for rule in timed_rules_of(account, rules) if is_by_clocks(rule)]


def _move_cycle_end(account: Account, end_ms: int) -> None:
    account.cycle_end_ms = end_ms
    for bucket in account.buckets:
        if bucket.kind in PLAN_KINDS:
            bucket.expires_ms = end_ms
    account.buckets.sort(key=Bucket.charge_order)
