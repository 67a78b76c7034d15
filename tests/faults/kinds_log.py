"""Faults of what lies in the broker: offsets, changelog, input."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import NewTopic

from tests.faults.fleet import Slot
from tests.faults.kind import Parameters, RefusalError, kind
from tests.faults.life import Life
from tests.faults.observer import count_records
from tests.support.cluster import PARTITIONS
from tests.support.waiting import came

REFUSAL_SECONDS = 30.0
COMPACTION_SECONDS = 30.0
EMPTY_GROUP_SECONDS = 30.0
ANSWER_SECONDS = 10.0


def _how(*ways: str) -> Callable[[random.Random, Life], Parameters]:
    def draw(chance: random.Random, life: Life) -> Parameters:
        return {"how": chance.choice(ways)}

    return draw


@kind(_how("deleted", "beginning", "end"), mixes=False)
def group_offsets(life: Life, given: Parameters) -> None:
    """The group's offsets are deleted, or moved to where they must not be believed."""
    slots = life.fleet.running()
    for slot in slots:
        life.fleet.stop(slot)
    # Static members do not leave a group by themselves: it is empty after the session timeout.
    deadline = time.monotonic() + EMPTY_GROUP_SECONDS
    while True:
        try:
            _falsify_offsets(life, given["how"])
            break
        except (KafkaException, TimeoutError):  # librdkafka's answer may never come
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    life.mark()
    for slot in slots:
        life.fleet.start(slot)


def _falsify_offsets(life: Life, how: str) -> None:
    group = life.names.app_id
    if how == "deleted":
        for future in life.admin.delete_consumer_groups([group]).values():
            future.result(ANSWER_SECONDS)
        return
    ends = life.load.ends if how == "end" else dict.fromkeys(range(PARTITIONS), 0)
    places = [TopicPartition(life.names.events, number, at) for number, at in ends.items()]
    request = [ConsumerGroupTopicPartitions(group, places)]
    for future in life.admin.alter_consumer_group_offsets(request).values():
        future.result(ANSWER_SECONDS)


def _nothing(chance: random.Random, life: Life) -> Parameters:
    return {"kill": chance.random() < 0.5}


@kind(_nothing, mixes=False)
def compaction(life: Life, given: Parameters) -> None:
    """The changelog is compacted, then every worker loads it anew."""
    before = _compacted_away(life)
    life.change_topic(
        life.names.changelog,
        segment_ms="500",
        min_cleanable_dirty_ratio="0.01",
        delete_retention_ms="200",
        max_compaction_lag_ms="1000",
    )
    came(lambda: _compacted_away(life) > before, COMPACTION_SECONDS)
    given["compacted_away"] = _compacted_away(life) - before
    slots = life.fleet.running()
    for slot in slots:
        life.fleet.kill(slot) if given["kill"] else life.fleet.stop(slot)
    life.mark()
    for slot in slots:
        life.fleet.start(slot)


def _compacted_away(life: Life) -> int:
    """Changelog records that have been there and are not any more."""
    written = life.observer.changelog_records
    return written - count_records(life.cluster.bootstrap, life.names.changelog)


def _repeats(chance: random.Random, life: Life) -> Parameters:
    return {"records": chance.randrange(50, 4000)}


@kind(_repeats, brokers=0)
def producer_repeats(life: Life, given: Parameters) -> None:
    """A billing system writes its last events again, not knowing that they had arrived."""
    life.load.repeat(given["records"])


@kind(_repeats, brokers=0)
def producer_aborts(life: Life, given: Parameters) -> None:
    """A billing system writes events in a transaction and takes it back."""
    life.load.write_aborted(given["records"])


@kind(
    _how("empty", "refilled", "while running", "while frozen"),
    mixes=False,
    ends_life=True,
    rare=True,
)
def topic_recreated(life: Life, given: Parameters) -> None:
    """The input topic is deleted and created again: every worker must stop and say what to do.

    Workers that are frozen meanwhile do not notice while the new topic is shorter than the old one.
    """
    positions = list(life.observer.positions)
    slots = life.fleet.running()
    before, after = {
        "while running": (_leave, _leave),
        "while frozen": (_freeze, _resume),
    }.get(given["how"], (life.fleet.stop, life.fleet.start))
    for slot in slots:
        before(slot)
    life.load.pause()
    _recreate(life)
    if given["how"] != "empty":
        _fill(life, positions)
    for slot in slots:
        after(slot)
        slot.watched = False
    came(lambda: not any(slot.worker.is_alive for slot in slots), REFUSAL_SECONDS)
    for slot in slots:
        said = slot.worker.tail(200)
        if slot.worker.is_alive or not slot.worker.process or slot.worker.process.returncode == 0:
            raise RefusalError(f"slot {slot.number} did not stop:\n{said[-3000:]}")
        _, ended, why = said.rpartition("the worker has ended")
        if not ended or "created again" not in why or "--app-id" not in why:
            raise RefusalError(f"slot {slot.number} did not say what to do:\n{said[-3000:]}")


def _leave(_slot: Slot) -> None:
    """Let it run."""


def _freeze(slot: Slot) -> None:
    slot.worker.pause()


def _resume(slot: Slot) -> None:
    slot.worker.resume()


def _recreate(life: Life) -> None:
    for future in life.admin.delete_topics([life.names.events]).values():
        future.result(30)
    new = NewTopic(life.names.events, PARTITIONS, life.cluster.replication)
    deadline = time.monotonic() + 30
    while True:
        try:
            life.admin.create_topics([new])[life.names.events].result(30)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _fill(life: Life, positions: list[int]) -> None:
    """Other records, to beyond the positions that the state knows."""
    producer = Producer({"bootstrap.servers": life.cluster.bootstrap, "linger.ms": 20})
    for number, position in enumerate(positions):
        for _ in range(position + 500):
            producer.produce(life.names.events, b"{}", b"x", number, timestamp=1_767_225_600_000)
            producer.poll(0)
    producer.flush(60)
