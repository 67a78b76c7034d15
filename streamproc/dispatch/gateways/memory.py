"""Keeps its messages in memory: the gateway for tests."""

from __future__ import annotations

from collections.abc import Callable

from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.model import Accepted, Outcome, Outgoing


class MemoryGateway:
    """``sent`` contains the messages in order; ``answers`` makes the answers, by default
    acceptance."""

    def __init__(
        self,
        answers: Callable[[Outgoing], Outcome] = lambda _: Accepted(),
        idempotent: bool = False,
        reports: bool = False,
    ) -> None:
        self.idempotent = idempotent
        self.reports = reports
        self.sent: list[Outgoing] = []
        self.events: Events | None = None
        self._answers = answers

    async def start(self, events: Events) -> None:
        self.events = events

    async def send(self, message: Outgoing) -> Outcome:
        self.sent.append(message)
        return self._answers(message)

    async def close(self) -> None:
        pass
