"""Shortens log lines that libraries repeat many times a second while a broker is down."""

from __future__ import annotations

import logging
import threading
import time

TALKATIVE = ("aiokafka", "kafka", "asyncio", "faust", "mode")
QUIET_SECONDS = 10.0
MOST_SORTS = 1_000
"""So many are remembered: some libraries put what varies into the text itself."""


class Repeats(logging.Filter):
    """Passes the first line of each sort; then every ten seconds one that counts the others.

    Lines are of one sort if logger, level and text (without its arguments) are equal. Only lines of
    libraries are dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        # The libraries log from threads of their own, too.
        self._lock = threading.Lock()
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}
        """By sort: when a line passed last (monotonic), and how many were dropped since."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in TALKATIVE:
            return True
        # Arguments (addresses, offsets) differ in each line, so the text is compared without them.
        sort = record.name, record.levelno, str(record.msg)
        now = time.monotonic()
        with self._lock:
            told_at, held_back = self._told.get(sort, (-QUIET_SECONDS, 0))
            if now - told_at < QUIET_SECONDS:
                self._told[sort] = told_at, held_back + 1
                return False
            if len(self._told) >= MOST_SORTS:
                self._told.clear()
            self._told[sort] = now, 0
        if held_back:
            record.msg = f"{record.msg} (and {held_back} more like it before)"
        return True
