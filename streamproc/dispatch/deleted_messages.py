"""Messages that were deleted before a lane had read them.

A client whose offset is deleted continues at the beginning of the topic, without a word. A gap in
the offsets may also be the marker of a transaction; so the beginning of the topic is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from streamproc.dispatch.ledger import Cursor

log = structlog.get_logger(__name__)

CHECK_SECONDS = 5.0

Beginnings = Callable[[list[TopicPartition]], Mapping[TopicPartition, int]]


class Gaps:
    """What each cursor has left out in each partition."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: monotonic seconds."""
        self._clock = clock
        self._next: dict[tuple[Cursor, int], int] = {}
        self._found: list[tuple[Cursor, int, int, int]] = []
        """Cursor, partition, and offsets (first, next)."""
        self._checked = clock()

    def begin(self, cursor: Cursor, partition: int, committed: int | None, start: int) -> None:
        """A cursor reads a partition from ``start`` on. It had ended at ``committed``."""
        self._next[cursor, partition] = start
        if committed is not None and committed < start:
            _tell(cursor, partition, start - committed)

    def read(self, cursor: Cursor, partition: int, records: Iterable[Any]) -> None:
        """A cursor was given records."""
        expected = self._next.get((cursor, partition))
        for record in records:
            if expected is not None and record.offset > expected:
                self._found.append((cursor, partition, expected, record.offset))
            expected = record.offset + 1
        if expected is not None:
            self._next[cursor, partition] = expected

    def tell(self, beginnings: Beginnings) -> None:
        """Say what was lost, now and then. ``beginnings`` asks for first offsets."""
        now = self._clock()
        if not self._found or now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        found = self._found
        places = {TopicPartition(cursor[1], partition) for cursor, partition, _, _ in found}
        try:
            firsts = beginnings(sorted(places))
        except KafkaError:
            return  # the broker is away: asked again later
        self._found = []
        lost: dict[tuple[Cursor, int], int] = {}
        for cursor, partition, begin, end in found:
            first = firsts[TopicPartition(cursor[1], partition)]
            deleted = max(min(first, end) - begin, 0)
            lost[cursor, partition] = lost.get((cursor, partition), 0) + deleted
        for (cursor, partition), count in lost.items():
            if count:
                _tell(cursor, partition, count)


def _tell(cursor: Cursor, partition: int, count: int) -> None:
    lane, topic = cursor
    log.critical(
        "messages were deleted before they were read: raise the topic's retention",
        topic=topic,
        partition=partition,
        lane=lane,
        lost_records=count,
    )
