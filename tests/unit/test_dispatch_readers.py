"""The cursors of the lanes, against a stand-in for Kafka's consumers that remembers every call."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition

from streamproc.contracts.topics import DispatchTopics
from streamproc.dispatch import lane_reader
from streamproc.dispatch.lane_reader import Readers
from streamproc.dispatch.settings import DispatchSettings


@dataclass
class Record:
    partition: int
    offset: int


class Log:
    """One topic of two partitions, shared by the stand-ins."""

    def __init__(self) -> None:
        self.records: dict[int, list[Record]] = {0: [], 1: []}
        self.calls: list[str] = []

    def append(self, partition: int, count: int) -> None:
        have = self.records[partition]
        begin = len(have)
        have.extend(Record(partition, begin + number) for number in range(count))


class Consumer:
    """Has no ``pause``: kafka-python may never take up again what a pause made it park."""

    log = Log()

    def __init__(self, **settings: Any) -> None:
        self.group = settings["group_id"]
        self.places: dict[TopicPartition, int] = {}
        self.is_member = "session_timeout_ms" in settings
        self._coordinator = SimpleNamespace(
            rejoining=False, need_rejoin=lambda: False, stable=lambda: False
        )

    def partitions_for_topic(self, topic: str) -> set[int]:
        self.log.calls.append("metadata")
        return {0, 1}

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.log.calls.append("subscribe")
        self.places = {TopicPartition(topics[0], number): 0 for number in (0, 1)}
        listener.on_partitions_assigned(list(self.places))

    def assign(self, places: list[TopicPartition]) -> None:
        self.places = dict.fromkeys(places, 0)

    def assignment(self) -> set[TopicPartition]:
        return set(self.places)

    def position(self, place: TopicPartition) -> int:
        return self.places[place]

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.places[place] = offset

    def committed(self, place: TopicPartition) -> int | None:
        return {"g": 5, "g.bulk": 2}.get(self.group) if place.partition == 0 else None

    def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    def poll(
        self, timeout_ms: int, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        max_records = max_records or 500
        if self.is_member:
            self.log.calls.append("poll")
        found: dict[TopicPartition, list[Record]] = defaultdict(list)
        for place, offset in self.places.items():
            if place.topic == "reminders":
                found[place] = self.log.records[place.partition][offset : offset + max_records]
                self.places[place] = offset + len(found[place])
        return found


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Readers:
    monkeypatch.setattr(Consumer, "log", Log())
    monkeypatch.setattr(lane_reader, "kafka_consumer", lambda _, **options: Consumer(**options))
    monkeypatch.setattr(lane_reader, "POLL_MS", 1)
    topics = DispatchTopics(reminders="reminders")
    settings = DispatchSettings("b:1", topics, group="g", held_messages=10)
    return Readers(settings, ("urgent", "bulk"), lambda _: None)


def polled(reading: Readers, held: list[int] | None = None) -> dict[int, list[tuple[int, int]]]:
    """Partition and offset of what each lane got."""
    found: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
    for cursor, record in reading.poll(held or [0, 0]):
        found[cursor[0]].append((record.partition, record.offset))
    return found


def test_the_topics_metadata_is_there_before_the_group_is_joined(reading: Readers) -> None:
    """Otherwise one start in six was assigned nothing, and never again."""
    assert Consumer.log.calls == ["metadata", "subscribe"]


def test_each_lane_begins_at_its_own_position_and_nothing_is_read_before(reading: Readers) -> None:
    Consumer.log.append(0, 8)
    assert polled(reading) == {0: [], 1: []}
    assert list(reading.assigned) == [0, 1]
    positions = reading.open(0)

    assert positions == {
        (0, "reminders"): 5,
        (1, "reminders"): 2,
        (0, "streamproc.resends"): 5,
    }
    assert polled(reading) == {
        0: [(0, 5), (0, 6), (0, 7)],
        1: [(0, n) for n in range(2, 8)],
    }


def test_a_follower_never_overtakes_the_urgent_cursor_and_loses_nothing_by_waiting(
    reading: Readers,
) -> None:
    for partition in (0, 1):
        reading.open(partition)
    Consumer.log.append(1, 700)
    full = polled(reading, held=[10, 0])
    assert full == {0: [], 1: []}
    seen: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
    for _ in range(6):
        Consumer.log.append(1, 50)
        for lane, records in polled(reading).items():
            seen[lane].extend(records)
        assert len(seen[1]) <= len(seen[0])
    for _ in range(3):
        for lane, records in polled(reading).items():
            seen[lane].extend(records)

    assert seen[0] == seen[1] == [(1, n) for n in range(1_000)]


def test_a_full_lane_is_not_read_and_the_group_still_hears_of_the_member(reading: Readers) -> None:
    reading.open(1)
    Consumer.log.append(1, 500)
    Consumer.log.calls.clear()
    for _ in range(30):
        assert polled(reading, held=[10, 10]) == {0: [], 1: []}
    assert Consumer.log.calls == ["poll"] * 3
    rest = [record for _ in range(5) for record in polled(reading)[0]]

    assert rest == [(1, n) for n in range(500)]


def test_a_partition_that_went_and_came_back_is_read_from_its_committed_position(
    reading: Readers,
) -> None:
    Consumer.log.append(0, 8)
    reading.open(0)
    polled(reading)
    reading.close(0)
    assert polled(reading) == {0: [], 1: []}
    reading.open(0)

    assert polled(reading)[0] == [(0, 5), (0, 6), (0, 7)]
