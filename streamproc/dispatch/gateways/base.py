"""The protocol of a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from streamproc.core.state.effects import Reminder
from streamproc.dispatch.model import DeliveryReport, IncomingSms, Outcome, Outgoing
from streamproc.errors import StreamprocError


class SmsRefusedError(StreamprocError):
    """An SMS of a subscriber is not accepted. ``is_final``: it is useless to send it again."""

    def __init__(self, reason: str, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


async def _nowhere(_: IncomingSms) -> None:
    raise SmsRefusedError("this dispatcher accepts no SMS", is_final=True)


async def _forgotten(_: IncomingSms) -> None:
    pass


@dataclass(frozen=True)
class Events:
    """Callbacks for what a gateway reports by itself."""

    up: Callable[[bool], None]
    """The connection is up (True) or down. A gateway without a connection never calls it."""
    report: Callable[[DeliveryReport], Awaitable[None]]
    """Returns when the report is durable. Only then may the gateway acknowledge it."""
    now_ms: Callable[[], int]
    sms: Callable[[IncomingSms], Awaitable[None]] = _nowhere
    """Returns when an SMS of a subscriber is durable. Only then may the gateway acknowledge it.
    Raises :class:`SmsRefusedError` if it must not be acknowledged at all."""
    answered: Callable[[IncomingSms], Awaitable[None]] = _forgotten
    """The acknowledgement of an SMS has certainly arrived, so the SMS will not be sent again."""
    doubted: Callable[[IncomingSms], Awaitable[None]] = _forgotten
    """The acknowledgement of an SMS may be lost, so the SMS may be sent again. After ``sms`` one of
    the two must be called: a dispatcher that calls neither counts as one that died."""
    overdue: Callable[[], None] = lambda: None
    """The answer to a message is later than usual. The gateway still waits for it."""
    late: Callable[[Outgoing, Outcome], None] = lambda message, outcome: None
    """The answer to a message for which ``send`` had returned ``Unknown``."""
    peer_of: Callable[[str], str] = lambda address: ""
    """The keyed hashes of a number, for reports."""


class Gateway(Protocol):
    """Sends messages, several at a time.

    ``send`` returns an :class:`Outcome` and never raises: ``Refused`` only if the message was
    certainly not accepted, ``Unknown`` whenever it may have been.
    """

    idempotent: bool
    """Whether a message that is sent again under the same id has no further effect."""
    reports: bool
    """Whether delivery reports follow."""

    async def start(self, events: Events) -> None:
        """Begin. Returns at once, also if the connection takes longer or fails."""

    async def send(self, message: Outgoing) -> Outcome: ...

    async def close(self) -> None:
        """End. Messages without an answer get ``Unknown``."""


@runtime_checkable
class Splitting(Protocol):
    """A gateway that splits texts by its own rules."""

    def parts_of(self, reminder: Reminder) -> int:
        """How many submits a reminder needs. Raises ``UnsendableError``."""


@runtime_checkable
class Listening(Protocol):
    """A gateway that can receive SMS of subscribers."""

    @property
    def takes_sms(self) -> bool:
        """Whether SMS can come."""
