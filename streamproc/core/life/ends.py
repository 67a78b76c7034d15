"""Reminders of ends after a change of the subscriber's quiet hours.

Such a reminder avoids these hours, so other hours mean another instant. The change neither repeats
nor loses a reminder:

- One whose instant was reached under the old hours is not due again (``Extra.ends_told``).
- One whose instant would have been in the past under the new hours, and was not reached under the
  old ones, is due now.
"""

from __future__ import annotations

from msgspec.structs import replace

from streamproc.core.alerts import speakers
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.timed_rules import message_of_due
from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.schedule.choices import timed_rules_of
from streamproc.core.schedule.occurrences import coming, is_of_buckets
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import Account, drop_empty_extra, extra_of
from streamproc.core.state.effects import Effect
from streamproc.core.state.moment import Moment

_BEFORE_ALL_MS = -1


def follow_quiet_hours(moment: Moment, old_minutes: list[int]) -> list[Effect]:
    """Apply the subscriber's new quiet hours to reminders of ends. It can send some of them.

    ``old_minutes`` are the hours before, as in ``Extra.quiet_minutes``.
    """
    account, now_ms = moment.account, moment.now_ms
    rules = [
        rule
        for rule in timed_rules_of(account, moment.rules)
        if is_of_buckets(rule) and rule.not_between is not None
    ]
    if not rules:
        return []
    new_minutes = extra_of(account).quiet_minutes
    extra_of(account).quiet_minutes = old_minutes
    old = {_key(one): one for one in _all_of(account, moment.subscriber, rules)}
    extra_of(account).quiet_minutes = new_minutes
    new = {_key(one): one for one in _all_of(account, moment.subscriber, rules)}
    messages: list[Message] = []
    for key, before in old.items():
        due = new.get(key)
        if before.at_ms <= now_ms:
            if due is None or due.at_ms > now_ms:
                extra_of(account).ends_told.append(key)
        elif due is not None and due.at_ms <= now_ms:
            found = message_of_due(moment.subscriber, replace(due, at_ms=now_ms), now_ms)
            assert isinstance(found, Message)
            messages.append(found)
    drop_empty_extra(account)
    return speakers.submit(moment, messages) if messages else []


def forget_ended(account: Account) -> None:
    """Buckets have ended: their ends are not reported any more."""
    extra = account.extra
    if extra is not None and extra.ends_told:
        live = {bucket.id for bucket in account.buckets}
        extra.ends_told = [one for one in extra.ends_told if one[1] in live]
        drop_empty_extra(account)


def _all_of(account: Account, subscriber: str, rules: list[TimedRule]) -> list[Due]:
    tz = known_zone(account.time_zone)
    return [due for rule in rules for due in coming(rule, account, subscriber, _BEFORE_ALL_MS, tz)]


def _key(due: Due) -> tuple[str, str]:
    return due.rule.id, due.bucket.id if due.bucket is not None else ""
