"""A fetch that has stopped without an error is started again, and the probe hears of it."""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from streamproc.dispatch.fetching import (
    CHECK_SECONDS,
    LEAST_POLLS,
    STOPPED_CHECKS,
    FetchCheck,
)

FIRST, SECOND = TopicPartition("reminders", 0), TopicPartition("reminders", 1)


class Consumer:
    """Where it is, where the broker's logs end, and where it was sought."""

    def __init__(self) -> None:
        self.positions = {FIRST: 4, SECOND: 7}
        self.ends = {FIRST: 4, SECOND: 7}
        self.sought: list[tuple[TopicPartition, int]] = []
        self.error: Exception | None = None

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.error is not None:
            raise self.error
        return {one: self.ends[one] for one in places}

    def position(self, place: TopicPartition) -> int:
        return self.positions[place]

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.sought.append((place, offset))


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.consumer = Consumer()
        self.check = FetchCheck(lambda: self.now)

    def pass_time(self, polls: int = LEAST_POLLS) -> None:
        """Until the next check."""
        for _ in range(polls):
            self.now += CHECK_SECONDS / polls
            self.check.before_poll(self.consumer)


def test_a_stopped_fetch_is_started_again_and_a_flowing_one_is_not() -> None:
    scene = Scene()
    scene.pass_time()
    scene.consumer.ends = {FIRST: 9, SECOND: 99}
    with capture_logs() as logs:
        scene.pass_time()
        assert scene.consumer.sought == [], "it may be on its way"
        scene.consumer.positions[SECOND] = 50
        scene.pass_time()

    assert scene.consumer.sought == [(FIRST, 4)]
    (told,) = logs
    assert (told["partition"], told["position"], told["behind"]) == (0, 4, 5)
    assert scene.check.stopped == ""


def test_one_that_does_not_move_even_then_is_heard_by_the_probe_until_it_moves() -> None:
    scene = Scene()
    scene.consumer.ends[FIRST] = 9
    for _ in range(STOPPED_CHECKS + 1):
        scene.pass_time()
    assert scene.check.stopped == "the fetch of reminders-0 has stopped at 4"
    scene.consumer.positions[FIRST] = 9
    scene.pass_time()
    assert scene.check.stopped == ""


def test_a_consumer_that_is_not_polled_because_its_lane_is_full_has_not_stopped() -> None:
    scene = Scene()
    scene.consumer.ends[FIRST] = 9
    for _ in range(9):
        scene.pass_time(polls=1)
    assert scene.consumer.sought == []


def test_a_broker_that_cannot_be_asked_is_no_stopped_fetch() -> None:
    scene = Scene()
    scene.consumer.ends[FIRST] = 9
    for number in range(9):
        scene.consumer.error = KafkaTimeoutError() if number % 2 else None
        if scene.consumer.error is not None:
            with pytest.raises(KafkaTimeoutError):
                scene.pass_time()
        else:
            scene.pass_time()
    assert scene.consumer.sought == []
    assert scene.check.stopped == ""
