"""Rights as administrators enter them: commands of ``kafka-acls``, and manifests of Strimzi."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import yaml

from streamproc.contracts.rights import Operation, Resource, Right, by_resource
from streamproc.errors import StreamprocError

Authentication = Literal["scram-sha-512", "tls", "tls-external"]

StrimziVersion = Literal["v1", "v1beta2"]
"""Versions of Strimzi's resources: 0.49 brought ``v1``, and 1.0 no longer knows ``v1beta2``."""

STRIMZI_GROUP = "kafka.strimzi.io"
STRIMZI_TYPES: dict[Resource, str] = {
    "topic": "topic",
    "group": "group",
    "transactional-id": "transactionalId",
}


_KUBERNETES_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_KUBERNETES_LABEL = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?")


class PrincipalError(StreamprocError):
    """The name of a user or cluster does not fit where it is to be written."""


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
    rights: Iterable[Right],
    grant: Grant,
    cluster: str,
    authentication: Authentication,
    version: StrimziVersion = "v1",
) -> str:
    """A ``KafkaUser`` for Strimzi's operator, as YAML.

    Raises :class:`PrincipalError` if the name of the user or cluster cannot be one of Kubernetes.
    """
    name = grant.principal.removeprefix("User:").removeprefix("CN=")
    if not _KUBERNETES_NAME.fullmatch(name):
        raise PrincipalError(
            f"--principal {grant.principal}: Kubernetes wants a name of small letters, digits, - "
            f"and ., which begins and ends with a letter or digit, such as User:streamproc-worker"
        )
    if not _KUBERNETES_LABEL.fullmatch(cluster):
        raise PrincipalError(
            f"--strimzi-cluster {cluster}: Kubernetes wants 1 to 63 letters, digits, -, _ and ., "
            f"of which the first and the last are letters or digits"
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
        "apiVersion": f"{STRIMZI_GROUP}/{version}",
        "kind": "KafkaUser",
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": cluster}},
        "spec": {
            "authentication": {"type": authentication},
            "authorization": {"type": "simple", "acls": acls},
        },
    }
    return yaml.safe_dump(document, sort_keys=False, explicit_start=True)
