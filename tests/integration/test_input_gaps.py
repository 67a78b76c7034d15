"""Offsets that no record has: nothing is said of an aborted transaction, all of lost input."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.test_verify import verify
from tests.support.cluster import create_topic, produce_to_partitions, wait_until_consumed
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

NOW_MS = 1_767_225_600_000
REJECTED = b"{}"
"""A record that leaves a mark of its own: a reject."""


async def abort_transactions(scene: Scene, count: int) -> None:
    """A billing system that gives up what it had begun to write to partition 1."""
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=scene.bootstrap, transactional_id=f"billing-{scene.names.app_id}"
    )
    await producer.start()
    try:
        for _ in range(count):
            await producer.begin_transaction()
            for number in range(3):
                await producer.send_and_wait(
                    scene.names.events, key=b"k", value=b"%d" % number, partition=1
                )
            await producer.abort_transaction()
            await asyncio.sleep(0.3)  # so that each is in a fetch of its own
    finally:
        await producer.stop()


async def test_an_aborted_transaction_of_somebody_else_is_no_news(scene: Scene) -> None:
    await create_topic(scene.bootstrap, scene.names.events)
    worker = scene.worker("w1")
    wait_for_words(worker, "input flows")
    record = (1, (b"k", REJECTED, NOW_MS))
    await produce_to_partitions(scene.bootstrap, scene.names.events, [record])
    for _ in range(2):
        await abort_transactions(scene, 2)
        await produce_to_partitions(scene.bootstrap, scene.names.events, [record])
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    said = worker.log.read_text()
    assert worker.stop() == 0
    told = [line for line in said.splitlines() if "again" in line or "before it was read" in line]
    assert told == []


async def set_topic(scene: Scene, topic: str, **settings: str) -> None:
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": scene.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


async def offsets_of(scene: Scene, partition: int, topic: str = "") -> list[int]:
    """The offsets that the log still has."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=scene.bootstrap, group_id=None)
    await consumer.start()
    try:
        tp = TopicPartition(topic or scene.names.events, partition)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        end = (await consumer.end_offsets([tp]))[tp]
        found: list[int] = []
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [one.offset for one in records]
        return found
    finally:
        await consumer.stop()


async def test_what_compaction_removed_before_it_was_read_is_told(scene: Scene) -> None:
    await create_topic(scene.bootstrap, scene.names.events)
    worker = scene.worker("w1", "--session-timeout-seconds", "45")
    wait_for_words(worker, "input flows")
    record = (2, (b"same", REJECTED, NOW_MS))
    await produce_to_partitions(scene.bootstrap, scene.names.events, [record])
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    worker.pause()
    topics = scene.names.events, scene.names.reminders
    for topic in topics:
        await produce_to_partitions(scene.bootstrap, topic, [record] * 50)
        await set_topic(
            scene,
            topic,
            cleanup_policy="compact",
            segment_ms="1",
            min_cleanable_dirty_ratio="0",
        )
    later_ms = NOW_MS
    deadline = asyncio.get_running_loop().time() + 60
    while max([len(await offsets_of(scene, 2, topic)) for topic in topics]) > 20:
        assert asyncio.get_running_loop().time() < deadline, "not compacted"
        # A segment ends when a record comes that is so much later than its first one.
        later_ms += 60_000
        filler = (2, (b"same", REJECTED, later_ms))
        for topic in topics:
            await produce_to_partitions(scene.bootstrap, topic, [filler])
        await asyncio.sleep(0.5)  # and looks again
    end = (await offsets_of(scene, 2))[-1] + 1
    worker.resume()
    wait_for_words(worker, "the topic is or was compacted")
    found = re.search(r"lost_records=(\d+)", worker.log.read_text())
    assert found is not None
    read = [offset for offset in await offsets_of(scene, 2) if 1 <= offset < end]
    assert int(found[1]) >= (end - 1) - len(read) - 20
    assert int(found[1]) <= end

    # The topic of reminders has a right setting again, and they are missing all the same.
    await set_topic(scene, scene.names.reminders, cleanup_policy="delete")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    code, told = verify(scene)
    assert code == 3, told
    assert f"critical: {scene.names.events} has cleanup.policy=compact" in told
    for topic in topics:
        assert re.search(rf"critical: \d+ records of {topic} are missing from offset \d+ on", told)
    assert f"{scene.names.reminders} has cleanup.policy" not in told
    assert "2 critical: records were lost or will be" in told
