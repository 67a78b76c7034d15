"""Input of every kind of batch, with and without the compiled part, which walks it: each committed
event counts once, no aborted one does."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings, generate
from streamproc.worker.settings import Native
from tests.support.cluster import create_topic
from tests.support.compiled import IS_NATIVE
from tests.support.scene import Scene

USAGE = WorkloadSettings(seed=4, events=1_200, subscribers=60)
CODECS = (None, "gzip", "snappy", "lz4", "zstd")
TRACE = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
HEADERS: tuple[list[tuple[str, bytes]], ...] = ([], [], [], TRACE, [("green", b"x")])
UNREADABLE = (b"{", None, b"\xff")


def input_records() -> Iterable[WorkloadRecord]:
    """A month of usage, and among it records that nobody can read."""
    for number, record in enumerate(generate(USAGE, default_rulebook())):
        yield record
        if number % 50 == 0:
            value = UNREADABLE[number // 50 % len(UNREADABLE)]
            yield WorkloadRecord(record.key, value, record.timestamp_ms)


async def write(scene: Scene, producers: list[Any]) -> None:
    """Each transaction by another producer; of every third one a part is aborted before it."""
    topic, headers = scene.names.events, cycle(HEADERS)
    producer_of = cycle(producers)
    everything = list(input_records())
    for number, begin in enumerate(range(0, len(everything), 150)):
        records = everything[begin : begin + 150]
        producer = next(producer_of)
        if number % 3 == 2:
            await producer.begin_transaction()
            for key, value, at_ms in records[:40]:
                await producer.send(topic, value, key, None, at_ms)
            await producer.flush()
            await producer.abort_transaction()
        await producer.begin_transaction()
        sent = []
        for record in records:
            key, value, at_ms = record
            place = 0 if key is None else None
            sent.append(await producer.send(topic, value, key, place, at_ms, next(headers)))
        await producer.commit_transaction()
        for record, future in zip(records, sent, strict=True):
            at = await future
            scene.placed.append((at.partition, at.offset, record))


@pytest.mark.parametrize("native", ["on", "off"] if IS_NATIVE else ["off"])
async def test_input_of_every_kind_of_batch_counts_once(
    bootstrap: str, tmp_path: Path, native: Native
) -> None:
    scene = Scene(bootstrap, tmp_path)
    scene.settings = USAGE
    await create_topic(bootstrap, scene.names.events)
    worker = scene.worker("w1", "--native", native)
    producers: list[Any] = [
        AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"{scene.names.app_id}-{codec}",
            compression_type=codec,
        )
        for codec in CODECS
    ]
    for producer in producers:
        await producer.start()
    try:
        await write(scene, producers)
    finally:
        for producer in producers:
            await producer.stop()
    try:
        await scene.finish()
    finally:
        if worker.is_alive:
            worker.kill()
