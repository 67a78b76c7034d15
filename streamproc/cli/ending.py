"""A worker that is told to stop ends, even where a library waits for a broker that is gone."""

from __future__ import annotations

import os
import threading
from typing import Any

import faust
import structlog

log = structlog.get_logger(__name__)

STOP_LIMIT_SECONDS = 15.0
"""Above what an orderly stop takes: the last commit may wait for a slow broker."""
STOPPED_HARD = 70


class BoundedWorker(faust.Worker):
    """Faust's worker, whose stopping takes ``STOP_LIMIT_SECONDS`` at most.

    When the broker is gone, aiokafka's consumer thread may die in its own stopping, and Faust waits
    for it for ever. To end hard is safe then: what was not committed is aborted by whoever owns the
    partition next.
    """

    def _schedule_shutdown(self, signal: Any) -> None:
        timer = threading.Timer(STOP_LIMIT_SECONDS, _end_hard)
        timer.daemon = True
        timer.start()
        super()._schedule_shutdown(signal)


def _end_hard() -> None:
    log.critical(
        "not stopped in time, ending at once; nothing committed is lost",
        limit_seconds=STOP_LIMIT_SECONDS,
    )
    os._exit(STOPPED_HARD)
