"""A worker that is not allowed something stops and says what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.support.cluster import PARTITIONS, Names, produce, produce_to_partitions
from tests.support.edges import refusal
from tests.support.jvm_broker import JvmBroker

USER = "User:ANONYMOUS"
ACTIVATION = (
    b'{"type":"account.activated","id":"1","source":"crm","subscriber":"8613800000001",'
    b'"time":"2026-01-01T00:00:00Z","plan":"nowhere"}'
)
"""Rejected, for there is no such plan: the worker has something to write."""


class GuardedBroker(JvmBroker):
    """With an authorizer, which allows whatever no rule is about."""

    def _settings(self, data: Path) -> dict[str, str]:
        return super()._settings(data) | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
        }


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with GuardedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture
def names(guarded: str) -> Names:
    """An application whose topics exist, with one record in the input."""
    names = Names(f"a{uuid4().hex[:8]}")
    topics = [names.events, names.reminders, names.audit, names.rejects, names.changelog]
    admin = AdminClient({"bootstrap.servers": guarded})
    new = [
        NewTopic(topic, PARTITIONS, 1, config={"cleanup.policy": policy})
        for topic in topics
        for policy in ["compact" if topic == names.changelog else "delete"]
    ]
    for future in admin.create_topics(new).values():
        future.result(30)
    record = (b"8613800000001", ACTIVATION, 1_767_225_600_000)
    asyncio.run(produce(guarded, names.events, [record]))
    return names


def deny(bootstrap: str, kind: ResourceType, name: str, operation: AclOperation) -> None:
    """Allow everything on a resource but this."""

    def rule(what: AclOperation, permission: AclPermissionType) -> Any:
        pattern = ResourcePatternType.LITERAL
        return AclBinding(kind, name, pattern, USER, "*", what, permission)

    rules = [rule(AclOperation.ALL, AclPermissionType.ALLOW)]
    rules.append(rule(operation, AclPermissionType.DENY))
    admin = AdminClient({"bootstrap.servers": bootstrap})  # its end would end what it does
    for future in admin.create_acls(rules).values():
        future.result(30)


def test_input_that_it_must_not_see(guarded: str, names: Names, tmp_path: Path) -> None:
    deny(guarded, ResourceType.TOPIC, names.events, AclOperation.DESCRIBE)
    said = refusal(guarded, names, tmp_path)
    assert f"has no right to Describe and Read the topic {names.events}" in said
    assert "Traceback" not in said


def test_input_that_it_must_not_read(guarded: str, names: Names, tmp_path: Path) -> None:
    deny(guarded, ResourceType.TOPIC, names.events, AclOperation.READ)
    said = refusal(guarded, names, tmp_path)
    assert "the user ANONYMOUS has no right to " in said
    assert names.events in said


@pytest.mark.parametrize("topic", ["rejects", "changelog"])
def test_a_topic_that_it_must_not_write(
    guarded: str, names: Names, tmp_path: Path, topic: str
) -> None:
    name = getattr(names, topic)
    deny(guarded, ResourceType.TOPIC, name, AclOperation.WRITE)
    said = refusal(guarded, names, tmp_path)
    assert "the user ANONYMOUS has no right to " in said
    assert name in said


def test_a_changelog_that_it_must_not_read(guarded: str, names: Names, tmp_path: Path) -> None:
    rows = [(number, (b"8613800000001", None, 0)) for number in range(PARTITIONS)]
    asyncio.run(produce_to_partitions(guarded, names.changelog, rows))
    deny(guarded, ResourceType.TOPIC, names.changelog, AclOperation.READ)
    said = refusal(guarded, names, tmp_path)
    assert "the user ANONYMOUS has no right to " in said
    assert names.changelog in said


def test_a_transactional_id_that_it_must_not_use(
    guarded: str, names: Names, tmp_path: Path
) -> None:
    deny(guarded, ResourceType.TRANSACTIONAL_ID, f"{names.app_id}-1", AclOperation.WRITE)
    said = refusal(guarded, names, tmp_path)
    assert "the user ANONYMOUS has no right to " in said
    assert f"{names.app_id}-1" in said


def test_a_group_that_it_must_not_join(guarded: str, names: Names, tmp_path: Path) -> None:
    deny(guarded, ResourceType.GROUP, names.app_id, AclOperation.READ)
    said = refusal(guarded, names, tmp_path)
    assert "the user ANONYMOUS has no right to " in said
    assert names.app_id in said
