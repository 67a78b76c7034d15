"""Tries requests to the broker again for as long as waiting can help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from kafka.errors import KafkaError

from streamproc.dispatch.membership import is_final
from streamproc.kafka.settings import Broker

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
MOST_FAILURES: Final = 30
"""In sequence, of one kind of work, while the broker answers."""


class Patience:
    """Counts the failures of each kind of work."""

    def __init__(self, broker: Broker, silent_seconds: Callable[[], float]) -> None:
        """``silent_seconds``: how long the broker has not answered; 0 if it answers."""
        self._broker = broker
        self._silent_seconds = silent_seconds
        self._failures: dict[str, int] = {}

    @asynccontextmanager
    async def around(self, work: str) -> AsyncIterator[list[KafkaError]]:
        """Around requests to the broker: an error is logged, and the caller tries again after a
        pause. Gives a list that then has the error.

        Errors that waiting does not mend are raised, and so is one that comes too often although
        the broker answers.
        """
        failed: list[KafkaError] = []
        try:
            yield failed
        except KafkaError as error:
            if is_final(error, self._broker):
                raise
            before = 0 if self._silent_seconds() else self._failures.get(work, 0)
            self._failures[work] = before + 1
            if before >= MOST_FAILURES:
                raise
            log.warning("a request to the broker failed; trying again", work=work, error=str(error))
            failed.append(error)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            self._failures.pop(work, None)
