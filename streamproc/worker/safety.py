"""Checks whether the settings of topics satisfy the conditions of docs/guarantees.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

log = structlog.get_logger(__name__)

_NAMES = (
    "cleanup.policy",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "message.timestamp.type",
)


def policy_problem(changelog: str, policy: str) -> str | None:
    """Why a changelog with this ``cleanup.policy`` must not be used; None if it may."""
    if policy == "compact":
        return None
    return (
        f"the changelog {changelog} has cleanup.policy={policy}: the broker would delete states "
        f"that did not change for a while. Set it to compact (kafka-configs --alter --entity-type "
        f"topics --entity-name {changelog} --add-config cleanup.policy=compact)"
    )


def doubts(topic: str, replicas: int, configs: dict[str, str]) -> list[str]:
    """Settings of a topic with which the loss of a broker loses records."""
    found = []
    if replicas < 2:
        found.append(f"{topic} has one replica")
    elif int(configs.get("min.insync.replicas", 1)) < 2:
        found.append(f"{topic} has min.insync.replicas=1")
    if configs.get("unclean.leader.election.enable") == "true":
        found.append(f"{topic} has unclean.leader.election.enable=true")
    return found


def tell_doubts(found: list[str]) -> None:
    """Log a warning and continue: a test cluster can be like that."""
    if found:
        log.warning(
            "the loss of a broker can lose or duplicate events and reminders (docs/guarantees.md)",
            because="; ".join(found),
        )


def senders_clocks(inputs: Iterable[str], configs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The input topics whose records have their senders' time instead of the broker's."""
    kept = "message.timestamp.type"
    return [topic for topic in inputs if configs.get(topic, {}).get(kept) == "CreateTime"]


def tell_senders_clocks(topics: list[str]) -> None:
    """Log a warning and continue: the senders' clocks can be right."""
    if topics:
        log.warning(
            "under --clock wall an event arrives by its sender's clock here: one that runs ahead "
            "makes reminders go out early (kafka-configs --alter --entity-type topics "
            "--entity-name TOPIC --add-config message.timestamp.type=LogAppendTime)",
            topics=", ".join(topics),
        )


async def topic_configs(admin: Any, topics: list[str]) -> dict[str, dict[str, str]]:
    """The settings that matter, by topic, without topics that this client may not read."""
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(_NAMES)) for topic in topics
    ]
    configs: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(wanted):
        for code, _, _, name, entries in answer.resources:
            if code == 0:
                configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
