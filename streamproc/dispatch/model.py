"""The types of the dispatcher: messages, answers of gateways, delivery reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.core.subscribers import is_canary
from streamproc.errors import StreamprocError
from streamproc.tracing.context import NO_TRACE, SpanContext, TraceHeaders

Policy = Literal["at_most_once", "at_least_once"]
"""What to do with a message if it is unknown whether the gateway accepted it."""


class UnsendableError(StreamprocError, ValueError):
    """A gateway of this kind can never send the message. ``code``: why, in a word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ErrorClass(StrEnum):
    """The class of a refusal. It decides what happens next."""

    TRANSIENT = "transient"
    """Try again later."""
    THROTTLED = "throttled"
    """Try again later, and send less until then."""
    PERMANENT = "permanent"
    """Never try again: a dead letter."""
    UNREACHABLE = "unreachable"
    """No connection, nothing was sent. It does not count as an attempt."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a reminder in Kafka; ``timestamp_ms`` is when the worker wrote it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(slots=True, eq=False)
class Outgoing:
    """A reminder that is being sent. ``id`` is the reminder's, or ``<reminder id>~<dead
    letter>``."""

    id: str
    reminder: Reminder = field(repr=False)
    origin: Origin
    lane: int
    sequence: int
    ready_ms: int
    expires_ms: int
    attempts: int = 0
    parts: dict[int, str] = field(default_factory=dict)
    """Ids of the parts (numbered from 1) that a gateway has already accepted."""
    pinned: str | None = None
    """The only gateway that may send it, because only that one recognises a repetition."""
    gateway: str = ""
    in_flight: bool = False
    doubtful: int = 0
    """Attempts for which it is unknown whether the gateway accepted it."""
    doubted: str = ""
    """The gateway of the last of these attempts."""
    doubt_ms: int = 0
    former: list[str] = field(default_factory=list)
    """Ids of parts that gateways before this one accepted."""
    sent_ms: int = 0
    split_into: int | None = None
    """Number of parts by the rules of its gateway; None: as the reminder says."""
    trace: TraceHeaders = NO_TRACE
    """The trace of the event that caused it, for gateways that can pass it on. With spans it is
    that of the last submit."""
    span: SpanContext | None = None
    """Its span since it was read; each submit has one below it."""
    is_submit: bool = False
    """``trace`` names a submit, not the reminder."""
    read_ms: int = 0
    queued: bool = False
    """It has fallen due and is in its subscriber's queue."""
    settled: bool = False

    @property
    def is_canary(self) -> bool:
        """It is for nobody: ``streamproc canary`` waits for it."""
        return is_canary(self.reminder.subscriber)

    @property
    def subscriber(self) -> str:
        recipient = self.reminder.recipient
        return recipient if isinstance(recipient, str) else self.reminder.subscriber

    @property
    def cost(self) -> int:
        """The number of submits that it needs: its parts that are not accepted yet."""
        return max(self.part_count - len(self.parts), 1)

    @property
    def part_count(self) -> int:
        """SMS parts of the text."""
        return self.reminder.segments if self.split_into is None else self.split_into


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway has the message. ``parts`` maps part numbers to the ids that reports will
    contain."""

    parts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway certainly has not accepted it, except ``parts``."""

    error: ErrorClass
    code: str
    parts: Mapping[int, str] = field(default_factory=dict)
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something was sent and no answer came: it may or may not have been accepted."""

    code: str
    parts: Mapping[int, str] = field(default_factory=dict)


Outcome = Accepted | Refused | Unknown

ReceiptsOf = Literal["auto", "every_part", "last_part"]
ReportState = Literal["delivered", "failed", "expired", "enroute"]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A gateway's report about an accepted part. ``peer`` has hashes of the number."""

    gateway: str
    message_id: str
    state: ReportState
    code: str
    received_ms: int
    peer: str = ""


@dataclass(frozen=True, slots=True)
class IncomingPart:
    """The place of a part in a long text; ``number`` counts from 1."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class IncomingSms:
    """An SMS that a subscriber wrote, or one part of it."""

    gateway: str
    subscriber: str = field(repr=False)
    """The key of the subscriber's events."""
    to: str
    """The number that the subscriber wrote to."""
    text: str = field(repr=False)
    part: IncomingPart | None = None
    identity: str = ""
    """What the message center calls it, the same in each repetition; empty if it says nothing."""


def message_of(
    reminder: Reminder,
    origin: Origin,
    lane: int,
    sequence: int,
    resend: str = "",
    trace: TraceHeaders = NO_TRACE,
) -> Outgoing:
    """A new message; ``resend`` names the dead letter that is sent again."""
    return Outgoing(
        id=f"{reminder.id}~{resend}" if resend else reminder.id,
        reminder=reminder,
        origin=origin,
        lane=lane,
        sequence=sequence,
        ready_ms=to_ms(reminder.not_before),
        expires_ms=to_ms(reminder.expires_time),
        trace=trace,
    )
