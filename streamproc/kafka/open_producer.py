"""Opens a producer of kafka-python and waits until it has reached its topic."""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError

from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.errors import MissingTopicError, TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.probe import is_reachable, why_no_answer
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import open_admin, partition_count


def open_producer(topic: str, broker: Broker, **options: Any) -> Any:
    """Open a producer. Raises :class:`TopicError` if no broker answers or the topic cannot be
    written."""
    _look_for(topic, broker, options)
    try:
        kafka = kafka_producer(broker, **options)
        kafka.partitions_for(topic)
    except KafkaError as error:
        raise TopicError(_why_not(topic, broker, error)) from error
    return kafka


def _why_not(topic: str, broker: Broker, error: KafkaError) -> str:
    """The reason why the producer could not be opened. The library reports a time-out for every
    reason."""
    if not is_reachable(broker):
        return f"cannot write to {topic} at {broker}: {why_no_answer(broker, error)}"
    return said(error, broker, "Write", f"cannot write to {topic}")


def _look_for(topic: str, broker: Broker, options: dict[str, Any]) -> None:
    """The producer would wait for a topic that does not exist, and not say what it waits for."""
    names = ("bootstrap_timeout_ms", "api_version")
    admin = open_admin(broker, **{name: options[name] for name in names if name in options})
    try:
        if not partition_count(admin, topic, broker, ("Write",)):
            raise MissingTopicError(
                f"there is no topic {topic} at {broker}; correct the name, or create it with "
                f"`streamproc topics create`"
            )
    except KafkaError as error:
        raise TopicError(said(error, broker, "Write", f"cannot write to {topic}")) from error
    finally:
        admin.close()
