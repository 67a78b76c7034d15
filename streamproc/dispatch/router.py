"""Chooses the gateway of a message: the first of the list that works.

A gateway is skipped while its breaker is open. It is also skipped after more than ``patience_ms``
without a connection; a short interruption does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamproc.core.state.effects import Reminder
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.model import (
    ErrorClass,
    Outcome,
    Outgoing,
    Policy,
    ReceiptsOf,
    Refused,
    Unknown,
)
from streamproc.dispatch.shaping import Shaper

HEARD_OUT_MS = 3_600_000
"""After it was away, a message center needs no longer to send the reports that it has kept."""


@dataclass(eq=False)
class GatewayLine:
    """The state of a gateway, as the scheduler needs it."""

    name: str
    shaper: Shaper
    breaker: Breaker
    lanes: frozenset[int]
    kind: str = "gateway"
    """The kind in the gateways file: what SMS of subscribers name as their source."""
    idempotent: bool = False
    """It recognises a repeated message by its id, so sending again does no harm."""
    reports: bool = False
    """It reports later whether a message was delivered."""
    receipts: ReceiptsOf = "auto"
    """Which parts of a long message get reports."""
    is_canary: bool = False
    """It sends the messages of canaries, and no others; no other gateway sends these."""
    shared_account: bool = False
    """Other senders use its account too, so its reports can be about their messages."""
    parts_of: Callable[[Reminder], int] | None = None
    """How many submits a reminder needs; None: as many parts as it says."""
    on_unknown: Policy = "at_most_once"
    on_unknown_mandatory: Policy = "at_most_once"
    down_since_ms: int | None = None
    up_since_ms: int | None = None
    """When it came back."""

    def policy(self, mandatory: bool) -> Policy:
        """What to do with a message if it is unknown whether it was accepted."""
        if self.idempotent:
            return "at_least_once"
        return self.on_unknown_mandatory if mandatory else self.on_unknown


class Router:
    """The gateways in order of preference, and what their answers mean for them."""

    def __init__(self, lines: list[GatewayLine], patience_ms: int = 5_000) -> None:
        self.lines = {line.name: line for line in lines}
        self._patience_ms = patience_ms

    @property
    def of_customers(self) -> list[GatewayLine]:
        """The gateways that send to customers."""
        return [line for line in self.lines.values() if not line.is_canary]

    def set_up(self, name: str, is_up: bool, now_ms: int) -> None:
        """The gateway has a connection, or lost it."""
        line = self.lines[name]
        if is_up:
            if line.down_since_ms is not None:
                line.up_since_ms = now_ms
            line.down_since_ms = None
        elif line.down_since_ms is None:
            line.down_since_ms = now_ms

    def are_heard_out(self, now_ms: int) -> bool:
        """Whether every gateway had the time to send the reports that it kept meanwhile."""
        return all(
            line.down_since_ms is None
            and (line.up_since_ms is None or now_ms - line.up_since_ms >= HEARD_OUT_MS)
            for line in self.lines.values()
            if line.reports
        )

    def choose(self, message: Outgoing, now_ms: int) -> GatewayLine | None:
        """Reserve a place for the message; None if it must wait."""
        if message.pinned is not None and message.pinned in self.lines:
            candidates = [self.lines[message.pinned]]
        else:
            candidates = [line for line in self.lines.values() if message.lane in line.lanes]
        is_canary = message.is_canary
        for line in candidates:
            if line.is_canary != is_canary:
                continue
            if not line.breaker.allows(now_ms):
                continue
            if line.down_since_ms is not None:
                # The message waits during a short failure. Only a longer one sends it to another
                # gateway.
                if now_ms - line.down_since_ms < self._patience_ms:
                    return None
                continue
            # The message waits for a busy gateway: the next gateway is for failures, not for
            # more speed.
            if not line.shaper.take(message.cost, now_ms):
                return None
            line.breaker.started()
            return line
        return None

    def answered(self, name: str, outcome: Outcome, now_ms: int, jitter: float) -> None:
        """Learn from the answer. The message keeps its place until the answer is ``recorded``."""
        line = self.lines[name]
        if isinstance(outcome, Unknown):
            line.breaker.failed(now_ms)
        elif not isinstance(outcome, Refused) or outcome.error is ErrorClass.PERMANENT:
            line.breaker.succeeded()
            line.shaper.taken()
        elif outcome.error is ErrorClass.THROTTLED:
            line.breaker.unsettled()
            line.shaper.throttled(now_ms, outcome.retry_after_ms, jitter)
        else:
            line.breaker.failed(now_ms)

    def overdue(self, name: str, now_ms: int) -> None:
        """An answer is late. If many are late, other gateways are used until one comes."""
        self.lines[name].breaker.failed(now_ms)

    def recorded(self, name: str) -> None:
        """The answer is durable, or this process does not wait for it any more: free the place."""
        self.lines[name].shaper.release()

    def dropped(self, name: str) -> None:
        """A reserved place is not used."""
        self.recorded(name)
        self.lines[name].breaker.unsettled()

    def wake_ms(self, now_ms: int) -> int | None:
        """When more messages may be sent even without an answer."""
        times = []
        for line in self.lines.values():
            until = line.shaper.wake_ms(now_ms)
            if until is None:
                continue
            if line.down_since_ms is not None:
                until = max(until, line.down_since_ms + self._patience_ms)
            times.append(max(until, line.breaker.open_until_ms))
        return min(times) if times else None
