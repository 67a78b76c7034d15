"""The topics of streamproc: content, key, writer and readers of each.

This is the only list. These follow it: settings and options of the programs, the topics that are
created before a start, tables in docs, and the tests of ``schemas/asyncapi.yaml``
(docs/recipes/output-topic.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

Part = Literal["billing", "messaging", "worker", "dispatcher", "policy system", "operator"]
"""Who writes or reads a topic."""
Tool = Literal["reader", "history", "operator", "canary"]
"""Roles of users whose tools read or write a topic, beside the parts that it is for."""
Key = Literal["the subscriber", "the reminder", "none", "its own"]

PARTITIONS = 4
"""Of topics that are made, unless an option says otherwise."""

COMPACTION_MS = 86_400_000
"""How long an old value of a key stays in a compacted topic at most: it can hold a text."""
STATES: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "max.compaction.lag.ms": str(COMPACTION_MS),
}
COMPACTED: Mapping[str, str] = {**STATES, "min.cleanable.dirty.ratio": "0.1"}


@dataclass(frozen=True)
class Retention:
    """How long a topic that is made here keeps its records, unless an option says otherwise."""

    days: int | None
    """None: for ever, the last record of each key (the topic is compacted)."""
    why: str
    """For what so long."""
    bytes_per_event: float = 0.0
    """What is written to it for each usage event under the packaged rules, before compression."""


@dataclass(frozen=True)
class Topic:
    """One topic."""

    default: str
    """Its name by default."""
    says: str
    """Its purpose as a sentence: the help of the option that names it."""
    records: tuple[str, ...]
    """The types of its records; ``*`` stands for any letters. Empty: not part of the contract."""
    key: Key
    written_by: tuple[Part, ...]
    read_by: tuple[Part, ...]
    read_with: tuple[Tool, ...] = ()
    """Tools that read it, too: their users get the right to it (``rights.py``)."""
    written_with: tuple[Tool, ...] = ()
    """Tools that write it, too."""
    partitions: int | None = None
    """None: as many as the input, because records with equal partition numbers belong together."""
    retention: Retention = Retention(30, "readers that are down")
    configs: Mapping[str, str] = field(default_factory=dict)
    """Settings of the topic, beside its retention, that differ from the broker's defaults."""

    def carries(self, record: str) -> bool:
        """Whether it contains records of this type."""
        return any(fnmatchcase(record, pattern) for pattern in self.records)


TABLE = "accounts"
"""The one table of a worker."""

INPUT_RETENTION = Retention(
    90,
    "a billing cycle and its late events (75 days): `verify`, `retract`, `explain --recompute` and "
    "a new start from the input see nothing older",
    bytes_per_event=190,
)

EVENTS = Topic(
    "streamproc.events",
    "Topic for usage and account events.",
    ("usage.*", "account.*", "service.*", "location.updated", "clock.advanced"),
    "the subscriber",
    written_by=("billing",),
    read_by=("worker",),
    read_with=("reader", "operator"),
    written_with=("operator", "canary"),  # `retract`
    retention=INPUT_RETENTION,
)
COMMANDS = Topic(
    "streamproc.commands",
    "Topic for texts that subscribers send.",
    ("sms.received",),
    "the subscriber",
    written_by=("messaging", "dispatcher"),
    read_by=("worker",),
    read_with=("reader",),
    retention=replace(INPUT_RETENTION, bytes_per_event=1),
)
REMINDERS = Topic(
    "streamproc.reminders",
    "Topic for messages to subscribers.",
    ("reminder.requested",),
    "the subscriber",
    written_by=("worker",),
    read_by=("dispatcher",),
    read_with=("reader", "history", "operator", "canary"),  # the operator's dead letters
    retention=Retention(
        30,
        "dispatchers that are down; dead letters, which are sent again from here; `explain`",
        bytes_per_event=85,
    ),
)
CHANGELOG = Topic(
    "streamproc-accounts-changelog",
    "Topic that stores the states; its name begins with --app-id.",
    (),
    "the subscriber",
    written_by=("worker",),
    read_by=("worker",),
    read_with=("reader", "operator"),  # `rules publish` looks who holds what would be gone
    retention=Retention(None, "the states"),
    configs=STATES,
)
"""No option names it, and no contract: it is the worker's own."""
ALARM_SHARES = Topic(
    "streamproc.alarm-shares",
    "Topic in which workers and dispatchers tell their shares of alarms.",
    (),
    "its own",
    written_by=("worker", "dispatcher"),
    read_by=("worker",),
    retention=Retention(1, "the worker that decides alarms next begins with the last minutes"),
    partitions=1,
    # Minutes are counted by one clock, and a process whose own clock is wrong is found.
    configs={"message.timestamp.type": "LogAppendTime"},
)


def changelog_of(app_id: str) -> str:
    """The name of an application's changelog; Faust makes it of its own table's name."""
    return f"{app_id}-{TABLE}-changelog"


def option_of(name: str) -> str:
    """The command option that names the topic of a field."""
    return f"--{name.replace('_', '-')}"


def _named_by(topic: Topic) -> Any:
    """A field with the name of this topic."""
    return field(default=topic.default, metadata={"topic": topic})


@dataclass(frozen=True)
class _Names:
    """Names of topics, one in each field."""

    @classmethod
    def declared(cls) -> dict[str, Topic]:
        """The topics by field, in order."""
        return {one.name: one.metadata["topic"] for one in fields(cls) if "topic" in one.metadata}

    @classmethod
    def under(cls, prefix: str, **others: Any) -> Self:
        """Each topic is named by its field after a prefix: for a run with topics of its own."""
        return cls(**{name: f"{prefix}{name}" for name in cls.declared()}, **others)

    def by_field(self) -> dict[str, str]:
        """The names by field, in order."""
        return {name: getattr(self, name) for name in self.declared()}

    def renamed(self) -> list[str]:
        """The options of commands for the names that are not the usual ones."""
        usual = type(self)().by_field()
        named = [(one, name) for one, name in self.by_field().items() if name != usual[one]]
        return [word for one, name in named for word in (option_of(one), name)]


@dataclass(frozen=True)
class WorkerTopics(_Names):
    """The topics that a worker reads (``inputs``) and writes (the others).

    Every input topic accepts every event type. The events of a subscriber keep their order
    within one topic.
    """

    inputs: tuple[str, ...] = (EVENTS.default, COMMANDS.default)
    reminders: str = _named_by(REMINDERS)
    audit: str = _named_by(
        Topic(
            "streamproc.audit",
            "Topic for what was decided, and why.",
            ("audit.recorded",),
            "the subscriber",
            written_by=("worker",),
            read_by=("operator",),
            read_with=("reader", "history"),
            retention=Retention(90, "`explain`", bytes_per_event=75),
        )
    )
    rejects: str = _named_by(
        Topic(
            "streamproc.rejects",
            "Topic for input that was not applied.",
            ("input.rejected",),
            "none",
            written_by=("worker",),
            read_by=("operator",),
            read_with=("reader", "canary"),
            retention=Retention(30, "bad input that is mended and sent again", bytes_per_event=2),
        )
    )
    orders: str = _named_by(
        Topic(
            "streamproc.orders",
            "Topic for what billing is to do.",
            ("confirmation.decided", "unsubscription.requested", "refund.requested"),
            "the subscriber",
            written_by=("worker",),
            read_by=("billing",),
            read_with=("history",),
            retention=Retention(30, "a billing system that is down", bytes_per_event=1),
        )
    )
    policy: str = _named_by(
        Topic(
            "streamproc.policy",
            "Topic for who is throttled, barred or restored.",
            ("policy.changed",),
            "the subscriber",
            written_by=("worker",),
            read_by=("policy system",),
            read_with=("history",),
            retention=Retention(30, "a policy system that is down", bytes_per_event=1),
        )
    )

    forwarded: str = _named_by(
        Topic(
            "streamproc.forwarded",
            "Topic for input that is taken over from a wrong partition.",
            (*EVENTS.records, *COMMANDS.records),
            "the subscriber",
            written_by=("worker",),
            read_by=("worker",),
            read_with=("reader",),
            retention=replace(INPUT_RETENTION, bytes_per_event=0),
        )
    )

    rule_versions: str = _named_by(
        Topic(
            "streamproc.rules",
            "Topic for versions of the rules: published ones, and those that workers have taken.",
            ("rules.published",),
            "its own",
            written_by=("worker",),
            read_by=("worker",),
            read_with=("reader", "operator"),  # `rules list`
            written_with=("operator",),  # `rules publish`
            retention=Retention(None, "the rules"),
            partitions=1,
            configs=COMPACTED,
        )
    )
    alarms: str = _named_by(
        Topic(
            "streamproc.alarms",
            "Topic for alarms: raised, escalated, lowered and cleared.",
            ("alarm.changed",),
            "its own",
            written_by=("worker",),
            read_by=("worker", "operator"),
            read_with=("history", "reader"),
            retention=Retention(365, "the history of incidents; which alarms are raised"),
            partitions=1,
        )
    )
    alarm_shares: str = _named_by(ALARM_SHARES)
    reveals: str = _named_by(
        Topic(
            "streamproc.reveals",
            "Topic in which it is written down who was shown numbers or messages of people.",
            ("data.revealed",),
            "its own",
            written_by=("operator",),
            read_by=("worker", "operator"),
            read_with=("history",),
            written_with=("reader",),  # `explain`, `simulate`, `record`
            retention=Retention(365, "an auditor"),
            partitions=1,
            # Who reveals must not choose the time of it.
            configs={"message.timestamp.type": "LogAppendTime"},
        )
    )

    @property
    def read(self) -> tuple[str, ...]:
        """The names of all topics that a worker reads: the inputs, and the records that workers
        forward."""
        return (*self.inputs, self.forwarded)

    def arguments(self) -> list[str]:
        """The arguments of ``streamproc worker`` for these names."""
        inputs = [word for name in self.inputs for word in ("--input", name)]
        named = self.by_field().items()
        return inputs + [word for field, name in named for word in (option_of(field), name)]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all topics that a worker writes."""
        return tuple(self.by_field().values())

    @property
    def results(self) -> tuple[str, ...]:
        """The names of those that hold what follows from the input."""
        own = [name for name, one in self.declared().items() if one.partitions is not None]
        return tuple(name for field, name in self.by_field().items() if field not in own)


@dataclass(frozen=True)
class DispatchTopics(_Names):
    """The topics that a dispatcher reads and writes."""

    reminders: str = _named_by(REMINDERS)
    resends: str = _named_by(
        Topic(
            "streamproc.resends",
            "Topic for dead letters that are sent again.",
            ("reminder.requested",),
            "the subscriber",
            written_by=("operator",),
            read_by=("dispatcher",),
            read_with=("operator",),
            retention=Retention(30, "dispatchers that are down"),
        )
    )
    journal: str = _named_by(
        Topic(
            "streamproc.dispatch-journal",
            "Topic that stores which reminders were sent.",
            (),
            "its own",
            written_by=("dispatcher",),
            read_by=("dispatcher",),
            retention=Retention(None, "what was sent"),
            configs=COMPACTED,
        )
    )
    receipts: str = _named_by(
        Topic(
            "streamproc.receipts",
            "Topic for the result of each reminder.",
            ("receipt.recorded",),
            "the reminder",
            written_by=("dispatcher",),
            read_by=("messaging",),
            read_with=("reader", "history", "canary"),
            retention=Retention(90, "`explain`, statistics", bytes_per_event=70),
        )
    )
    dead_letters: str = _named_by(
        Topic(
            "streamproc.dead-letters",
            "Topic for reminders that could not be sent.",
            ("reminder.abandoned",),
            "the reminder",
            written_by=("dispatcher",),
            read_by=("operator",),
            read_with=("operator", "history"),
            retention=Retention(30, "an operator who sends them again", bytes_per_event=1),
        )
    )
    reports: str = _named_by(
        Topic(
            "streamproc.reports",
            "Topic in which dispatchers share delivery reports.",
            (),
            "its own",
            written_by=("dispatcher",),
            read_by=("dispatcher",),
            retention=Retention(7, "a dispatcher that was down reads on here", bytes_per_event=20),
            partitions=1,
        )
    )
    commands: str = _named_by(COMMANDS)
    incoming_sms: str = _named_by(
        Topic(
            "streamproc.incoming-sms",
            "Topic in which dispatchers share what subscribers send.",
            (),
            "its own",
            written_by=("dispatcher",),
            read_by=("dispatcher",),
            retention=Retention(1, "an SMS that comes again within the hour, and its other parts"),
            partitions=1,
        )
    )
    alarm_shares: str = _named_by(ALARM_SHARES)


ROLES: Mapping[str, Topic] = {
    "inputs": EVENTS,
    "changelog": CHANGELOG,
    **WorkerTopics.declared(),
    **DispatchTopics.declared(),
}
"""Every topic by the name that options and tables of settings have for it."""

TOPICS: tuple[Topic, ...] = tuple(
    {
        one.default: one
        for one in (
            *(EVENTS, COMMANDS),
            *WorkerTopics.declared().values(),
            *DispatchTopics.declared().values(),
        )
    }.values()
)
"""All topics."""
