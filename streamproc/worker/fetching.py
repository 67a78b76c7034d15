"""Notices a partition whose fetch has stopped although the broker answers and has more input.

A fetcher can stop without an error while heartbeats continue. Its own word about the end of the
input is as old as its last answer, so the lag would be 0. The ends here come from another
connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from kafka.errors import KafkaError

from streamproc.engine.cluster import Place
from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.kafka.topics import committed_ends

log = structlog.get_logger(__name__)

TOLD_SECONDS: Final = 25.0
"""A position that did not move for so long, with input behind it, is logged."""


class FetchWatch:
    """Positions of the running partitions beside the broker's ends. One thread at a time looks."""

    def __init__(self, engine: Engine[Any], clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: monotonic seconds."""
        self._engine = engine
        self._clock = clock
        self._behind: dict[Place, int] = {}
        self._standing: dict[Place, tuple[int, float]] = {}
        """Position, and since when it is there though the broker has more."""
        self._told: set[Place] = set()

    def look(self, admin: Any) -> None:
        """Ask the broker for the ends. A partition without an answer is not behind."""
        positions = self._positions()
        try:
            ends = committed_ends(admin, positions)
        except KafkaError:  # such as an election; a broker that is silent is noticed elsewhere
            ends = {}
        now = self._clock()
        behind = {place: ends.get(place, 0) - at for place, at in positions.items()}
        self._behind = {place: count for place, count in behind.items() if count > 0}
        before, self._standing = self._standing, {}
        for place in self._behind:
            position, since = before.get(place, (-1, now))
            at = positions[place]
            self._standing[place] = at, since if position == at else now
            if now - self._standing[place][1] >= TOLD_SECONDS and self._is_idle(place):
                self._tell(place, at)
        self._told &= self._standing.keys()

    def behind(self, topic: str, number: int) -> int:
        """How many records the broker had beyond the fetch when it was asked last."""
        return self._behind.get(Place(topic, number), 0)

    def position(self, topic: str, number: int) -> int | None:
        """Where a fetch stands with input behind it."""
        found = self._standing.get(Place(topic, number))
        return None if found is None else found[0]

    def _positions(self) -> dict[Place, int]:
        found = {}
        for partition in self._engine.partitions:
            for topic in self._engine.settings.input_topics:
                at = self._engine.fetched_until(partition, topic)
                if partition.state is State.RUNNING and at is not None:
                    found[Place(topic, partition.number)] = at
        return found

    def _is_idle(self, place: Place) -> bool:
        """Whether nothing that was fetched waits: then nothing holds up the fetch."""
        partition = self._engine.partitions[place.partition]
        return not partition.intake(place.topic).has_fetched_beyond(
            partition.next_offset(place.topic)
        )

    def _tell(self, place: Place, position: int) -> None:
        if place not in self._told:
            self._told.add(place)
            log.error(
                "the fetch of a partition has stopped although the broker answers and has more "
                "input; /livez asks for a restart if that lasts",
                topic=place.topic,
                partition=place.partition,
                position=position,
                behind=self._behind[place],
            )
