"""Writes ``files/kafka.json`` of the Helm chart from the registry of topics (``make tables``).

``@app@`` stands for the application's id, which the chart fills in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml

from streamproc.contracts.rights import NamesInUse, Right, UserRole, rights_of
from streamproc.contracts.topic_settings import configs_of
from streamproc.contracts.topics import DispatchTopics, WorkerTopics
from streamproc.provision.acls import Grant, strimzi
from streamproc.provision.planning import Wanted, of_dispatcher, of_worker

CHART = Path(__file__).parents[3] / "ops" / "helm" / "streamproc"
FILE = CHART / "files" / "kafka.json"
APP = "@app@"
SCOPE = NamesInUse(app_id=APP)
OF_CANARY: tuple[UserRole, ...] = ("billing", "reader")
"""What a canary does, as docs/canary.md says."""
LEFT_OUT: tuple[UserRole, ...] = ("replay",)
"""Its rights depend on a target that only its user knows."""


def wanted() -> list[Wanted]:
    """All topics, each once."""
    both = [*of_worker(WorkerTopics(), APP), *of_dispatcher(DispatchTopics())]
    return list({one.name: one for one in both}.values())


def topics() -> list[dict[str, Any]]:
    """What ``streamproc topics create`` would make."""
    return [
        {
            "name": one.name,
            "partitions": one.topic.partitions,
            "config": configs_of(one.role, "wall", {}),
        }
        for one in wanted()
    ]


def users() -> dict[str, list[dict[str, Any]]]:
    """The rights of each user, as a KafkaUser has them."""
    roles = [role for role in get_args(UserRole) if role not in LEFT_OUT]
    found = {role: acls(rights_of(role, scope_of(role))) for role in roles}
    both = {right for role in OF_CANARY for right in rights_of(role, scope_of(role))}
    return {**found, "canary": acls(sorted(both))}


def scope_of(role: UserRole) -> NamesInUse:
    """The group of a dispatcher is named after the application, so that two need no settings."""
    return SCOPE if role != "dispatcher" else NamesInUse(app_id=APP, group=f"{APP}-dispatch")


def acls(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """The part of a KafkaUser."""
    document = yaml.safe_load(strimzi(rights, Grant("User:any"), "kafka", "scram-sha-512"))
    found: list[dict[str, Any]] = document["spec"]["authorization"]["acls"]
    return found


def text() -> str:
    """The file."""
    return json.dumps({"topics": topics(), "users": users()}, indent=1) + "\n"


def main() -> None:
    """Write it."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
