"""What a look at topics notices (streamproc/kafka/topic_watch.py)."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID, uuid4

import pytest

from streamproc.kafka import topic_watch
from streamproc.kafka.settings import settings_of
from streamproc.kafka.silence import Silent
from streamproc.kafka.topic_watch import (
    BrokerWatch,
    PartitionsChangedError,
    TopicMadeAnewError,
    TopicWatch,
    silent_seconds,
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


def test_a_user_that_the_garbage_collector_ends_does_not_wait_for_the_one_that_begins(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector can run a producer's end at any place, also where another one begins."""
    ends = [topic_watch.watch("b:1")]

    class Collecting(BrokerWatch):
        def __init__(self, *arguments: Any) -> None:
            ends[0]()
            super().__init__(*arguments)

    monkeypatch.setattr(topic_watch, "BrokerWatch", Collecting)
    begun = threading.Thread(target=lambda: ends.append(topic_watch.watch("b:2")), daemon=True)
    begun.start()
    begun.join(5)
    assert len(ends) == 2, "the second user waits for ever"
    ends[1]()


def test_a_watch_without_users_reports_nothing_and_ends(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_watch, "WAIT_SECONDS", 0.01)
    heard: list[Silent] = []
    broker = "without-users:1"
    end, other = topic_watch.watch(broker, heard.append), topic_watch.watch(broker)
    found = topic_watch._watches[settings_of(broker)]
    end()
    assert found.is_used
    other()
    found._report_to_users(Silent(broker, 9.0))
    assert not heard
    assert silent_seconds(broker) == 0
    assert found._closed.wait(5)
    assert settings_of(broker) not in topic_watch._watches
