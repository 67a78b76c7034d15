"""The least rights (ACLs) that the user of each role needs on Kafka.

They follow from the registry of topics (``topics.py``), which knows who reads and who writes each.
``streamproc acls`` prints them, programs check them before they start, and the tests run the whole
chain with exactly these (docs/security-kafka.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamproc.contracts.topics import (
    ROLES,
    DispatchTopics,
    Topic,
    WorkerTopics,
    changelog_of,
)

UserRole = Literal[
    "worker", "dispatcher", "billing", "history", "operator", "replay", "reader", "canary"
]
Operation = Literal["Create", "Describe", "DescribeConfigs", "Read", "Write"]
Resource = Literal["topic", "group", "transactional-id"]

USER_ROLES: Mapping[UserRole, str] = {
    "worker": "`streamproc worker`",
    "dispatcher": "`streamproc dispatch`",
    "billing": "a billing system: `streamproc send`, `UsageProducer`, and a reader of orders",
    "history": "a program that keeps what happened, such as a consumer into a database",
    "operator": "`streamproc topics`, `dead-letters`, `retract`, `rules publish` and `revert`",
    "replay": "`streamproc replay` from a topic to another one",
    "reader": "`streamproc explain`, `verify`, `receipts`, `simulate`, `record`, `rules list`",
    "canary": "`streamproc canary`",
}
"""Each role, and what its user runs."""

REPLAY_ID = "streamproc-replay-"
"""How the transactional id and the group of a replay begin."""
FOLDER_ID = "streamproc-folder-"
"""The same of a drop folder (``streamproc send --watch``)."""
EXACTLY_ONCE: tuple[Operation, ...] = ("DescribeConfigs", "Read", "Write")
"""What replays and drop folders do with the topic that they write. Read, because the position of
their source is an offset of a group on that topic."""


@dataclass(frozen=True, order=True)
class Right:
    """One operation on one resource, or on all resources whose names begin with ``name``."""

    resource: Resource
    name: str
    is_prefix: bool
    operation: Operation


@dataclass(frozen=True)
class NamesInUse:
    """What the users work on: names of topics, groups and transactional ids."""

    worker: WorkerTopics = field(default_factory=WorkerTopics)
    dispatch: DispatchTopics = field(default_factory=DispatchTopics)
    app_id: str = "streamproc"
    group: str | None = None
    """The group of a dispatcher, billing system or history; None: the usual one."""
    source: str | None = None
    """The topic that a replay reads; None: it reads a file."""
    target: str | None = None
    """The topic that a replay writes."""
    transactional_id_prefix: str | None = None
    """Of replays and drop folders; None: the usual one."""
    partitions: int | None = None
    """How many the topics have; then transactional ids are named one by one."""
    has_folder: bool = False
    """The billing system uses drop folders."""
    makes_topics: bool = False
    """The program is run with ``--create-topics``."""

    def names_of(self, topic: str, role: UserRole) -> tuple[str, ...]:
        """The names of a topic of the registry, as a role uses it; there may be several inputs."""
        # The texts of subscribers are a topic of its own, and one of the inputs of workers.
        reads_inputs = role in ("worker", "reader")
        if topic == "inputs":
            own = self.dispatch.commands
            return tuple(one for one in self.worker.inputs if reads_inputs or one != own)
        if topic == "commands" and reads_inputs:
            return ()
        if topic == "changelog":
            return (changelog_of(self.app_id),)
        worker, dispatch = self.worker.by_field(), self.dispatch.by_field()
        named = worker | dispatch if role == "dispatcher" else dispatch | worker
        return (named[topic],)

    def group_of(self, role: UserRole) -> str:
        """The consumer group of a role."""
        return self.group or {"dispatcher": "streamproc-dispatch"}.get(role, f"streamproc-{role}")


def rights_of(role: UserRole, scope: NamesInUse) -> tuple[Right, ...]:
    """The rights of a role, sorted. ``replay`` has none on its target without ``scope.target``."""
    return tuple(sorted(set(_rights_of(role, scope))))


def by_resource(
    rights: Iterable[Right],
) -> dict[tuple[Resource, str, bool], tuple[Operation, ...]]:
    """The operations by resource, name, and whether the name is a prefix."""
    found: dict[tuple[Resource, str, bool], tuple[Operation, ...]] = {}
    for one in rights:
        key = (one.resource, one.name, one.is_prefix)
        found[key] = (*found.get(key, ()), one.operation)
    return found


def topic_operations(rights: Iterable[Right]) -> dict[str, tuple[Operation, ...]]:
    """The operations by topic, of rights on topics."""
    found: dict[str, tuple[Operation, ...]] = {}
    for one in rights:
        if one.resource == "topic":
            found[one.name] = (*found.get(one.name, ()), one.operation)
    return found


def _rights_of(role: UserRole, scope: NamesInUse) -> Iterator[Right]:
    for name, topic in ROLES.items():
        for operation in operations_on(topic, role):
            for one in scope.names_of(name, role):
                yield Right("topic", one, False, operation)
                if scope.makes_topics and role in ("worker", "dispatcher"):
                    yield Right("topic", one, False, "Create")
    if role == "worker":
        yield Right("group", scope.app_id, False, "Read")
        yield from _ids(scope.app_id, scope.partitions)
        yield Right("transactional-id", alarms_id(scope.app_id), False, "Write")
    elif role == "dispatcher":
        group = scope.group_of(role)
        yield Right("group", group, False, "Read")
        yield Right("group", f"{group}.", True, "Read")  # the positions of lanes
        yield from _ids(group, scope.partitions)
    elif role == "operator":
        yield Right("transactional-id", publishing_id(scope.app_id), False, "Write")
    elif role in ("billing", "history"):
        yield Right("group", scope.group_of(role), False, "Read")
    if role == "billing" and scope.has_folder:
        for one in scope.names_of("inputs", role):
            yield from _exactly_once(one, scope.transactional_id_prefix or FOLDER_ID)
    if role == "replay":
        yield from _of_replay(scope)


def alarms_id(app_id: str) -> str:
    """The transactional id of the worker that decides the alarms of an application."""
    return f"{app_id}-alarms"


def publishing_id(app_id: str) -> str:
    """The transactional id with which rules of an application are published."""
    return f"{app_id}-rules"


def _ids(owner: str, partitions: int | None) -> Iterator[Right]:
    """The transactional ids of a worker or dispatcher: one for each partition, by its number.

    A prefix without a digit would also hold those of others: ``streamproc-dispatch-0`` begins with
    the worker's ``streamproc-``, and who may use it can fence the dispatcher.
    """
    is_prefix = partitions is None
    for number in range(10 if partitions is None else partitions):
        yield Right("transactional-id", f"{owner}-{number}", is_prefix, "Write")


def operations_on(topic: Topic, role: UserRole) -> tuple[Operation, ...]:
    """What a role does with a topic."""
    found: list[Operation] = []
    if role in topic.written_by or role in topic.written_with:
        found.append("Write")
    # An operator reads audit records with the tools of a reader.
    if (role in topic.read_by and role != "operator") or role in topic.read_with:
        found.append("Read")
    if role == "operator":
        # Read and Write bring Describe with them.
        found += (
            ["Create", "DescribeConfigs"] if found else ["Create", "Describe", "DescribeConfigs"]
        )
    if role in ("worker", "dispatcher") and found:
        # They refuse topics whose settings lose records.
        found.append("DescribeConfigs")
    return tuple(sorted(found))


def _of_replay(scope: NamesInUse) -> Iterator[Right]:
    if scope.source is not None:
        yield Right("topic", scope.source, False, "Read")
    if scope.target is not None:
        yield from _exactly_once(scope.target, scope.transactional_id_prefix or REPLAY_ID)
        if scope.makes_topics:
            yield Right("topic", scope.target, False, "Create")


def _exactly_once(topic: str, prefix: str) -> Iterator[Right]:
    """Records and the position of their source, in one transaction (``kafka/exactly_once.py``)."""
    for operation in EXACTLY_ONCE:
        yield Right("topic", topic, False, operation)
    yield Right("group", prefix, True, "Read")
    yield Right("transactional-id", prefix, True, "Write")
