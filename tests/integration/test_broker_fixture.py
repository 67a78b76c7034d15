"""The tests' broker does what the rest of the suite relies on."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    TopicPartition,
)
from kafka.admin import NewTopic


@pytest.fixture
def topic(bootstrap: str) -> str:
    """A new topic of one partition."""
    name = f"fixture-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(name=name, num_partitions=1, replication_factor=1)])
    finally:
        admin.close()
    return name


def test_what_is_produced_is_consumed(bootstrap: str, topic: str) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    sent = producer.send(topic, key=b"k", value=b"v").get(timeout=10)
    producer.close()
    assert sent.offset == 0

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    try:
        polled = consumer.poll(timeout_ms=10_000)
    finally:
        consumer.close()
    assert [(r.key, r.value) for rs in polled.values() for r in rs] == [(b"k", b"v")]


def test_read_committed_sees_only_committed_transactions(bootstrap: str, topic: str) -> None:
    assert asyncio.run(_transactions(bootstrap, topic)) == [b"committed-1", b"committed-2"]


async def _transactions(bootstrap: str, topic: str) -> list[bytes]:
    """Commit, abort, commit; then what a read_committed group member reads."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"tx-{topic}")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed-1")
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed-2")
    finally:
        await producer.stop()

    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"group-{topic}",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        # In a closed order: an aborted record, if seen, would be the second.
        return [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(2)]
    finally:
        await consumer.stop()
