"""Topics are made as the worker needs them, and refused if they do not fit together."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from streamproc.contracts.topics import WorkerTopics
from streamproc.worker.settings import Clock, WorkerSettings
from streamproc.worker.topics import TopicsError, prepare_topics
from tests.support.ports import free_port


def settings_of(bootstrap: str, clock: Clock = "wall") -> WorkerSettings:
    app = f"t{uuid4().hex[:8]}"
    topics = WorkerTopics.under(f"{app}.", inputs=(f"{app}.events",))
    return WorkerSettings(bootstrap, app, topics=topics, partitions=3, clock=clock)


async def timestamp_type(bootstrap: str, topic: str) -> str:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {"message.timestamp.type": None})
        (answer,) = await admin.describe_configs([wanted])
        (resource,) = answer.resources
        return str(resource[4][0][1])
    finally:
        await admin.close()


@pytest.mark.parametrize(("clock", "kind"), [("wall", "LogAppendTime"), ("event", "CreateTime")])
async def test_missing_topics_are_made_with_the_clocks_timestamps(
    bootstrap: str, clock: Clock, kind: str
) -> None:
    settings = settings_of(bootstrap, clock)

    assert await prepare_topics(settings) == 3
    assert await prepare_topics(settings) == 3
    assert await timestamp_type(bootstrap, settings.topics.inputs[0]) == kind
    assert await timestamp_type(bootstrap, settings.topics.reminders) == "CreateTime"


@pytest.mark.parametrize(("clock", "warnings"), [("wall", 1), ("event", 0)])
async def test_input_with_its_senders_time_is_told_under_the_wall_clock(
    bootstrap: str, clock: Clock, warnings: int
) -> None:
    settings = settings_of(bootstrap, clock)
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(settings.topics.inputs[0], 3, 1)])
    finally:
        await admin.close()

    with capture_logs() as logs:
        await prepare_topics(settings)
    told = [line for line in logs if "sender's clock" in line["event"]]
    assert [line["topics"] for line in told] == [settings.topics.inputs[0]] * warnings


async def test_topics_with_different_partition_counts_are_refused(bootstrap: str) -> None:
    settings = settings_of(bootstrap)
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(settings.topics.inputs[0], 2, 1), NewTopic(settings.topics.audit, 5, 1)]
        )
    finally:
        await admin.close()

    with pytest.raises(TopicsError, match=r"audit: 5, .*events: 2"):
        await prepare_topics(settings)


async def test_a_broker_that_does_not_answer_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(TopicsError, match=address):
        await prepare_topics(settings_of(address))
