"""Checks before the start that all topics exist and fit together."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from streamproc.engine.errors import PERMISSIONS
from streamproc.errors import StreamprocError
from streamproc.kafka.aio_clients import aio_admin
from streamproc.kafka.probe import told_by_us, why_no_answer
from streamproc.worker.safety import (
    doubts,
    policy_problem,
    senders_clocks,
    tell_doubts,
    tell_senders_clocks,
    topic_configs,
)
from streamproc.worker.settings import WorkerSettings

NEW_TOPICS_SECONDS = 10.0


class TopicsError(StreamprocError):
    """The broker cannot be reached, or its topics cannot be used together."""


async def prepare_topics(settings: WorkerSettings) -> int:
    """Create missing topics; returns the number of partitions that all of them have.

    Raises :class:`TopicsError` if they differ: a subscriber's input, state and output must be in
    partitions with the same number.
    """
    admin: Any = aio_admin(settings.broker, request_timeout_ms=10_000)
    try:
        with told_by_us("aiokafka"):
            await admin.start()
        return await _prepare(admin, settings)
    except (KafkaError, OSError, TimeoutError) as error:
        raise TopicsError(await asyncio.to_thread(why_no_answer, settings.broker, error)) from error
    finally:
        await admin.close()


async def _prepare(admin: Any, settings: WorkerSettings) -> int:
    names = [*settings.topics.inputs, *settings.topics.outputs]
    counts = await _partition_counts(admin, [*names, settings.changelog])
    partitions = _the_one_count(counts) or settings.partitions
    if settings.embedded:
        return partitions
    missing = [name for name in names if name not in counts]
    if missing:
        await _create(admin, missing, partitions, settings)
        # Checked again, because another worker may have created them with another number.
        deadline = time.monotonic() + NEW_TOPICS_SECONDS
        while not set(names) <= counts.keys() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            counts = await _partition_counts(admin, [*names, settings.changelog])
        partitions = _the_one_count(counts) or partitions
    await _check_settings(admin, sorted(counts), settings)
    return partitions


async def _check_settings(admin: Any, topics: list[str], settings: WorkerSettings) -> None:
    """Refuse a changelog that would be deleted; warn about settings that can lose records with a
    broker."""
    changelog = settings.changelog
    configs = await topic_configs(admin, topics)
    if changelog in configs:
        problem = policy_problem(changelog, configs[changelog]["cleanup.policy"])
        if problem is not None:
            raise TopicsError(problem)
    if settings.clock == "wall":
        tell_senders_clocks(senders_clocks(settings.topics.read, configs))
    replicas = {
        topic["topic"]: min(len(one["replicas"]) for one in topic["partitions"])
        for topic in await admin.describe_topics(topics)
        if topic["partitions"]
    }
    tell_doubts(
        [
            doubt
            for topic, count in sorted(replicas.items())
            for doubt in doubts(topic, count, configs.get(topic, {}))
        ]
    )


def _the_one_count(counts: dict[str, int]) -> int | None:
    """The number of partitions of all existing topics; None if none exists; raises
    :class:`TopicsError`."""
    known = set(counts.values())
    if len(known) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        raise TopicsError(
            f"these topics must have the same number of partitions, but have {listed}. "
            f"Create them again with one number; adding partitions later moves subscribers"
        )
    return known.pop() if known else None


async def _partition_counts(admin: Any, names: list[str]) -> dict[str, int]:
    described = await admin.describe_topics(names)
    hidden = [
        topic["topic"]
        for topic in described
        if topic["error_code"] == TopicAuthorizationFailedError.errno
    ]
    if hidden:
        raise TopicsError(
            f"the broker does not let this worker's user see {', '.join(hidden)}; {PERMISSIONS}"
        )
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
    answer = await admin.create_topics(new)
    # aiokafka raises none of these. Another worker may start at the same time.
    problems = [
        f"{name}: {for_code(code).__name__}"
        for name, code, *_ in answer.topic_errors
        if code not in (0, TopicAlreadyExistsError.errno)
    ]
    if problems:
        raise TopicsError(
            f"could not create the topics {', '.join(names)} ({', '.join(problems)}); create them "
            f"by hand with {partitions} partitions, or let this worker's user create them"
        )


def _configs(name: str, settings: WorkerSettings) -> dict[str, str]:
    """Under the wall clock an event arrives when the broker gets it, whatever its sender's clock
    says: a sender whose clock runs ahead must not make timed reminders go out early. A replay
    brings its own time in the records.
    """
    if name in settings.topics.read and settings.clock == "wall":
        return {"message.timestamp.type": "LogAppendTime"}
    return {}


async def changelog_partitions(settings: WorkerSettings) -> int:
    """The number of partitions of the table's changelog; 0 if there is none. For tools.

    Raises :class:`TopicsError` if the broker does not answer or does not allow the question.
    """
    admin: Any = aio_admin(settings.broker, request_timeout_ms=10_000)
    try:
        with told_by_us("aiokafka"):
            await admin.start()
        counts = await _partition_counts(admin, [settings.changelog])
        return counts.get(settings.changelog, 0)
    except (KafkaError, OSError, TimeoutError) as error:
        raise TopicsError(await asyncio.to_thread(why_no_answer, settings.broker, error)) from error
    finally:
        await admin.close()
