"""A header whose name no decoder reads stops neither its partition nor its event."""

from __future__ import annotations

from pathlib import Path

from kafka import KafkaProducer

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.kafka.any_headers import HeaderName
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.cluster import create_topic
from tests.support.scene import Scene

USAGE = WorkloadSettings(seed=3, events=2_000, subscribers=100)


async def test_events_with_unreadable_header_names_are_counted(
    bootstrap: str, tmp_path: Path
) -> None:
    scene = Scene(bootstrap, tmp_path)
    scene.settings = USAGE
    await create_topic(bootstrap, scene.names.events)
    worker = scene.worker("w1")
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4")
    sent = []
    for number, record in enumerate(generate(USAGE, default_rulebook())):
        key, value, at_ms = record
        headers = [(HeaderName(b"gr\xfcn" if number % 7 == 0 else b"green"), b"x")]
        place = 0 if key is None else None
        sent.append((record, producer.send(scene.names.events, value, key, headers, place, at_ms)))
    producer.close()
    for record, future in sent:
        at = future.get(10)
        scene.placed.append((at.partition, at.offset, record))
    try:
        await scene.finish()
    finally:
        if worker.is_alive:
            worker.kill()
