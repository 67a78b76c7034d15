"""A kafka-python producer that has reached its topic."""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streamproc.kafka.errors import TopicError


def open_producer(topic: str, *, bootstrap_servers: str, **config: Any) -> Any:
    """Raises :class:`TopicError` if no broker answers or the topic cannot be written."""
    try:
        kafka = KafkaProducer(bootstrap_servers=bootstrap_servers, **config)
        kafka.partitions_for(topic)
    except KafkaError as error:
        raise TopicError(f"no writing to {topic} at {bootstrap_servers}: {error}") from error
    return kafka
