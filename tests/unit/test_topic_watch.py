"""What a look at topics notices (streamproc/kafka/topic_watch.py)."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock
from uuid import UUID, uuid4

import pytest

from streamproc.kafka import topic_watch
from streamproc.kafka.topic_watch import (
    PartitionsChangedError,
    TopicMadeAnewError,
    TopicWatch,
)

NOBODY = UUID(int=0)
"""What the client gives for a broker that does not know topic ids."""


class Admin:
    """An admin client of one topic."""

    def __init__(self, topic_id: UUID | None, partitions: int = 2) -> None:
        self.topic_id = topic_id
        self.partitions = partitions
        self.is_there = True

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        (name,) = names
        there = [{"replica_nodes": [1]}] * self.partitions if self.is_there else []
        error = 0 if self.is_there else 3
        return [{"name": name, "error_code": error, "partitions": there, "topic_id": self.topic_id}]

    close = MagicMock()


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    one = Admin(uuid4())
    monkeypatch.setattr(topic_watch, "kafka_admin", lambda *_, **__: one)
    return one


def test_a_topic_that_was_created_again_is_noticed_though_all_else_is_as_before(
    admin: Admin,
) -> None:
    """Its records can reach beyond the old position before anybody fetches from it again."""
    watch = TopicWatch("b:1", {"events": 2})
    watch.look()
    admin.is_there = False
    watch.look()
    admin.is_there, admin.topic_id = True, uuid4()
    with pytest.raises(TopicMadeAnewError, match=r"topic events was deleted and created again"):
        watch.look()


def test_a_topic_that_was_created_again_with_more_partitions_is_named_as_that(
    admin: Admin,
) -> None:
    watch = TopicWatch("b:1", {"events": 2})
    watch.look()
    admin.topic_id, admin.partitions = uuid4(), 5
    with pytest.raises(TopicMadeAnewError):
        watch.look()


def test_the_same_topic_with_more_partitions_is_another_matter(admin: Admin) -> None:
    watch = TopicWatch("b:1", {"events": 2})
    watch.look()
    admin.partitions = 3
    with pytest.raises(PartitionsChangedError):
        watch.look()


@pytest.mark.parametrize("unknown", [None, NOBODY])
def test_brokers_that_know_no_topic_ids_cause_no_alarm(admin: Admin, unknown: UUID | None) -> None:
    """Half of a cluster can be upgraded already."""
    watch = TopicWatch("b:1", {"events": 2})
    known = admin.topic_id
    for topic_id in (unknown, known, unknown, known):
        admin.topic_id = topic_id
        watch.look()
