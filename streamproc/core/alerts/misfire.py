"""Reminders after down time: late ones are sent if they are still useful, otherwise audited (law
18)."""

from __future__ import annotations

from streamproc.core.alerts.message import Message
from streamproc.core.alerts.timed_rules import message_of_due
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.schedule.occurrences import coming, is_of_buckets
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect

NOTICEABLE_MS = 60_000
"""A shorter delay is not down time: timers run a second after an instant."""


def message_of_late(account: Account, subscriber: str, due: Due, wall_ms: int) -> Message | Effect:
    """The message of a due instant, or the record why it is not sent, when the clock shows
    ``wall_ms``."""
    rule = due.rule
    is_superseded = False
    if wall_ms - due.at_ms > NOTICEABLE_MS and rule.misfire == "latest" and not is_of_buckets(rule):
        tz = known_zone(account.time_zone)
        following = next(coming(rule, account, subscriber, due.at_ms, tz), None)
        is_superseded = following is not None and following.at_ms <= wall_ms
    return message_of_due(subscriber, due, wall_ms, is_superseded)
