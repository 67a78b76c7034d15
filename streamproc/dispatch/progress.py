"""Whether a dispatcher makes progress: its loops turn, its commits end, what is due is sent.

To start the process again does not help while the broker or all gateways are away: a new one would
wait as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from streamproc.dispatch.router import GatewayLine
from streamproc.dispatch.scheduler import Scheduler
from streamproc.kafka.silence import waited_for

STANDSTILL_SECONDS: Final = 60.0
"""Longer than the limit of a transaction (20 s) and than any pause of a loop."""
REBALANCE_SECONDS: Final = 360.0
"""A reader waits for the other members of its group, for five minutes at most."""


class DispatchProgress:
    """Work that begins and ends. What has begun must end within the limit."""

    def __init__(
        self,
        silent_seconds: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``silent_seconds``: how long the broker has not answered. ``clock``: monotonic
        seconds."""
        self._silent_seconds = silent_seconds
        self._clock = clock
        self._begun: dict[str, tuple[float, float]] = {}
        """What is under way: since when, and how long it may take (seconds)."""
        self._excused_at = clock()
        """When the broker was silent last."""
        self._idle_at: float | None = None
        """Since when nothing is sent though messages are due and a gateway is free."""

    @contextmanager
    def step(self, name: str, limit_seconds: float = STANDSTILL_SECONDS) -> Iterator[None]:
        """Around a piece of work that must end; the name is in the answer of the probe."""
        self._begun[name] = self._clock(), limit_seconds
        try:
            yield
        finally:
            self._begun.pop(name, None)

    def look(self, scheduler: Scheduler, stalled: set[int], now_ms: int) -> None:
        """Once a second. ``stalled``: lanes in which nothing is sent though messages are due."""
        now = self._clock()
        if self._silent_seconds() > 0:
            self._excused_at = now
        lines = scheduler.router.lines.values()
        if not any(_is_free(line, now_ms) and line.lanes & stalled for line in lines):
            self._idle_at = None
        elif self._idle_at is None:
            self._idle_at = now

    def failing(self) -> str:
        """Why the dispatcher must be restarted; empty if it is alive."""
        now = self._clock()
        if self._silent_seconds() > 0:
            self._excused_at = now
        late = [
            f"{name} does not end for {limit_seconds:.0f} s"
            for name, (begun, limit_seconds) in self._begun.items()
            if now - max(begun, self._excused_at) >= limit_seconds
        ]
        if late:
            return "; ".join(late)
        idle_at = self._idle_at
        if idle_at is not None and now - max(idle_at, self._excused_at) >= STANDSTILL_SECONDS:
            return (
                f"messages are due and a gateway is free, and nothing is sent for "
                f"{STANDSTILL_SECONDS:.0f} s"
            )
        return ""

    def waiting(self) -> str:
        """What the dispatcher waits for, though it is alive; empty if nothing."""
        return waited_for(self._silent_seconds())


def _is_free(line: GatewayLine, now_ms: int) -> bool:
    """Whether a gateway would take a message at this moment."""
    return (
        line.down_since_ms is None
        and line.breaker.state == "closed"
        and not line.shaper.outstanding
        and now_ms >= line.shaper.paused_until_ms
    )
