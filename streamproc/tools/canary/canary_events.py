"""The events of canaries, and what their reminders name as their cause."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from streamproc.canaries import canary_of
from streamproc.contracts.records.codec import encode_event
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    SubscriberEvent,
    UsageRecorded,
)

SOURCE: Final = "streamproc-canary"
PLAN: Final = "streamproc-canary"
USAGE_RULE: Final = "streamproc-canary-usage"
CLOCK_RULE: Final = "streamproc-canary-clock"
BEAT_SECONDS: Final = 60
OFFSET_SECONDS: Final = 20
"""A beat begins so long after the minute, so that the timed one of the minute is undisturbed."""


def day_of(now_ms: int) -> date:
    """The day whose canaries live at an instant."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def beat_mark(run: str, minute: int, partition: int) -> str:
    """The id of the usage event of a beat."""
    return f"{run}-{minute}-{partition}"


def timed_mark(subscriber: str, slot_ms: int) -> str:
    """What stands for a timed beat."""
    return f"{subscriber}@{slot_ms}"


def beat_events(
    subscriber: str, mark: str, now_ms: int, *, is_first: bool
) -> list[SubscriberEvent]:
    """The events of one beat: the contract ends and begins again, which arms the threshold again.

    ``is_first``: nobody knows whether the account is active. An activation before the end makes
    it so; if it was active, that one is rejected, and nothing else happens.
    """
    at = [from_ms(now_ms - back_ms) for back_ms in (3, 2, 1, 0)]

    def active(name: str, place: int) -> AccountActivated:
        return AccountActivated(f"{mark}-{name}", SOURCE, subscriber, at[place], PLAN, "UTC", 1)

    events: list[SubscriberEvent] = [active("ensure", 0)] if is_first else []
    return [
        *events,
        AccountClosed(f"{mark}-close", SOURCE, subscriber, at[1]),
        active("begin", 2),
        UsageRecorded(mark, SOURCE, subscriber, at[3], total_bytes=1),
    ]


def end_event(subscriber: str, now_ms: int) -> SubscriberEvent:
    """Ends the contract of a canary that is not needed any more."""
    return AccountClosed(f"end-{now_ms}", SOURCE, subscriber, from_ms(now_ms))


def mark_of(reminder: Reminder) -> str | None:
    """The mark of the beat that a reminder belongs to; None if it belongs to none."""
    if reminder.rule == USAGE_RULE and isinstance(reminder.cause.event_id, str):
        return reminder.cause.event_id
    if reminder.rule == CLOCK_RULE and isinstance(reminder.cause.due_time, datetime):
        return timed_mark(reminder.subscriber, round(reminder.cause.due_time.timestamp() * 1000))
    return None


def encoded(event: SubscriberEvent) -> tuple[bytes, bytes]:
    """Key and value of an event's record."""
    return event.subscriber.encode(), encode_event(event)


def canaries_of(now_ms: int, partitions: int) -> list[str]:
    """The canary of each partition, in order."""
    return [canary_of(day_of(now_ms), number, partitions) for number in range(partitions)]
