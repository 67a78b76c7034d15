"""Headers whose names are not UTF-8, or without a value: neither a capture nor a replay nor the
dispatcher stops at them or loses anything.
"""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import TopicPartition

from streamproc.contracts.records.codec import encode_effect
from streamproc.kafka.any_headers import HeaderName
from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.producer import BulkProducer
from streamproc.kafka.topics import topic_facts
from tests.support.commands import run
from tests.support.dispatching import HEAD, PARTITIONS, DispatchScene, due

ODD = HeaderName(b"gr\xfcn")
HEADERS: tuple[list[tuple[str, bytes | None]], ...] = (
    [("green", b"x")],
    [(ODD, b"x"), ("none", None), ("", b"")],
    [],
    [("none", None)],
    [("green", b"1"), (ODD, None), (ODD, b"\xff")],
)
RECORDS = 500
SUBSCRIBER = b"8613800000001"

Row = tuple[bytes | None, bytes | None, int, list[tuple[bytes, bytes | None]]]


def new_topic(bootstrap: str) -> str:
    topic = f"headers-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=1)
    return topic


def rows(bootstrap: str, topic: str) -> list[Row]:
    """Everything a partition has, header names as on the wire."""
    place = TopicPartition(topic, 0)
    consumer = kafka_consumer(bootstrap, isolation_level="read_committed", metrics_enabled=False)
    found: list[Row] = []
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for one in consumer.poll(timeout_ms=200).get(place, []):
                headers = [(name.encode(), value) for name, value in one.headers]
                found.append((one.key, one.value, one.timestamp, headers))
    finally:
        consumer.close()
    return found


@pytest.fixture(scope="module")
def filled(bootstrap: str) -> str:
    topic = new_topic(bootstrap)
    with BulkProducer(bootstrap, topic, partitions=1) as producer:
        for number in range(RECORDS):
            headers = HEADERS[number % len(HEADERS)]
            producer.append(0, b"%d" % number, SUBSCRIBER, 1_767_225_600_000 + number, headers)
    return topic


def test_they_survive_a_capture_and_its_replay(bootstrap: str, filled: str, tmp_path: Path) -> None:
    recording, copy = tmp_path / "live.ndjson.zst", new_topic(bootstrap)
    run("record", filled, "--broker", bootstrap, "--out", recording,
        "--start", "earliest", "--to-end", "--quiet")  # fmt: skip
    run("replay", recording, "--broker", bootstrap, "--to", copy, "--quiet")

    original = rows(bootstrap, filled)
    assert len(original) == RECORDS
    assert original[1][3] == [(b"gr\xfcn", b"x"), (b"none", None), (b"", b"")]
    assert rows(bootstrap, copy) == original


def test_they_survive_a_replay_from_topic_to_topic(bootstrap: str, filled: str) -> None:
    copy = new_topic(bootstrap)
    run("replay", f"topic:{filled}", "--broker", bootstrap, "--to", copy, "--quiet")

    assert rows(bootstrap, copy) == rows(bootstrap, filled)


async def test_the_dispatcher_sends_what_carries_them(bootstrap: str, tmp_path: Path) -> None:
    gateway = "  - {name: archive, kind: file, path: sent.ndjson, messages_per_second: 1000}\n"
    with DispatchScene(bootstrap, tmp_path) as scene:
        await scene.prepare(HEAD + gateway)
        reminders = scene.names["reminders"]
        with BulkProducer(bootstrap, reminders, partitions=PARTITIONS) as producer:
            for number in range(20):
                headers = HEADERS[number % len(HEADERS)]
                now_ms = time.time_ns() // 1_000_000
                value = encode_effect(due(number, 1))
                producer.append(number % PARTITIONS, SUBSCRIBER, value, now_ms, headers)
        process = scene.start()
        found = await scene.settled(20)
        scene.stop(process)

    assert set(map(frozenset, found.values())) == {frozenset({"accepted"})}
    assert len((tmp_path / "sent.ndjson").read_bytes().splitlines()) == 20
