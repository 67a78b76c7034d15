"""The types of the dispatcher: messages, answers of gateways, delivery reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder

Policy = Literal["at_most_once", "at_least_once"]
"""What happens to a message of which nobody knows whether the gateway took it."""


class ErrorClass(StrEnum):
    """Why a gateway refused: it decides what happens next."""

    TRANSIENT = "transient"
    """Try again later."""
    THROTTLED = "throttled"
    """Try again later, and send less until then."""
    PERMANENT = "permanent"
    """Never try again: a dead letter."""
    UNREACHABLE = "unreachable"
    """No connection, nothing was sent. Costs no attempt."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a reminder lies in Kafka; ``timestamp_ms`` is when the worker wrote it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(slots=True, eq=False)
class Outgoing:
    """A reminder on its way out. ``id`` is the reminder's, or ``<reminder id>~<dead letter>``."""

    id: str
    reminder: Reminder
    origin: Origin
    lane: int
    sequence: int
    ready_ms: int
    expires_ms: int
    attempts: int = 0
    parts: dict[int, str] = field(default_factory=dict)
    """Outgoing ids of the parts (from 1) that a gateway has already accepted."""
    pinned: str | None = None
    """The only gateway that may send it, because only that one knows a repeat as one."""
    gateway: str = ""
    in_flight: bool = False
    doubtful: int = 0
    """Attempts of which nobody knows whether the gateway took it."""
    sent_ms: int = 0
    split_into: int | None = None
    """Parts by the rules of its gateway; None: as the reminder says."""
    queued: bool = False
    """It has fallen due and stands in its subscriber's queue."""
    settled: bool = False

    @property
    def subscriber(self) -> str:
        recipient = self.reminder.recipient
        return recipient if isinstance(recipient, str) else self.reminder.subscriber

    @property
    def cost(self) -> int:
        """Submits it takes: its parts that are not yet accepted."""
        return max(self.part_count - len(self.parts), 1)

    @property
    def part_count(self) -> int:
        """SMS parts of the text."""
        return self.reminder.segments if self.split_into is None else self.split_into


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway has the message. ``parts`` maps part numbers to ids that reports will name."""

    parts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway certainly has not taken it, except for ``parts``."""

    error: ErrorClass
    code: str
    parts: Mapping[int, str] = field(default_factory=dict)
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something was sent and no answer came: it may or may not have been taken."""

    code: str
    parts: Mapping[int, str] = field(default_factory=dict)


Outcome = Accepted | Refused | Unknown

ReceiptsOf = Literal["auto", "every_part", "last_part"]
ReportState = Literal["delivered", "failed", "expired", "enroute"]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A gateway's word on what became of an accepted part. ``peer`` is a hash of the number."""

    gateway: str
    message_id: str
    state: ReportState
    code: str
    received_ms: int
    peer: str = ""


@dataclass(frozen=True, slots=True)
class IncomingPart:
    """Which part of which long text it is; ``number`` counts from 1."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class IncomingSms:
    """What a subscriber wrote, or one part of it."""

    gateway: str
    subscriber: str
    """The key of the subscriber's events."""
    to: str
    """The number that was written to."""
    text: str
    part: IncomingPart | None = None


def message_of(
    reminder: Reminder, origin: Origin, lane: int, sequence: int, resend: str = ""
) -> Outgoing:
    """A fresh message; ``resend`` names the dead letter that is sent again."""
    return Outgoing(
        id=f"{reminder.id}~{resend}" if resend else reminder.id,
        reminder=reminder,
        origin=origin,
        lane=lane,
        sequence=sequence,
        ready_ms=to_ms(reminder.not_before),
        expires_ms=to_ms(reminder.expires_time),
    )
