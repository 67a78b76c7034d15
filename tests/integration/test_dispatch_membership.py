"""A member of a group whose polls are shorter than a rebalance, on a real broker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from kafka import KafkaConsumer
from kafka.errors import FencedInstanceIdError

from streamproc.dispatch import peers
from streamproc.dispatch.membership import poll_member
from streamproc.dispatch.peers import NamingAssignor
from tests.support.cluster import create_topic


@pytest.fixture
async def member(bootstrap: str) -> AsyncIterator[Any]:
    topic = f"m{uuid4().hex[:8]}"
    await create_topic(bootstrap, topic, 2)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=topic, enable_auto_commit=False
    )
    yield consumer
    consumer.close()


def _poll_until_assigned(consumer: Any, limit_seconds: float = 60) -> None:
    deadline = time.monotonic() + limit_seconds
    while len(consumer.assignment()) < 2 or consumer._coordinator.rejoining:
        assert time.monotonic() < deadline
        poll_member(consumer, 1)
        time.sleep(0.05)  # answers come between the polls


def _poll_on(consumer: Any, limit_seconds: float = 60) -> None:
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        poll_member(consumer, 100)


async def test_a_rebalance_that_outlasts_a_poll_is_ended(member: Any) -> None:
    _poll_until_assigned(member)
    for _ in range(5):
        # As if the topic had been unknown when this leader assigned, and is known since.
        member._coordinator._assignment_snapshot = {}
        poll_member(member, 1)
        _poll_until_assigned(member)


async def test_every_member_learns_who_came_and_who_went(bootstrap: str) -> None:
    topic = f"m{uuid4().hex[:8]}"
    await create_topic(bootstrap, topic, 2)

    def member(name: str) -> Any:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=topic,
            enable_auto_commit=False,
            partition_assignment_strategy=[NamingAssignor(name)],
        )
        consumer.partitions_for_topic(topic)
        consumer.subscribe([topic])
        return consumer

    def settle(*consumers: Any) -> None:
        deadline = time.monotonic() + 20
        while any(
            len(one.assignment()) != 2 // len(consumers) or one._coordinator.rejoining
            for one in consumers
        ):
            assert time.monotonic() < deadline
            for one in consumers:
                poll_member(one, 1)
            time.sleep(0.05)  # answers come between the polls

    told: list[tuple[Any, Any]] = []
    first, second = member("first"), member("second")
    with mock.patch.object(peers.log, "info", lambda _, **said: told.append(_changes(said))):
        settle(first)
        assert told == [(["first"], [])]
        settle(first, second)
        assert sorted(told[1:]) == [(["first", "second"], []), (["second"], [])]
        second.close()
        settle(first)
    first.close()
    assert told[3:] == [([], ["second"])]


def _changes(said: dict[str, Any]) -> tuple[Any, Any]:
    return said["joined"], said["left"]


async def test_a_member_whose_instance_id_another_one_takes_is_told(bootstrap: str) -> None:
    """kafka-python stops its heartbeats without a word to those who poll."""
    topic = f"m{uuid4().hex[:8]}"
    await create_topic(bootstrap, topic, 2)

    def member() -> Any:
        options = {"enable_auto_commit": False, "group_instance_id": "one"}
        return KafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=topic, heartbeat_interval_ms=300, **options
        )

    first, second = member(), member()
    try:
        _poll_until_assigned(first)
        _poll_until_assigned(second)
        with pytest.raises(FencedInstanceIdError):
            _poll_on(first)
        _poll_until_assigned(second)
    finally:
        first.close()
        second.close()
