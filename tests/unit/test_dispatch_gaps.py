"""Messages that retention deleted before a lane had read them are told, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from streamproc.dispatch.deleted_messages import CHECK_SECONDS, Gaps

MAIN, BULK, RESENDS = (0, "reminders"), (1, "reminders"), (0, "resends")


class Scene:
    """Gaps under a clock, with topics that begin where the test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.gaps = Gaps(lambda: self.now)
        self.is_away = False
        self.firsts: dict[TopicPartition, int] = {}

    def read(self, cursor: tuple[int, str], *offsets: int) -> None:
        self.gaps.read(cursor, 0, [SimpleNamespace(offset=one) for one in offsets])

    def told(self) -> list[Any]:
        self.now += CHECK_SECONDS
        with capture_logs() as logs:
            self.gaps.tell(self.beginnings)
        return logs

    def beginnings(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.is_away:
            raise KafkaTimeoutError("no answer")
        return {one: self.firsts.get(one, 0) for one in places}


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    for cursor in (MAIN, BULK, RESENDS):
        scene.gaps.begin(cursor, 0, 10, 10)
    return scene


def test_markers_of_transactions_are_no_loss(scene: Scene) -> None:
    scene.read(MAIN, 10, 11, 13, 14, 16)
    scene.read(MAIN, 18)
    assert scene.told() == []


def test_a_lane_that_was_overtaken_is_told_and_the_other_is_not(scene: Scene) -> None:
    scene.read(MAIN, *range(10, 60))
    scene.read(BULK, 10, 11)
    scene.read(BULK, 50, 51)
    scene.firsts[TopicPartition("reminders", 0)] = 50
    (line,) = scene.told()
    assert line["log_level"] == "critical"
    assert (line["topic"], line["lane"], line["lost_records"]) == ("reminders", 1, 38)
    assert scene.told() == [], "once"


def test_what_was_read_before_it_was_deleted_is_no_loss(scene: Scene) -> None:
    scene.read(RESENDS, 10, 12, 30)
    scene.firsts[TopicPartition("resends", 0)] = 20
    (line,) = scene.told()
    assert line["lost_records"] == (12 - 11) + (20 - 13)


def test_a_start_behind_the_committed_offset_is_told_at_once() -> None:
    with capture_logs() as logs:
        Gaps().begin(MAIN, 3, 10, 25)
        Gaps().begin(MAIN, 3, None, 25)  # a group that never read it
    assert [(one["partition"], one["lost_records"]) for one in logs] == [(3, 15)]


def test_a_broker_that_is_away_is_asked_again(scene: Scene) -> None:
    scene.read(MAIN, 10, 20)
    scene.firsts[TopicPartition("reminders", 0)] = 20
    scene.is_away = True
    assert scene.told() == []
    scene.is_away = False
    (line,) = scene.told()
    assert line["lost_records"] == 9
