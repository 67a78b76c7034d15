"""The protocol of a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from streamproc.core.state.effects import Reminder
from streamproc.dispatch.model import DeliveryReport, IncomingSms, Outcome, Outgoing
from streamproc.errors import StreamprocError


class SmsRefusedError(StreamprocError):
    """An SMS of a subscriber is not taken. ``is_final``: to send it again is of no use."""

    def __init__(self, reason: str, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


async def _nowhere(_: IncomingSms) -> None:
    raise SmsRefusedError("nobody takes SMS here", is_final=True)


async def _forgotten(_: IncomingSms) -> None:
    pass


@dataclass(frozen=True)
class Events:
    """How a gateway speaks up without being asked."""

    up: Callable[[bool], None]
    """The connection is there (True) or gone; a gateway without one never calls it."""
    report: Callable[[DeliveryReport], Awaitable[None]]
    """Returns when the report is durable: only then may it be acknowledged to the outside."""
    now_ms: Callable[[], int]
    sms: Callable[[IncomingSms], Awaitable[None]] = _nowhere
    """Returns when an SMS of a subscriber is durable: only then may it be acknowledged. Raises
    :class:`SmsRefusedError` if it must not be acknowledged at all."""
    answered: Callable[[IncomingSms], Awaitable[None]] = _forgotten
    """The acknowledgement of an SMS is known to have arrived: it will not be sent again."""
    overdue: Callable[[], None] = lambda: None
    """A message has no answer for longer than is usual; it is still waited for."""
    late: Callable[[Outgoing, Outcome], None] = lambda message, outcome: None
    """The answer to a message of which ``send`` said that nobody knows."""


class Gateway(Protocol):
    """Sends messages, several at a time.

    ``send`` answers with an :class:`Outcome` and raises nothing: ``Refused`` only if the message
    was certainly not taken, ``Unknown`` whenever it may have been.
    """

    idempotent: bool
    """A message sent again under the same id has no further effect."""
    reports: bool
    """Reports of delivery follow."""

    async def start(self, events: Events) -> None:
        """Begin; returns at once, also when the connection takes longer or fails."""

    async def send(self, message: Outgoing) -> Outcome: ...

    async def close(self) -> None:
        """End; messages without an answer get ``Unknown``."""


@runtime_checkable
class Splitting(Protocol):
    """A gateway that splits texts by rules of its own."""

    def parts_of(self, reminder: Reminder) -> int:
        """How many submits a reminder takes."""


@runtime_checkable
class Listening(Protocol):
    """A gateway to which subscribers write."""

    @property
    def takes_sms(self) -> bool:
        """Whether SMS may come."""
