"""Making sure, before anything starts, that the topics exist and fit together."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from streamproc.app.settings import WorkerSettings


class TopicsError(RuntimeError):
    """The broker cannot be reached, or its topics cannot be used together."""


async def prepare_topics(settings: WorkerSettings) -> int:
    """Create missing topics; returns the number of partitions all of them have.

    Raises :class:`TopicsError` if they differ: a subscriber's input, state and output must lie in
    partitions of the same number.
    """
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=settings.broker, request_timeout_ms=10_000)
    try:
        await admin.start()
    except KafkaError as error:
        await admin.close()
        raise TopicsError(
            f"no Kafka broker answers at {settings.broker}; start it or correct --broker"
        ) from error
    try:
        names = [*settings.topics.inputs, *settings.topics.outputs]
        counts = await _partition_counts(admin, names)
        known = set(counts.values())
        if len(known) > 1:
            listed = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
            raise TopicsError(
                f"these topics must have the same number of partitions, but have {listed}. "
                f"Create them anew with one number; adding partitions later moves subscribers"
            )
        partitions = known.pop() if known else settings.partitions
        missing = [name for name in names if name not in counts]
        if missing and not settings.embedded:
            await _create(admin, missing, partitions, settings)
        return partitions
    finally:
        await admin.close()


async def _partition_counts(admin: Any, names: list[str]) -> dict[str, int]:
    described = await admin.describe_topics(names)
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if not topic["error_code"] and topic["partitions"]
    }


async def _create(admin: Any, names: list[str], partitions: int, settings: WorkerSettings) -> None:
    new = [
        NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=settings.replication_factor,
            topic_configs=_configs(name, settings),
        )
        for name in names
    ]
    try:
        await admin.create_topics(new)
    except TopicAlreadyExistsError:
        pass  # another worker starts at the same time
    except KafkaError as error:
        raise TopicsError(
            f"could not create the topics {', '.join(names)}: {error}; create them by hand with "
            f"{partitions} partitions"
        ) from error


def _configs(name: str, settings: WorkerSettings) -> dict[str, str]:
    """Under the wall clock an event arrives when the broker gets it, whatever its sender's clock
    says: a sender whose clock runs ahead must not make timed reminders go out early. A replay
    brings its own time in the records.
    """
    if name in settings.topics.inputs and settings.clock == "wall":
        return {"message.timestamp.type": "LogAppendTime"}
    return {}
