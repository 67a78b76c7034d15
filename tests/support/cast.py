"""The users of all roles on the secured broker, each with the rights that ``acls`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from streamproc.contracts.rights import USER_ROLES, NamesInUse, Right, UserRole, rights_of
from streamproc.contracts.topics import DispatchTopics, WorkerTopics, changelog_of, option_of
from tests.support.certificates import secret_file
from tests.support.commands import run
from tests.support.kafka_acls import TOOL, run_kafka_acls
from tests.support.secured_broker import ROLE_PASSWORD, SecuredAddresses

ROLES: tuple[UserRole, ...] = tuple(USER_ROLES)
TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Create": ACLOperation.CREATE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
}


class Cast:
    """One application on the secured broker, with topics, groups and ids of its own."""

    def __init__(self, broker: SecuredAddresses, directory: Path) -> None:
        self.broker = broker
        self.directory = directory
        self.app_id = f"c{uuid4().hex[:8]}"
        under = f"{self.app_id}."
        self.worker = WorkerTopics.under(under, inputs=(f"{under}events", f"{under}commands"))
        self.dispatch = DispatchTopics.under(under)
        self.group = f"{self.app_id}-dispatch"
        self.live, self.again = f"{under}live", f"{under}again"
        self.ca = secret_file(directory / "ca.pem", broker.authority)
        self.word = secret_file(directory / "word", ROLE_PASSWORD)
        self.admin: Any = KafkaAdminClient(bootstrap_servers=broker.bootstrap)

    @property
    def events(self) -> str:
        """The topic of billing's events."""
        return self.worker.inputs[0]

    def scope(self, role: UserRole) -> NamesInUse:
        """What the user of a role works on."""
        return NamesInUse(
            self.worker,
            self.dispatch,
            self.app_id,
            self.group_of(role),
            source=self.events if role == "replay" else None,
            target=self.again if role == "replay" else None,
            transactional_id_prefix=self.ids_of(role),
            partitions=1,
            has_folder=role == "billing",
            makes_topics=role == "replay",
        )

    def group_of(self, role: UserRole) -> str | None:
        """The consumer group of a role, where it can be chosen."""
        if role == "dispatcher":
            return self.group
        return f"{self.app_id}-{role}" if role in ("billing", "history") else None

    def ids_of(self, role: UserRole) -> str | None:
        """How the transactional ids of a role begin, where that can be chosen."""
        return {"replay": "streamproc-replay-", "billing": "streamproc-folder-"}.get(role)

    def rights(self, role: UserRole) -> tuple[Right, ...]:
        """The least rights of a role."""
        return rights_of(role, self.scope(role))

    def printed(self, role: UserRole, *options: str) -> list[str]:
        """What ``streamproc acls`` prints for a role."""
        scope = self.scope(role)
        words = ["--role", role, "--app-id", self.app_id, *self.names(), *options]
        words += ["--tool", f"{TOOL} --bootstrap-server {self.broker.bootstrap}"]
        words += ["--partitions", "1"]
        for flag, value in (
            ("--group", scope.group),
            ("--source", scope.source),
            ("--target", scope.target),
            ("--transactional-id-prefix", scope.transactional_id_prefix),
        ):
            if value is not None:
                words += [flag, value]
        words += ["--drop-folder"] if scope.has_folder else []
        words += ["--create-topics"] if scope.makes_topics else []
        return run("acls", *words).splitlines()

    def grant_all(self) -> None:
        """Run all that is printed for all roles, with Kafka's own tool."""
        run_kafka_acls(line for role in ROLES for line in self.printed(role))

    def names(self) -> list[str]:
        """The options of all topics."""
        return [*self.worker.arguments(), *self._only_dispatch()]

    def topics(self) -> set[str]:
        """All topics that the operator makes."""
        named = {*self.worker.by_field().values(), *self.dispatch.by_field().values()}
        return {*named, *self.worker.inputs, changelog_of(self.app_id)}

    def _only_dispatch(self) -> list[str]:
        return [
            word
            for field, name in self.dispatch.by_field().items()
            if field not in self.worker.by_field()
            for word in (option_of(field), name)
        ]

    def way(self, role: UserRole) -> list[str]:
        """The options by which a role's user gets in: TLS and SCRAM."""
        return [
            *("--broker", self.broker.sasl, "--kafka-tls-ca", str(self.ca)),
            *("--kafka-sasl-mechanism", "SCRAM-SHA-512"),
            *("--kafka-sasl-username", f"streamproc-{role}"),
            *("--kafka-sasl-password-file", str(self.word)),
        ]

    def plain_options(self, role: UserRole) -> dict[str, Any]:
        """The same for librdkafka, for programs that are not of streamproc."""
        return {
            "bootstrap.servers": self.broker.sasl,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": f"streamproc-{role}",
            "sasl.password": ROLE_PASSWORD,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }

    def take(self, role: UserRole, right: Right) -> None:
        """Take one right away."""
        pattern = ResourcePatternFilter(TYPES[right.resource], right.name, _kind(right))
        one = ACLFilter(
            f"User:streamproc-{role}",
            "*",
            OPERATIONS[right.operation],
            ACLPermissionType.ALLOW,
            pattern,
        )
        ((_, gone, _),) = self.admin.delete_acls([one])
        assert len(gone) == 1, right

    def give(self, role: UserRole, right: Right) -> None:
        """Give it back."""
        pattern = ResourcePattern(TYPES[right.resource], right.name, _kind(right))
        one = ACL(
            f"User:streamproc-{role}",
            "*",
            OPERATIONS[right.operation],
            ACLPermissionType.ALLOW,
            pattern,
        )
        assert self.admin.create_acls([one])["succeeded"]


def _kind(right: Right) -> Any:
    prefixed, literal = ACLResourcePatternType.PREFIXED, ACLResourcePatternType.LITERAL
    return prefixed if right.is_prefix else literal
