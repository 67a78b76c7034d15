"""Log lines about what peers send: a peer that sends nonsense all day does not fill the disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

QUIET_SECONDS: Final = 60.0


class Sparing:
    """Writes each kind of warnings at most once a minute, with how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, **facts: Any) -> None:
        """``facts`` are in each line. ``clock``: monotonic seconds."""
        self._clock = clock
        self._facts = facts
        self._told: dict[str, tuple[float, int]] = {}

    def warn(self, event: str, **facts: Any) -> None:
        """``event`` is one of few texts; what varies is in ``facts``."""
        now = self._clock()
        told, left_out = self._told.get(event, (float("-inf"), 0))
        if now - told < QUIET_SECONDS:
            self._told[event] = told, left_out + 1
            return
        self._told[event] = now, 0
        more = {"not_told_before": left_out} if left_out else {}
        log.warning(event, **self._facts, **facts, **more)
