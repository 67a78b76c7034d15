"""The embedded broker carries records between the clients that the program uses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer
from kafka import KafkaConsumer, KafkaProducer

from streamproc.lab.embedded_broker import EmbeddedBroker
from tests.support.waiting import LIMIT_SECONDS

VALUES = {b"one", b"two", b"three"}


@pytest.fixture
def embedded() -> Iterator[str]:
    """The address of an embedded broker whose topic ``t`` holds VALUES."""
    with EmbeddedBroker() as broker:
        broker.make_topics(["t"])
        producer = KafkaProducer(
            bootstrap_servers=broker.bootstrap, **EmbeddedBroker.kafka_python_settings
        )
        for value in VALUES:
            producer.send("t", value=value, key=value).get(timeout=10)
        producer.close()
        yield broker.bootstrap


def test_it_listens_on_loopback_only_while_open() -> None:
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), 5).close()
    assert broker.bootstrap == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 5)


def test_a_group_member_reads_what_was_produced(embedded: str) -> None:
    consumer = KafkaConsumer(
        "t",
        bootstrap_servers=embedded,
        group_id="g",
        auto_offset_reset="earliest",
        # The mock takes the session timeout for a rebalance, which the client may need here.
        session_timeout_ms=3000,
        heartbeat_interval_ms=1000,
        **EmbeddedBroker.kafka_python_settings,
    )
    try:
        seen: set[bytes] = set()
        deadline = time.monotonic() + LIMIT_SECONDS
        while seen != VALUES and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                seen.update(record.value for record in records)
        assert seen == VALUES
        assert len(consumer.partitions_for_topic("t")) == 4
    finally:
        consumer.close()


def test_aiokafka_reads_what_was_produced(embedded: str) -> None:
    async def read() -> set[bytes]:
        # No settings: this is how the engine's own client connects.
        consumer = AIOKafkaConsumer(
            "t", bootstrap_servers=embedded, group_id="a", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            return {
                (await asyncio.wait_for(consumer.getone(), LIMIT_SECONDS)).value for _ in VALUES
            }
        finally:
            await consumer.stop()

    assert asyncio.run(read()) == VALUES
