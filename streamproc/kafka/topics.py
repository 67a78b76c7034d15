"""What a broker says of topics; makes a topic that is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError
from kafka.protocol.consumer import IsolationLevel

from streamproc.kafka.clients import kafka_admin
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import Lack, MissingRightError, Needs, check_rights, said
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.settings import Broker

BATCH_BYTES = 800_000
NEW_TOPIC_LIMIT_SECONDS = 30.0
NOTHING: Needs = MappingProxyType({})

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
    topic_id: UUID | None = None
    """Another one if the topic was deleted and created again; None before Kafka 2.8."""


@dataclass(frozen=True)
class NewTopic:
    """A topic to be made."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


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
    operations: Collection[str] = (),
    create_partitions: int | None = None,
    replication_factor: int = 1,
    configs: Mapping[str, str] = ANY_TIME,
    before_creating: Callable[[], None] | None = None,
    **settings: Any,
) -> TopicFacts:
    """The facts of ``topic``. It is created first if it is missing and ``create_partitions`` is a
    number.

    ``before_creating`` raises what would end the work later: then no topic is made for nothing.
    Raises :class:`TopicError` if the broker does not answer, the topic does not exist, or one of
    the ``operations`` on it is not allowed.
    """
    admin = open_admin(bootstrap, **settings)
    try:
        count = partition_count(admin, topic, bootstrap, operations)
        if not count and create_partitions is not None:
            if before_creating is not None:
                before_creating()
            made = _create(admin, topic, create_partitions, replication_factor, configs)
            try:
                count = _await_topic(admin, topic, bootstrap, operations)
            except MissingRightError as error:
                # Brokers tell the rights on a topic when there is one.
                if made and not _removed(admin, topic):
                    error.args = (f"{error}. The topic {topic} was made and stays empty",)
                raise
        if not count:
            raise TopicError(
                f"there is no topic {topic} at {bootstrap}; correct the name, or create it with "
                f"`streamproc topics create`"
            )
        return _facts(admin, topic, count)
    except KafkaError as error:
        raise TopicError(said(error, bootstrap, place=f"topic {topic}")) from error
    finally:
        admin.close()


def readable_partitions(broker: Broker, topic: str) -> list[int]:
    """The numbers of the partitions of a topic, which this client's user may read; none if there
    is no such topic.

    Raises :class:`TopicError` if no broker answers, :class:`MissingRightError`.
    """
    admin = open_admin(broker)
    try:
        return list(range(partition_count(admin, topic, broker, ("Read",))))
    except KafkaError as error:
        raise TopicError(said(error, broker, place=f"topic {topic}")) from error
    finally:
        admin.close()


def partition_count(
    admin: Any, topic: str, broker: Broker, operations: Collection[str] = ()
) -> int:
    """The number of partitions; 0 if there is no such topic.

    Raises :class:`MissingRightError` if this client's user may not see it, or one of the
    ``operations`` is not allowed.
    """
    (found,) = admin.describe_topics([topic])
    check_rights(broker, [found], {topic: operations})
    return 0 if found["error_code"] else len(found["partitions"])


def find_topics(
    admin: Any,
    broker: Broker,
    names: Iterable[str],
    settings: Iterable[str] = (),
    needs: Needs = NOTHING,
) -> dict[str, FoundTopic]:
    """Those of the topics that exist, with these of their settings.

    Raises :class:`MissingRightError` if one may not be seen or not be used as ``needs`` says, and
    KafkaError.
    """
    described = {one["name"]: one for one in admin.describe_topics(list(dict.fromkeys(names)))}
    check_rights(broker, described.values(), needs)
    there = [name for name, one in described.items() if not one["error_code"] and one["partitions"]]
    configs = topic_configs(admin, there, settings)
    return {
        name: FoundTopic(
            len(described[name]["partitions"]),
            min(len(one["replica_nodes"]) for one in described[name]["partitions"]),
            configs.get(name, {}),
            _id_of(described[name]),
        )
        for name in there
    }


def _id_of(described: Mapping[str, Any]) -> UUID | None:
    found = described.get("topic_id")
    # An old broker leaves it out, and then the client gives zero.
    return found if isinstance(found, UUID) and found.int else None


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


def make_topics(admin: Any, broker: Broker, wanted: Mapping[str, NewTopic]) -> None:
    """Make topics and wait until they are there; one that somebody else made meanwhile is left.

    Raises :class:`MissingRightError` before any is made, and :class:`TopicError` with all that the
    broker refuses.
    """
    _try_to_make(admin, broker, wanted)
    problems = []
    for name, one in wanted.items():
        try:
            _create(admin, name, one.partitions, one.replication_factor, one.configs)
        except KafkaError as error:
            problems.append(f"{name}: {said(error, broker)}")
    if problems:
        raise TopicError(f"could not make topics ({'; '.join(problems)})")
    deadline = time.monotonic() + NEW_TOPIC_LIMIT_SECONDS
    while missing := wanted.keys() - find_topics(admin, broker, wanted).keys():
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


def committed_ends(admin: Any, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset after the last readable record of each place (topic and partition). Raises
    KafkaError if one is not known at the moment."""
    asked = [TopicPartition(*place) for place in places]
    if not asked:
        return {}
    found = admin.list_partition_offsets(
        dict.fromkeys(asked, OffsetSpec.LATEST), isolation_level=IsolationLevel.READ_COMMITTED
    )
    return {(place.topic, place.partition): one.offset for place, one in found.items()}


def _try_to_make(admin: Any, broker: Broker, wanted: Mapping[str, NewTopic]) -> None:
    """Ask the broker which of the topics this user may make, without making one."""
    lacks = []
    for name, one in wanted.items():
        try:
            _create(admin, name, one.partitions, one.replication_factor, one.configs, only_try=True)
        except TopicAuthorizationFailedError:
            lacks.append(Lack("Create", "topic", name))
        except KafkaError:
            pass  # making it gives the same error, among all others
    if lacks:
        raise MissingRightError(broker, lacks)


def _create(
    admin: Any,
    topic: str,
    partitions: int,
    replication: int,
    configs: Mapping[str, str],
    only_try: bool = False,
) -> bool:
    """Make a topic; False if another process has made it."""
    wanted = {
        topic: {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": dict(configs),
        }
    }
    try:
        admin.create_topics(wanted, validate_only=only_try)
    except TopicAlreadyExistsError:
        return False
    return True


def _removed(admin: Any, topic: str) -> bool:
    """Take an empty topic away again, if this client's user may."""
    try:
        admin.delete_topics([topic])
    except KafkaError:
        return False
    return True


def _await_topic(admin: Any, topic: str, broker: Broker, operations: Collection[str]) -> int:
    deadline = time.monotonic() + NEW_TOPIC_LIMIT_SECONDS
    while time.monotonic() < deadline:
        count = partition_count(admin, topic, broker, operations)
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
