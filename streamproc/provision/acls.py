"""Rights as administrators enter them: commands of ``kafka-acls``, and manifests of Strimzi."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import yaml

from streamproc.contracts.rights import Operation, Resource, Right, by_resource
from streamproc.errors import StreamprocError

Authentication = Literal["scram-sha-512", "tls", "tls-external"]

STRIMZI_API = "kafka.strimzi.io/v1beta2"
STRIMZI_TYPES: dict[Resource, str] = {
    "topic": "topic",
    "group": "group",
    "transactional-id": "transactionalId",
}


class PrincipalError(StreamprocError):
    """The name of a user does not fit where it is to be written."""


@dataclass(frozen=True)
class Grant:
    """Who gets rights, and from where."""

    principal: str
    """As brokers name the user, such as ``User:streamproc-worker``."""
    host: str = "*"
    """The address from which the user comes; ``*``: any."""


def kafka_acls(
    rights: Iterable[Right], grant: Grant, tool: str = "kafka-acls.sh", *, remove: bool = False
) -> list[str]:
    """Shell commands that give these rights, or take them away again.

    ``tool`` is the beginning of each command, and may have options of its own. Resources with the
    same operations share a command, because each one starts a Java program.
    """
    shared: dict[tuple[Resource, bool, tuple[Operation, ...]], list[str]] = {}
    for (resource, name, is_prefix), operations in by_resource(rights).items():
        shared.setdefault((resource, is_prefix, operations), []).append(name)
    lines = []
    for (resource, is_prefix, operations), names in shared.items():
        words = ["--remove", "--force"] if remove else ["--add"]
        words += ["--allow-principal", grant.principal, "--allow-host", grant.host]
        for operation in operations:
            words += ["--operation", operation]
        for name in names:
            words += [f"--{resource}", name]
        if is_prefix:
            words += ["--resource-pattern-type", "prefixed"]
        lines.append(f"{tool} {shlex.join(words)}")
    return lines


def strimzi(
    rights: Iterable[Right], grant: Grant, cluster: str, authentication: Authentication
) -> str:
    """A ``KafkaUser`` for Strimzi's operator, as YAML.

    Raises :class:`PrincipalError` if the user's name cannot be one of Kubernetes.
    """
    name = grant.principal.removeprefix("User:").removeprefix("CN=")
    allowed = name.replace("-", "").replace(".", "")
    if not (allowed.isascii() and allowed.isalnum() and name == name.lower()) or len(name) > 253:
        raise PrincipalError(
            f"--principal {grant.principal}: Kubernetes wants a name of small letters, digits, - "
            f"and ., such as User:streamproc-worker"
        )
    acls = [
        {
            "resource": {
                "type": STRIMZI_TYPES[resource],
                "name": called,
                "patternType": "prefix" if is_prefix else "literal",
            },
            "operations": list(operations),
            "host": grant.host,
        }
        for (resource, called, is_prefix), operations in by_resource(rights).items()
    ]
    document = {
        "apiVersion": STRIMZI_API,
        "kind": "KafkaUser",
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": cluster}},
        "spec": {
            "authentication": {"type": authentication},
            "authorization": {"type": "simple", "acls": acls},
        },
    }
    return yaml.safe_dump(document, sort_keys=False, explicit_start=True)
