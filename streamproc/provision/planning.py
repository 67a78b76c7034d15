"""Which topics are wanted, which of them exist, and which settings differ or lose records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamproc.contracts.topic_settings import (
    SETTINGS,
    Clock,
    Fault,
    configs_of,
    doubts,
    faults,
)
from streamproc.contracts.topics import (
    PARTITIONS,
    ROLES,
    DispatchTopics,
    Topic,
    WorkerTopics,
    changelog_of,
    option_of,
)
from streamproc.errors import StreamprocError
from streamproc.kafka.missing_rights import Needs
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import NOTHING, FoundTopic, NewTopic, find_topics, make_topics

NAMED_TOPICS = 3
"""So many are named in a warning about many."""


class TopicsError(StreamprocError):
    """The broker cannot be reached, or its topics cannot be used as they are."""


@dataclass(frozen=True)
class Making:
    """How topics are made that do not exist."""

    partitions: int | None = None
    """If none exists; None: :data:`PARTITIONS`. Otherwise as many as those that exist have."""
    replication_factor: int = 1
    retention_ms: Mapping[str, int] = field(default_factory=dict)
    """By role, where it is not the usual one; -1 is for ever."""
    clock: Clock = "wall"


@dataclass(frozen=True)
class Wanted:
    """A topic that a program needs."""

    role: str
    """Its name in :data:`streamproc.contracts.topics.ROLES`."""
    name: str

    @property
    def topic(self) -> Topic:
        """What the registry says of it."""
        return ROLES[self.role]


def of_worker(topics: WorkerTopics, app_id: str) -> list[Wanted]:
    """What a worker needs. Raises :class:`TopicsError`."""
    return _distinct(
        [
            *(Wanted("inputs", name) for name in topics.inputs),
            *(Wanted(role, name) for role, name in topics.by_field().items()),
            Wanted("changelog", changelog_of(app_id)),
        ]
    )


def of_dispatcher(topics: DispatchTopics) -> list[Wanted]:
    """What a dispatcher needs. Raises :class:`TopicsError`."""
    return _distinct([Wanted(role, name) for role, name in topics.by_field().items()])


def _distinct(wanted: list[Wanted]) -> list[Wanted]:
    """The same topics, if each has one purpose. A program that reads what it writes itself, or
    writes messages where nobody looks for them, would do so without a word."""
    first: dict[str, str] = {}
    for one in wanted:
        role = first.setdefault(one.name, one.role)
        if role != one.role:
            words = " and ".join(_named(name, one.name) for name in (role, one.role))
            raise TopicsError(
                f"one topic cannot be {words}: records of both would be mixed. Correct the option"
            )
    return wanted


def _named(role: str, topic: str) -> str:
    """A topic with the option that gives its name."""
    option = {"inputs": "--input", "changelog": "--app-id (its changelog)"}.get(role)
    return f"{option or option_of(role)} {topic}"


@dataclass(frozen=True)
class Entry:
    """One wanted topic: how it would be made, and how it is."""

    wanted: Wanted
    new: NewTopic
    found: FoundTopic | None

    def differences(self) -> list[str]:
        """The settings of an existing topic that differ from a new one."""
        if self.found is None:
            return []
        pairs = [
            ("partitions", str(self.found.partitions), str(self.new.partitions)),
            ("replicas", str(self.found.replicas), str(self.new.replication_factor)),
            *(
                (name, self.found.configs[name], value)
                for name, value in self.new.configs.items()
                if name in self.found.configs
            ),
        ]
        return [
            f"{name}={is_} (planned {planned})" for name, is_, planned in pairs if is_ != planned
        ]


@dataclass(frozen=True)
class TopicsPlan:
    """All wanted topics on one broker."""

    entries: tuple[Entry, ...]
    clock: Clock

    @property
    def missing(self) -> list[Entry]:
        """Those that do not exist."""
        return [one for one in self.entries if one.found is None]

    @property
    def partitions(self) -> int:
        """The number that all topics have in which records belong together."""
        return next(
            one.new.partitions for one in self.entries if one.wanted.topic.partitions is None
        )

    def counts(self) -> dict[str, int]:
        """The numbers of partitions of those that exist."""
        return {one.wanted.name: one.found.partitions for one in self.entries if one.found}

    def faults(self) -> list[Fault]:
        """The settings of existing topics that lose records."""
        return [
            fault
            for one in self.entries
            if one.found is not None
            for fault in faults(one.wanted.role, one.wanted.name, one.found.configs, self.clock)
        ]

    def doubts(self) -> list[str]:
        """The settings of existing topics that do not survive the loss of a broker, each once."""
        found: dict[str, list[str]] = {}
        exist = sorted((one for one in self.entries if one.found), key=lambda one: one.wanted.name)
        for one in exist:
            assert one.found is not None
            for doubt in doubts(one.found.replicas, one.found.configs):
                found.setdefault(doubt, []).append(one.wanted.name)
        return [f"{_told(names, len(exist))} {doubt}" for doubt, names in found.items()]

    def problem(self) -> str:
        """Why the topics cannot be used as they are; empty if they can be."""
        return (
            self._uneven()
            or self._unwritable()
            or " ".join(str(fault) for fault in self.faults() if fault.demand.then == "refuse")
        )

    def _unwritable(self) -> str:
        """To which topics the broker lets nobody write, because too few replicas exist."""
        return " ".join(
            f"{one.wanted.name} has min.insync.replicas={least}, but {one.found.replicas} "
            f"replica{'s' * (one.found.replicas != 1)}: the broker refuses every write with "
            f"acks=all. Set it: kafka-configs --alter --entity-type topics --entity-name "
            f"{one.wanted.name} --add-config min.insync.replicas={one.found.replicas}"
            for one in self.entries
            if one.found is not None
            and (least := int(one.found.configs.get("min.insync.replicas", 1))) > one.found.replicas
        )

    def _uneven(self) -> str:
        """A subscriber's input, state and outputs must lie in partitions of the same number."""
        counts = {
            one.wanted.name: one.found.partitions
            for one in self.entries
            if one.found is not None and one.wanted.topic.partitions is None
        }
        if len(set(counts.values())) < 2:
            return ""
        listed = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        return (
            f"these topics must have the same number of partitions, but have {listed}. Kafka "
            f"cannot take partitions away: docs/operations.md#partitions-were-added"
        )


def plan_topics(
    admin: Any,
    broker: Broker,
    wanted: Iterable[Wanted],
    making: Making,
    needs: Needs = NOTHING,
) -> TopicsPlan:
    """Look which topics exist, and whether they may be used as ``needs`` says.

    Raises ``MissingRightError``, KafkaError.
    """
    each = list({one.name: one for one in wanted}.values())
    planned = {one.name: configs_of(one.role, making.clock, making.retention_ms) for one in each}
    settings = dict.fromkeys([*SETTINGS, *(name for one in planned.values() for name in one)])
    found = find_topics(admin, broker, [one.name for one in each], settings, needs)
    existing = [found[one.name].partitions for one in each if _is_counted(one, found)]
    partitions = existing[0] if existing else making.partitions or PARTITIONS
    return TopicsPlan(
        tuple(
            Entry(
                one,
                NewTopic(
                    one.topic.partitions or partitions,
                    making.replication_factor,
                    planned[one.name],
                ),
                found.get(one.name),
            )
            for one in each
        ),
        making.clock,
    )


def make_missing(admin: Any, broker: Broker, plan: TopicsPlan) -> None:
    """Make what does not exist, and change nothing of what does. Raises ``TopicError``."""
    make_topics(admin, broker, {one.wanted.name: one.new for one in plan.missing})


def _is_counted(one: Wanted, found: Mapping[str, FoundTopic]) -> bool:
    return one.topic.partitions is None and one.name in found


def _told(names: list[str], all_topics: int) -> str:
    """Which topics have something, in a few words."""
    if len(names) == 1:
        return f"{names[0]} has"
    if len(names) == all_topics:
        return f"all {all_topics} topics have"
    if len(names) <= NAMED_TOPICS:
        return f"{', '.join(names[:-1])} and {names[-1]} have"
    return f"{', '.join(names[:NAMED_TOPICS])} and {len(names) - NAMED_TOPICS} other topics have"
