"""Reads on to an end with kafka-python, and notices a reader that stops before it.

A fetcher can stop without an error, also of a broker that answers. A loop that only waits for a
position would then never end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from streamproc.kafka.errors import TopicError

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


def until_the_end(reader: Any, place: TopicPartition, patience_seconds: float) -> Iterator[Any]:
    """The records from the reader's position to the present end. ``place`` is assigned to it.

    For short topics: raises :class:`TopicError` if all of it takes longer. Raises ``KafkaError``.
    """
    end = reader.end_offsets([place])[place]
    until = time.monotonic() + patience_seconds
    # Compare positions, not records: transaction markers are never delivered.
    while reader.position(place) < end:
        if time.monotonic() > until:
            raise TopicError(f"{place.topic} was not read within {patience_seconds:.0f} s")
        yield from reader.poll(timeout_ms=200).get(place, [])
