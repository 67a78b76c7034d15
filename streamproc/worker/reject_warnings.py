"""Warns of input that is rejected: once per reason, topic and hour, so that no fault stays unseen.

The rejects topic has each of them. Nobody looks there who does not know of a fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from streamproc.core.state.effects import Rejected

log = structlog.get_logger(__name__)

WARN_SECONDS = 3_600.0
WARNED_ELSEWHERE = "wrong_partition"
"""``worker/placement.py`` warns of these, by source."""


@dataclass
class _Warned:
    """The last warning about a reason in a topic."""

    at: float
    """Monotonic seconds."""
    records: int = 0
    """Number of such records since."""


class RejectWarnings:
    """Reasons and topics are few, so what it remembers is bounded."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._warned: dict[tuple[str, str], _Warned] = {}

    def note(self, reject: Rejected) -> None:
        """A record is rejected. The line has the latest one as an example; it has no number."""
        if reject.reason == WARNED_ELSEWHERE:
            return
        now, known = self._now(), (reject.reason, reject.topic)
        warned = self._warned.get(known)
        if warned is not None and now - warned.at < WARN_SECONDS:
            warned.records += 1
            return
        records = 1 + (warned.records if warned is not None else 0)
        self._warned[known] = _Warned(now)
        log.warning(
            "records are rejected",
            reason=reject.reason,
            records=records,
            topic=reject.topic,
            partition=reject.partition,
            offset=reject.offset,
            detail=reject.detail,
            advice="the rejects topic has each of them; docs/contracts.md explains the reasons",
        )
