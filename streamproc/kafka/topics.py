"""Creates a topic if it is missing, and reads its limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streamproc.kafka.clients import kafka_admin
from streamproc.kafka.errors import TopicError
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.rights import TOPIC_AUTHORIZATION_FAILED, hidden_topic, said
from streamproc.kafka.settings import Broker

BATCH_BYTES = 800_000
NEW_TOPIC_LIMIT_SECONDS = 10.0

# Replays write records with past and future times. By default a broker refuses a time that is more
# than an hour in the future.
ANY_TIME = {"message.timestamp.after.max.ms": str(2**63 - 1)}


@dataclass(frozen=True)
class TopicFacts:
    """What a writer must know about a topic."""

    partitions: int
    max_message_bytes: int
    log_append_time: bool
    """Whether the broker replaces record timestamps."""

    @property
    def batch_bytes(self) -> int:
        """A batch size that the topic accepts even if nothing can be compressed."""
        return min(BATCH_BYTES, self.max_message_bytes * 3 // 4)


def open_admin(bootstrap: Broker, **settings: Any) -> Any:
    """Open an admin client. Raises :class:`TopicError` if no broker answers."""
    try:
        return kafka_admin(bootstrap, **{"bootstrap_timeout_ms": 5_000, **settings})
    except KafkaError as error:
        raise TopicError(why_no_answer(bootstrap, error)) from error


def topic_facts(
    bootstrap: Broker,
    topic: str,
    *,
    create_partitions: int | None = None,
    replication_factor: int = 1,
    configs: Mapping[str, str] = ANY_TIME,
    **settings: Any,
) -> TopicFacts:
    """The facts of ``topic``. It is created first if it is missing and ``create_partitions`` is a
    number.

    Raises :class:`TopicError` if the broker does not answer or the topic does not exist.
    """
    admin = open_admin(bootstrap, **settings)
    try:
        count = partition_count(admin, topic, bootstrap)
        if not count and create_partitions is not None:
            _create(admin, topic, create_partitions, replication_factor, configs)
            count = _await_topic(admin, topic, bootstrap)
        if not count:
            raise TopicError(
                f"there is no topic {topic} at {bootstrap}; create it or correct the name"
            )
        return _facts(admin, topic, count)
    except KafkaError as error:
        raise TopicError(f"topic {topic} at {bootstrap}: {said(error)}") from error
    finally:
        admin.close()


def partition_count(admin: Any, topic: str, broker: Broker) -> int:
    """The number of partitions; 0 if there is no such topic.

    Raises :class:`TopicError` if this client's user may not see it.
    """
    (found,) = admin.describe_topics([topic])
    if found["error_code"] == TOPIC_AUTHORIZATION_FAILED:
        raise TopicError(hidden_topic(broker, topic))
    return 0 if found["error_code"] else len(found["partitions"])


def _create(
    admin: Any,
    topic: str,
    partitions: int,
    replication: int,
    configs: Mapping[str, str],
) -> None:
    wanted = {
        topic: {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": dict(configs),
        }
    }
    try:
        admin.create_topics(wanted)
    except TopicAlreadyExistsError:
        return  # another process has created it


def is_hidden(broker: Broker, topic: str) -> bool:
    """Whether a topic exists but this client's user may not see it."""
    try:
        admin = open_admin(broker)
        try:
            (found,) = admin.describe_topics([topic])
        finally:
            admin.close()
    except (KafkaError, TopicError):
        return False
    return bool(found["error_code"] == TOPIC_AUTHORIZATION_FAILED)


def _await_topic(admin: Any, topic: str, broker: Broker) -> int:
    deadline = time.monotonic() + NEW_TOPIC_LIMIT_SECONDS
    while time.monotonic() < deadline:
        count = partition_count(admin, topic, broker)
        if count:
            return count
        time.sleep(0.05)
    return 0


def _facts(admin: Any, topic: str, partitions: int) -> TopicFacts:
    described = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, None)], config_filter="all"
    )
    values: dict[str, str] = {}
    for resources in described.values():
        for name, entry in resources.get(topic, {}).items():
            values[name] = entry["value"]
    return TopicFacts(
        partitions=partitions,
        max_message_bytes=int(values.get("max.message.bytes") or 1_048_588),
        log_append_time=values.get("message.timestamp.type") == "LogAppendTime",
    )
