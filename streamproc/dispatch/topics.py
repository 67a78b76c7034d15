"""Checks that the dispatcher's topics exist and fit the reminders topic."""

from __future__ import annotations

from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streamproc.dispatch.settings import DispatchSettings
from streamproc.errors import StreamprocError
from streamproc.kafka.clients import kafka_admin
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.rights import TOPIC_AUTHORIZATION_FAILED, hidden_topic, said
from streamproc.kafka.settings import Broker


class DispatchError(StreamprocError):
    """The dispatcher cannot start; the message says what to do."""


def prepare_topics(settings: DispatchSettings) -> int:
    """Create missing topics; returns the number of partitions. Raises :class:`DispatchError`."""
    topics = settings.topics
    try:
        admin: Any = kafka_admin(settings.broker, bootstrap_timeout_ms=5_000)
    except KafkaError as error:
        raise DispatchError(why_no_answer(settings.broker, error)) from error
    try:
        partitions = _count(admin, settings.broker, topics.reminders)
        if not partitions:
            raise DispatchError(
                f"there is no topic {topics.reminders} at {settings.broker}: start a worker first "
                f"(it creates the topic), or correct --reminders"
            )
        for field, topic in topics.declared().items():
            name = topics.by_field()[field]
            wanted = topic.partitions or partitions
            configs = dict(topic.configs)
            count = _count(admin, settings.broker, name) or _create(
                admin, settings, name, wanted, configs
            )
            if topic.partitions is None and count != partitions:
                raise DispatchError(
                    f"the topic {name} has {count} partitions and {topics.reminders} has "
                    f"{partitions}; they must be equal: choose another name, or create it again"
                )
        _check_journal(admin, topics.journal)
        return partitions
    except KafkaError as error:
        raise DispatchError(f"topics at {settings.broker}: {said(error)}") from error
    finally:
        admin.close()


def _check_journal(admin: Any, topic: str) -> None:
    """If retention deletes the journal, it forgets which messages were sent. Raises
    :class:`DispatchError`.

    If this client may not read the settings, nothing is checked.
    """
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, ["cleanup.policy"])
    found = admin.describe_configs([resource], config_filter="all")
    policy = found["topic"].get(topic, {}).get("cleanup.policy", {}).get("value", "compact")
    if "delete" in policy.split(","):
        raise DispatchError(
            f"the topic {topic} has cleanup.policy={policy}: what was sent would be forgotten, and "
            f"sent again; set cleanup.policy=compact, or name another journal with --journal"
        )


def _count(admin: Any, broker: Broker, topic: str) -> int:
    (found,) = admin.describe_topics([topic])
    if found["error_code"] == TOPIC_AUTHORIZATION_FAILED:
        raise DispatchError(hidden_topic(broker, topic))
    return 0 if found["error_code"] else len(found["partitions"])


def _create(
    admin: Any, settings: DispatchSettings, topic: str, partitions: int, configs: dict[str, str]
) -> int:
    wanted = {
        "num_partitions": partitions,
        "replication_factor": settings.replication_factor,
        "configs": configs,
    }
    try:
        admin.create_topics({topic: wanted})
    except TopicAlreadyExistsError:
        return _count(admin, settings.broker, topic)  # another dispatcher starts at the same time
    return partitions
