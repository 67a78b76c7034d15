"""What a broker says of topics; makes a topic that is missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streamproc.kafka.clients import kafka_admin
from streamproc.kafka.errors import TopicError
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.rights import TOPIC_AUTHORIZATION_FAILED, hidden_topic, said
from streamproc.kafka.settings import Broker

BATCH_BYTES = 800_000
NEW_TOPIC_LIMIT_SECONDS = 10.0

#: Topics for replays carry any time: a future one is refused by default from an hour on, and an old
#: one is deleted.
ANY_TIME = {
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "cleanup.policy": "delete",
    "retention.ms": "-1",
}


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


@dataclass(frozen=True)
class FoundTopic:
    """A topic as the broker has it."""

    partitions: int
    replicas: int
    """The smallest number of any partition."""
    configs: Mapping[str, str]
    """Settings by name; empty if they may not be asked for."""


@dataclass(frozen=True)
class NewTopic:
    """A topic to be made."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


class HiddenTopicError(TopicError):
    """The broker does not let this user see topics."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(
            f"the broker does not let this client's user see {', '.join(sorted(topics))}; allow it "
            f"Describe, and Read or Write, on them"
        )
        self.topics = topics


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
                f"there is no topic {topic} at {bootstrap}; correct the name, or create it with "
                f"`streamproc topics create`"
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


def find_topics(
    admin: Any, names: Iterable[str], settings: Iterable[str] = ()
) -> dict[str, FoundTopic]:
    """Those of the topics that exist, with these of their settings.

    Raises :class:`HiddenTopicError`, KafkaError.
    """
    described = {one["name"]: one for one in admin.describe_topics(list(dict.fromkeys(names)))}
    hidden = [
        name for name, one in described.items() if one["error_code"] == TOPIC_AUTHORIZATION_FAILED
    ]
    if hidden:
        raise HiddenTopicError(hidden)
    there = [name for name, one in described.items() if not one["error_code"] and one["partitions"]]
    configs = topic_configs(admin, there, settings)
    return {
        name: FoundTopic(
            len(described[name]["partitions"]),
            min(len(one["replica_nodes"]) for one in described[name]["partitions"]),
            configs.get(name, {}),
        )
        for name in there
    }


def topic_configs(
    admin: Any, topics: Iterable[str], settings: Iterable[str]
) -> dict[str, dict[str, str]]:
    """These settings by topic; topics that may not be asked about have none."""
    wanted = list(settings)
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic, wanted) for topic in topics]
    if not resources or not wanted:
        return {}
    described = admin.describe_configs(resources, config_filter="all")
    return {
        topic: {
            name: entry["value"] for name, entry in entries.items() if entry["value"] is not None
        }
        for topic, entries in described.get("topic", {}).items()
    }


def make_topics(admin: Any, wanted: Mapping[str, NewTopic]) -> None:
    """Make topics and wait until they are there; one that somebody else made meanwhile is left.

    Raises :class:`TopicError` with all that the broker refuses.
    """
    problems = []
    for name, one in wanted.items():
        try:
            _create(admin, name, one.partitions, one.replication_factor, one.configs)
        except KafkaError as error:
            problems.append(f"{name}: {said(error)}")
    if problems:
        raise TopicError(f"could not make topics ({'; '.join(problems)})")
    deadline = time.monotonic() + NEW_TOPIC_LIMIT_SECONDS
    while missing := wanted.keys() - find_topics(admin, wanted).keys():
        if time.monotonic() > deadline:
            raise TopicError(f"made, and not there yet: {', '.join(sorted(missing))}; try again")
        time.sleep(0.05)


def end_offsets(admin: Any, topics: Mapping[str, int]) -> dict[str, list[int]]:
    """The end of each partition, by topic. ``topics``: their numbers of partitions."""
    places = [
        TopicPartition(name, number) for name, count in topics.items() for number in range(count)
    ]
    found = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)) if places else {}
    ends: dict[str, list[int]] = {name: [0] * count for name, count in topics.items()}
    for place, one in found.items():
        ends[place.topic][place.partition] = one.offset
    return ends


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
        with closing(open_admin(broker)) as admin:
            find_topics(admin, [topic])
    except HiddenTopicError:
        return True
    except (KafkaError, TopicError):
        pass
    return False


def _await_topic(admin: Any, topic: str, broker: Broker) -> int:
    deadline = time.monotonic() + NEW_TOPIC_LIMIT_SECONDS
    while time.monotonic() < deadline:
        count = partition_count(admin, topic, broker)
        if count:
            return count
        time.sleep(0.05)
    return 0


def _facts(admin: Any, topic: str, partitions: int) -> TopicFacts:
    wanted = ("max.message.bytes", "message.timestamp.type")
    values = topic_configs(admin, [topic], wanted).get(topic, {})
    return TopicFacts(
        partitions=partitions,
        max_message_bytes=int(values.get("max.message.bytes") or 1_048_588),
        log_append_time=values.get("message.timestamp.type") == "LogAppendTime",
    )
