"""Warns of input that is rejected: once per reason, topic and hour, so that no fault stays unseen.

The rejects topic has each of them. Nobody looks there who does not know of a fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from streamproc.core.state.effects import Rejected
from streamproc.worker.hourly import Hourly

log = structlog.get_logger(__name__)

WARNED_KINDS = 1_000
"""Reasons and topics are few."""
WARNED_ELSEWHERE = "wrong_partition"
"""``worker/placement.py`` warns of these, by source."""


class RejectWarnings:
    """What a worker says of its rejects."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._warned = Hourly(now, WARNED_KINDS, ("(others)", "(others)"))

    def note(self, reject: Rejected) -> None:
        """A record is rejected. The line has the latest one as an example; it has no number."""
        if reject.reason == WARNED_ELSEWHERE:
            return
        due = self._warned.note((reject.reason, reject.topic))
        if due is None:
            return
        _, records = due
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
