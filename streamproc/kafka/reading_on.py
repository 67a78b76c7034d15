"""Notices a kafka-python reader that stops before the end that it must reach.

A fetcher can stop without an error, also of a broker that answers. A loop that only waits for a
position would then never end.
"""

from __future__ import annotations

import time
from typing import Final

from kafka.errors import KafkaTimeoutError

STANDSTILL_SECONDS: Final = 30.0
"""Longer than a broker needs to elect a leader."""


class Standstill:
    """The position of one reading, which ends at ``end``."""

    def __init__(self, topic: str, end: int) -> None:
        self._topic = topic
        self._end = end
        self._position = -1
        self._moved = time.monotonic()

    def is_read(self, position: int) -> bool:
        """Whether the end is reached. Raises KafkaTimeoutError if the position does not move."""
        now = time.monotonic()
        if position > self._position:
            self._position, self._moved = position, now
        elif now - self._moved > STANDSTILL_SECONDS and position < self._end:
            raise KafkaTimeoutError(
                f"reading {self._topic} has stopped at offset {position} of {self._end}"
            )
        return position >= self._end
