"""What leaves the core: reminders, audit records, rejects, in the words of the field."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from streamproc.core.events import Arrival, SubscriberEvent
from streamproc.core.instants import from_ms


class BucketFigures(Struct, frozen=True, gc=False):
    """A bucket as the reminder's reader should see it, all in bytes."""

    id: str
    kind: str
    granted_bytes: int
    used_bytes: int
    remaining_bytes: int
    expires_time: datetime | None = None


class Threshold(Struct, frozen=True, gc=False):
    """The level that was reached; ``unit`` is ``percent`` (used) or ``bytes`` (remaining)."""

    unit: str
    value: int


class Cause(Struct, frozen=True, gc=False, omit_defaults=True):
    """Trace back: the input record that caused an effect, or the due instant of a timer."""

    event_id: str | None = None
    source: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    due_time: datetime | None = None


class Reminder(Struct, frozen=True, gc=False, tag="reminder.requested", tag_field="type"):
    """A message that must reach the subscriber between ``not_before`` and ``expires_time``."""

    id: str
    kind: str
    rule: str
    subscriber: str
    buckets: list[BucketFigures]
    threshold: Threshold | None
    cycle_start: datetime
    cycle_end: datetime
    used_bytes: int
    granted_bytes: int
    remaining_bytes: int
    overage_bytes: int
    as_of: datetime
    locale: str
    text: str
    encoding: str
    segments: int
    category: str
    priority: int
    mandatory: bool
    not_before: datetime
    expires_time: datetime
    cause: Cause


class Audited(Struct, frozen=True, gc=False, tag="audit.recorded", tag_field="type"):
    """Why something was, or was not, done. ``figures`` are integers in bytes or milliseconds."""

    decision: str
    subscriber: str
    time: datetime
    rule: str
    bucket: str
    threshold: int
    figures: dict[str, int]
    cause: Cause


class Rejected(Struct, frozen=True, gc=False, tag="input.rejected", tag_field="type"):
    """Input that was not applied. The record itself stays in the input topic at its origin.

    Neither the payload nor the subscriber is repeated here: rejects are read by more people than
    the input is.
    """

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    received_time: datetime
    event_id: str | None = None
    source: str | None = None


Effect = Reminder | Audited | Rejected


def cause_of(event: SubscriberEvent, arrival: Arrival) -> Cause:
    """The trace from an effect back to the input record."""
    return Cause(event.id, event.source, arrival.topic, arrival.partition, arrival.offset)


def rejected(reason: str, detail: str, event: SubscriberEvent, arrival: Arrival) -> Rejected:
    """A well-formed event that must not be applied."""
    return Rejected(
        reason=reason,
        detail=detail,
        topic=arrival.topic,
        partition=arrival.partition,
        offset=arrival.offset,
        received_time=from_ms(arrival.received_ms),
        event_id=event.id,
        source=event.source,
    )
