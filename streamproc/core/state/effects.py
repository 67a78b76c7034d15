"""What leaves the core: reminders, audit records, rejects, with the names of the contract."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from streamproc.core.instants import from_ms
from streamproc.core.privacy import conceal
from streamproc.core.state.events import (
    MAX_INTEGER,
    Arrival,
    ByteCount,
    EventId,
    Instant,
    Name,
    Source,
    Subscriber,
    SubscriberEvent,
)

Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
"""A term of a vocabulary that may grow; ``schemas/`` lists its present terms."""
BucketId = Annotated[str, Meta(min_length=1, max_length=128)]
ReminderId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Text = Annotated[str, Meta(min_length=1)]
Topic = Annotated[str, Meta(min_length=1, max_length=249)]
Natural = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Partition = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Priority = Annotated[int, Meta(ge=0, le=1000)]
Segments = Annotated[int, Meta(ge=1, le=255)]
Encoding = Literal["gsm7", "ucs2"]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
"""ISO 4217 code; amounts are in minor units of the currency."""


class BucketFigures(Struct, frozen=True, gc=False):
    """The figures of a bucket for the reader of a reminder, all in bytes."""

    id: BucketId
    kind: Word
    granted_bytes: ByteCount
    used_bytes: ByteCount
    remaining_bytes: ByteCount
    expires_time: Instant | None


class Threshold(Struct, frozen=True, gc=False):
    """The level that was reached; ``unit`` is ``percent`` (used) or ``bytes`` (remaining)."""

    unit: Word
    value: Natural


class Cause(Struct, frozen=True, gc=False):
    """The origin of an effect: the input record that caused it, or the due instant of a timer."""

    event_id: EventId | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    topic: Topic | UnsetType = UNSET
    partition: Partition | UnsetType = UNSET
    offset: Natural | UnsetType = UNSET
    due_time: Instant | UnsetType = UNSET

    def __post_init__(self) -> None:
        record = (self.event_id, self.source, self.topic, self.partition, self.offset)
        if self.due_time is UNSET and UNSET in record:
            raise ValueError("needs either due_time or the whole origin of an input record")


class Reminder(Struct, frozen=True, gc=False, tag="reminder.requested", tag_field="type"):
    """A message that must reach the subscriber between ``not_before`` and ``expires_time``."""

    id: ReminderId
    kind: Word
    rule: Name
    subscriber: Subscriber
    buckets: list[BucketFigures]
    threshold: Threshold | None
    cycle_start: Instant
    cycle_end: Instant
    used_bytes: ByteCount
    granted_bytes: ByteCount
    remaining_bytes: ByteCount
    overage_bytes: ByteCount
    as_of: Instant
    locale: Name
    text: Text
    encoding: Encoding
    segments: Segments
    category: Name
    priority: Priority
    mandatory: bool
    not_before: Instant
    expires_time: Instant
    cause: Cause
    recipient: Subscriber | UnsetType = UNSET
    """The member of a pool that the message is for; left out if it is for the subscriber."""
    channel_texts: dict[Word, Text] | UnsetType = UNSET
    """Other words for channels other than SMS, by channel."""
    severity: Word = "info"
    runs_out_time: Instant | UnsetType = UNSET
    """For a forecast: when home data runs out."""
    unlimited: Literal[True] | UnsetType = UNSET
    """Set if an unlimited bucket is among those that the figures sum up."""


class PolicyChanged(Struct, frozen=True, gc=False, tag="policy.changed", tag_field="type"):
    """A counter of a subscriber's policies changed. The policy system throttles or bars
    accordingly."""

    id: ReminderId
    subscriber: Subscriber
    number: Natural
    """Increases with each change of the subscriber, so that a late or repeated record can be
    recognised."""
    counter: Name
    """The policy's id in the rules file."""
    state: Word
    """``throttled``, ``barred`` or ``restored``."""
    reason: Word
    """What the policy is about; for ``restored``, what it was about."""
    time: Instant
    cycle_start: Instant
    cycle_end: Instant
    overage_bytes: ByteCount
    spend_minor: Natural
    currency: Currency
    cause: Cause
    member: Subscriber | UnsetType = UNSET
    """The member of a pool that it is about; left out if it is about the whole account."""
    throttle_kbps: Natural | UnsetType = UNSET


class Balance(Struct, frozen=True, gc=False):
    """Sums over an account's present buckets, and the overage of the cycle; in bytes."""

    granted_bytes: ByteCount
    used_bytes: ByteCount
    remaining_bytes: ByteCount
    overage_bytes: ByteCount


class Audited(Struct, frozen=True, gc=False, tag="audit.recorded", tag_field="type"):
    """Why something was done or not done. The names of ``figures`` contain their unit."""

    decision: Word
    subscriber: Subscriber
    time: Instant
    figures: dict[Word, Natural]
    cause: Cause
    rule: Name | UnsetType = UNSET
    bucket: BucketId | UnsetType = UNSET
    threshold: Natural | UnsetType = UNSET
    """In the unit of the rule's thresholds: percent used or bytes remaining."""
    category: Name | UnsetType = UNSET
    before: Balance | UnsetType = UNSET
    """Balance before the event or instant; omitted if it was the same."""
    after: Balance | UnsetType = UNSET
    reminder: ReminderId | UnsetType = UNSET
    """Id of the reminder that was sent."""
    member: Subscriber | UnsetType = UNSET
    """For a pool: the member that the record or the message is about."""


class Rejected(Struct, frozen=True, gc=False, tag="input.rejected", tag_field="type"):
    """Input that was not applied. The record itself stays in the input topic at its origin.

    This record contains neither the payload nor the subscriber, not even as a part of the event's
    id: more people read rejects than input.
    """

    reason: Word
    detail: Text
    topic: Topic
    partition: Partition
    offset: Natural
    received_time: Instant
    event_id: EventId | UnsetType = UNSET
    source: Source | UnsetType = UNSET


class ConfirmationDecided(
    Struct, frozen=True, gc=False, tag="confirmation.decided", tag_field="type"
):
    """The result of a second confirmation that billing asked for. There is exactly one for each."""

    id: ReminderId
    about: Word
    subscriber: Subscriber
    service: Name
    outcome: Word
    amount_minor: Natural
    currency: Currency
    request_id: EventId
    request_source: Source
    asked_time: Instant
    decided_time: Instant
    cause: Cause


class UnsubscriptionRequested(
    Struct, frozen=True, gc=False, tag="unsubscription.requested", tag_field="type"
):
    """The subscriber ends a service. Nothing may be charged for it from ``time`` on."""

    id: ReminderId
    subscriber: Subscriber
    service: Name
    time: Instant
    cause: Cause


class RefundRequested(Struct, frozen=True, gc=False, tag="refund.requested", tag_field="type"):
    """A service was charged without confirmation: billing must give ``amount_minor`` back."""

    id: ReminderId
    subscriber: Subscriber
    service: Name
    charged_minor: Natural
    amount_minor: Natural
    currency: Currency
    time: Instant
    cause: Cause


Order = ConfirmationDecided | UnsubscriptionRequested | RefundRequested
"""What billing must know or do."""
Effect = Reminder | Audited | Rejected | Order | PolicyChanged


def record_id(id_key: str, *parts: str) -> str:
    """The id of a record. The same record has the same id in every run, replay and cluster
    (law 5).

    ``id_key`` is that of the rulebook. Without one, everybody can test a number against an id.
    """
    # A secret at the front suffices: BLAKE2 has no extension attack.
    known = (id_key, *parts) if id_key else parts
    return blake2b("\0".join(known).encode(), digest_size=16).hexdigest()


def cause_of(event: SubscriberEvent, arrival: Arrival) -> Cause:
    """The trace from an effect back to the input record."""
    return Cause(event.id, event.source, arrival.topic, arrival.partition, arrival.offset)


def rejected(reason: str, detail: str, event: SubscriberEvent, arrival: Arrival) -> Rejected:
    """A well-formed event that must not be applied. ``detail`` must not repeat values of the
    event."""
    return Rejected(
        reason=reason,
        detail=detail,
        topic=arrival.topic,
        partition=arrival.partition,
        offset=arrival.offset,
        received_time=from_ms(arrival.received_ms),
        event_id=conceal(event.id, event.subscriber),
        source=conceal(event.source, event.subscriber),
    )


def audited(
    decision: str,
    subscriber: str,
    time_ms: int,
    cause: Cause,
    rule: str | UnsetType = UNSET,
    bucket: str | UnsetType = UNSET,
    threshold: int | UnsetType = UNSET,
    category: str | UnsetType = UNSET,
    member: str | UnsetType = UNSET,
    **figures: int,
) -> Audited:
    """An audit record. The names of ``figures`` contain their unit."""
    time = from_ms(time_ms)
    return Audited(
        decision, subscriber, time, figures, cause, rule, bucket, threshold, category, member=member
    )
