"""Reminders of ends that avoid hours (``not_between``), after a change of these hours or of the
zone.

Other hours or clocks mean another instant. The change neither repeats nor loses a reminder:

- One whose instant was reached before the change is not due again (``RareState.ends_told``).
- One whose instant is in the past by the subscriber's new quiet hours only is due now.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from streamproc.core.alerts import speakers
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.timed_rules import message_of_due
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.schedule.choices import timed_rules_of
from streamproc.core.schedule.occurrences import coming, is_of_buckets
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import Account, drop_empty_rare_state, rare_state_of
from streamproc.core.state.effects import Effect
from streamproc.core.state.moment import Moment

_BEFORE_ALL_MS = -1


def follow_quiet_hours(moment: Moment, old_minutes: list[int]) -> list[Effect]:
    """Apply the subscriber's new quiet hours to reminders of ends. It can send some of them.

    ``old_minutes`` are the hours before, as in ``RareState.quiet_minutes``.
    """
    account, subscriber, rules, now_ms, _ = moment
    extra = rare_state_of(account)
    new_minutes, extra.quiet_minutes = extra.quiet_minutes, old_minutes
    note_reached(account, subscriber, now_ms, rules)
    extra.quiet_minutes = new_minutes
    messages: list[Message] = []
    for due in _reached(account, subscriber, now_ms, rules):
        present = replace(due, at_ms=now_ms, planned_ms=now_ms, number=now_ms)
        found = message_of_due(subscriber, present, now_ms)
        assert isinstance(found, Message)
        messages.append(found)
    drop_empty_rare_state(account)
    return speakers.submit(moment, messages) if messages else []


def note_reached(account: Account, subscriber: str, now_ms: int, rules: Rulebook) -> None:
    """Before a change: the reminders whose instant was reached are not due again."""
    for due in list(_reached(account, subscriber, now_ms, rules)):
        assert due.bucket is not None
        rare_state_of(account).ends_told.append((due.rule.id, due.bucket.id))


def forget_ended(account: Account) -> None:
    """Buckets have ended: their ends are not reported any more."""
    extra = account.extra
    if extra is not None and extra.ends_told:
        live = {bucket.id for bucket in account.buckets}
        extra.ends_told = [one for one in extra.ends_told if one[1] in live]
        drop_empty_rare_state(account)


def _reached(account: Account, subscriber: str, now_ms: int, rules: Rulebook) -> Iterator[Due]:
    tz = known_zone(account.time_zone)
    for rule in timed_rules_of(account, rules):
        if rule.not_between is not None and is_of_buckets(rule):
            for due in coming(rule, account, subscriber, _BEFORE_ALL_MS, tz):
                if due.at_ms <= now_ms:
                    yield due
