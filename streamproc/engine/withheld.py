"""Input that is in the log and cannot be read yet: a transaction of its producer is open.

A reader of committed records gets nothing behind the first open transaction, not even records of
others. A producer that hangs withholds a partition's input until the broker aborts its transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 60.0
"""The time that most clients allow a transaction (``transaction.timeout.ms``)."""


@dataclass
class _Wait:
    at: int
    since: float
    is_told: bool = False


class Withheld:
    """Logs it when input waits for long, and when it continues."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waits: dict[Any, _Wait] = {}

    def look(self, place: Any, readable_end: int, end: int) -> None:
        """``place`` has a topic and a partition. To be called every few seconds."""
        wait = self._waits.get(place)
        if wait is not None and (readable_end >= end or readable_end != wait.at):
            del self._waits[place]
            if wait.is_told:
                log.info("input continues", topic=place.topic, partition=place.partition)
            wait = None
        if readable_end >= end:
            return
        if wait is None:
            wait = self._waits[place] = _Wait(readable_end, self._now())
        seconds = self._now() - wait.since
        if seconds < PATIENCE_SECONDS or wait.is_told:
            return
        wait.is_told = True
        log.warning(
            "input waits for a transaction that its producer does not end",
            topic=place.topic,
            partition=place.partition,
            offset=readable_end,
            records=end - readable_end,
            seconds=round(seconds),
            advice="kafka-transactions.sh find-hanging names the producer, and abort ends it; "
            "otherwise the broker aborts it after the producer's transaction.timeout.ms",
        )

    def forget_others(self, places: Any) -> None:
        """Only these are still read here."""
        self._waits = {one: wait for one, wait in self._waits.items() if one in places}
