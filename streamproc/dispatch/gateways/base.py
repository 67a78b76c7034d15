"""The protocol of a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from streamproc.dispatch.model import DeliveryReport, Outcome, Outgoing


@dataclass(frozen=True)
class Events:
    """How a gateway speaks up without being asked."""

    up: Callable[[bool], None]
    """The connection is there (True) or gone; a gateway without one never calls it."""
    report: Callable[[DeliveryReport], Awaitable[None]]
    """Returns when the report is durable: only then may it be acknowledged to the outside."""
    now_ms: Callable[[], int]


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
