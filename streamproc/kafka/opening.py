"""Opens a producer of kafka-python and waits until it has reached its topic."""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError

from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.settings import Broker


def open_producer(topic: str, broker: Broker, **options: Any) -> Any:
    """Raises :class:`TopicError` if no broker answers or the topic cannot be written."""
    try:
        kafka = kafka_producer(broker, **options)
        kafka.partitions_for(topic)
    except KafkaError as error:
        raise TopicError(f"cannot write to {topic} at {broker}: {error}") from error
    return kafka
