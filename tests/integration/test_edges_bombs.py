"""Batches that unpack to much more than they have are rejected; the partition continues."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import KafkaProducer

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.engine.cluster import UnreadBatch
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings, generate
from streamproc.worker.virtual import InputRecord
from tests.support.cluster import create_topic
from tests.support.scene import Scene

USAGE = WorkloadSettings(seed=3, events=1_000, subscribers=50)
BOMB = bytes(4 << 20)
"""Packed to some hundred bytes."""
FAULT = "a batch of 1 records unpacks to more than 500 times its size; none of them is read"


def expected_record(
    topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, at_ms: int
) -> InputRecord | UnreadBatch:
    if value == BOMB:
        return UnreadBatch(offset, at_ms, FAULT)
    return InputRecord(topic, partition, offset, key, value, at_ms)


async def test_what_unpacks_to_much_is_rejected_and_the_rest_is_counted(
    bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.expectation.InputRecord", expected_record)
    scene = Scene(bootstrap, tmp_path)
    scene.settings = USAGE
    await create_topic(bootstrap, scene.names.events)
    worker = scene.worker("w1")
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type="zstd", max_request_size=8 << 20
    )
    sent = []
    partitions = sorted(producer.partitions_for(scene.names.events))
    for number, record in enumerate(generate(USAGE, default_rulebook())):
        key, value, at_ms = record
        if number % 100 == 50:
            for place in partitions:
                bomb = WorkloadRecord(None, BOMB, at_ms)
                future = producer.send(scene.names.events, BOMB, None, [], place, at_ms)
                producer.flush()  # a batch of its own, not in one with events
                sent.append((bomb, future))
        place = 0 if key is None else None
        sent.append((record, producer.send(scene.names.events, value, key, [], place, at_ms)))
    producer.close()
    for record, future in sent:
        at = future.get(10)
        scene.placed.append((at.partition, at.offset, record))
    try:
        await scene.finish()
    finally:
        if worker.is_alive:
            worker.kill()
