"""Notices a fetch of kafka-python that has stopped although the broker answers and has more.

A fetcher can stop without an error while heartbeats continue. A seek to the same place starts the
fetch of a partition again. The probe hears of one that does not move even then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 30.0
LEAST_POLLS: Final = 20
STOPPED_CHECKS: Final = 3
"""After so many checks in sequence the process must be started again."""


class FetchCheck:
    """The partitions of one consumer; used in the consumer's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: monotonic seconds."""
        self._clock = clock
        self._checked = clock()
        self._polls = 0
        self._before: dict[Any, tuple[int, int, int]] = {}
        """Position, the broker's end, and how often in sequence it stood before that."""
        self.stopped = ""
        """Which fetches do not move; empty if all do."""

    def before_poll(self, consumer: Any) -> None:
        """It is polled for records next. Now and then, compare positions with the ends.

        Raises KafkaError if the broker cannot be asked.
        """
        self._polls += 1
        if self._clock() - self._checked < CHECK_SECONDS:
            return
        # A consumer that was not polled, because its lane was full, stands where it stood.
        before = self._before if self._polls >= LEAST_POLLS else {}
        self._checked, self._polls, self._before, self.stopped = self._clock(), 0, {}, ""
        places = sorted(consumer.assignment())
        ends = consumer.end_offsets(places) if places else {}
        for place in places:
            position, end = consumer.position(place), ends[place]
            if position >= end:
                continue
            at, had_end, count = before.get(place, (-1, -1, 0))
            count = count + 1 if at == position and had_end > at else 0
            self._before[place] = position, end, count
            if count:
                self._start_again(consumer, place, position, end, count)

    def _start_again(self, consumer: Any, place: Any, position: int, end: int, count: int) -> None:
        log.error(
            "the fetch of a partition has stopped although the broker answers and has more input; "
            "it is started again",
            topic=place.topic,
            partition=place.partition,
            position=position,
            behind=end - position,
        )
        consumer.seek(place, position)
        if count >= STOPPED_CHECKS:
            self.stopped = f"the fetch of {place.topic}-{place.partition} has stopped at {position}"
