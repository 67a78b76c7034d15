"""What settings of topics lose: topic by topic, setting by setting, refused or warned of.

The one home of these demands. The checks at a start, ``streamproc topics plan`` and a table in
docs/operations.md follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from streamproc.contracts.topics import COMPACTION_MS, ROLES

Then = Literal["refuse", "warn"]
"""Whether a worker or dispatcher starts nevertheless."""
Clock = Literal["wall", "event"]

DAY_MS = 86_400_000
FOREVER = "-1"
ANY_TIME = str(2**63 - 1)
"""The largest distance between a record's time and the broker's."""
LONGEST_LAG_DAYS = 31


@dataclass(frozen=True)
class Demand:
    """One setting of some topics, and what a wrong value of it loses."""

    roles: tuple[str, ...]
    setting: str
    bad: str
    """Which values are wrong, in words."""
    is_bad: Callable[[str], bool]
    loses: str
    then: Then
    mend: str
    """A value that is right."""
    clock: Clock | None = None
    """Under this clock alone; None: under both."""


@dataclass(frozen=True)
class Fault:
    """A topic with a setting that loses something."""

    topic: str
    demand: Demand
    value: str

    def __str__(self) -> str:
        one = self.demand
        return (
            f"{self.topic} has {one.setting}={self.value}, which loses {one.loses}. Set it: "
            f"kafka-configs --alter --entity-type topics --entity-name {self.topic} "
            f"--add-config {one.setting}={one.mend}"
        )


def _has(word: str) -> Callable[[str], bool]:
    return lambda value: word in value.split(",")


def _below(least: int) -> Callable[[str], bool]:
    """Whether a retention is shorter; -1 is for ever."""
    return lambda value: 0 <= int(value) < least


def _uncompacted(roles: tuple[str, ...], loses: str, then: Then) -> Demand:
    return Demand(roles, "cleanup.policy", "with `compact`", _has("compact"), loses, then, "delete")


def _kept(roles: tuple[str, ...], days: int, loses: str) -> Demand:
    return Demand(
        roles,
        "retention.ms",
        f"less than {days} days",
        _below(days * DAY_MS),
        loses,
        "warn",
        str(max(days, _planned_days(roles)) * DAY_MS),
    )


def _planned_days(roles: tuple[str, ...]) -> int:
    return max(ROLES[role].retention.days or 0 for role in roles)


MESSAGES = ("reminders", "resends")
READ = ("inputs", "forwarded")
"""What a worker reads."""
EVENTS = (*READ, "commands")

_NAMED: tuple[Demand, ...] = (
    _uncompacted(EVENTS, "all events of a subscriber but the last, before they are read", "refuse"),
    _uncompacted(
        MESSAGES, "all messages to a subscriber but the last, before they are sent", "refuse"
    ),
    _uncompacted(
        ("rejects",), "every commit: a reject has no key, and the broker refuses it", "refuse"
    ),
    _uncompacted(("orders",), "all orders about a subscriber but the last", "refuse"),
    _uncompacted(
        ("policy",), "all states of a subscriber's policies but the last change", "refuse"
    ),
    _uncompacted(("reports",), "delivery reports: one gateway's replace another's", "refuse"),
    _uncompacted(("audit",), "the reasons that `explain` shows", "warn"),
    _uncompacted(("receipts",), "all results of a message but the last", "warn"),
    _uncompacted(("dead_letters",), "earlier failures of a message", "warn"),
    _uncompacted(("alarms",), "the history of incidents", "warn"),
    _uncompacted(("reveals",), "all but the last time that somebody was shown numbers", "warn"),
    _uncompacted(("alarm_shares",), "what processes have written in the last minutes", "refuse"),
    Demand(
        ("changelog",),
        "cleanup.policy",
        "with `delete`",
        _has("delete"),
        "states that did not change for a while",
        "refuse",
        "compact",
    ),
    Demand(
        ("journal",),
        "cleanup.policy",
        "with `delete`",
        _has("delete"),
        "what was sent, so that it is sent again",
        "refuse",
        "compact",
    ),
    Demand(
        ("rule_versions",),
        "cleanup.policy",
        "with `delete`",
        _has("delete"),
        "the last good rules of workers whose rules did not change for a while",
        "warn",
        "compact",
    ),
    Demand(
        ("changelog", "journal"),
        "max.compaction.lag.ms",
        f"more than {LONGEST_LAG_DAYS} days",
        lambda value: int(value) > LONGEST_LAG_DAYS * DAY_MS,
        "the end of what is forgotten: SMS that waited and contracts that ended stay readable",
        "warn",
        str(COMPACTION_MS),
    ),
    Demand(
        ("changelog", "journal"),
        "delete.retention.ms",
        "less than 1 day",
        _below(DAY_MS),
        "the ends of states for a reader that is behind: it keeps what has ended",
        "warn",
        str(DAY_MS),
    ),
    _kept(
        EVENTS,
        75,
        "events of a billing cycle and late ones: `verify`, `retract`, `explain --recompute` and a "
        "new start from the input miss them, and a worker that was down so long never reads them",
    ),
    Demand(
        READ,
        "retention.ms",
        "any but -1",
        lambda value: value != FOREVER,
        "recorded events: their old times count, so they may be deleted at once",
        "warn",
        FOREVER,
        clock="event",
    ),
    _kept(MESSAGES, 7, "messages that dispatchers did not send while they were down"),
    _kept(("audit",), 35, "the reasons that `explain` shows of the last cycle"),
    _kept(("rejects",), 7, "bad input before anybody mends it"),
    _kept(("orders",), 7, "what billing did not do while it was down"),
    _kept(("policy",), 7, "changes while the policy system was down"),
    _kept(("receipts",), 7, "results of messages before they are read"),
    _kept(("dead_letters",), 7, "messages that could not be sent, before anybody sends them again"),
    _kept(("alarms",), 7, "alarms that are still raised, so that they are raised again"),
    _kept(("reveals",), 90, "who was shown numbers, before an auditor asks"),
    _kept(("reports",), 3, "delivery reports that a dispatcher has not read yet"),
    Demand(
        (*EVENTS, *MESSAGES, "orders", "policy"),
        "retention.bytes",
        "any but -1",
        lambda value: value != FOREVER,
        "records that nobody has read yet, as soon as there are many",
        "warn",
        FOREVER,
    ),
    Demand(
        ("audit", "rejects", "receipts", "dead_letters", "reports"),
        "retention.bytes",
        "any but -1",
        lambda value: value != FOREVER,
        "the oldest records before their time, as soon as there are many",
        "warn",
        FOREVER,
    ),
    *(
        Demand(
            ("forwarded",),
            f"message.timestamp.{side}.max.ms",
            f"any but {ANY_TIME}",
            lambda value: value != ANY_TIME,
            "whole commits: the broker refuses a forwarded record of another time, and its "
            "partition stops",
            "warn",
            ANY_TIME,
            clock="event",
        )
        for side in ("before", "after")
    ),
    Demand(
        READ,
        "message.timestamp.type",
        "`CreateTime`",
        lambda value: value == "CreateTime",
        "timely reminders: an event arrives by its sender's clock, and one that runs ahead makes "
        "reminders go out early",
        "warn",
        "LogAppendTime",
        clock="wall",
    ),
    Demand(
        ("changelog", "reminders", "audit", "rejects", "orders", "policy", "forwarded"),
        "max.message.bytes",
        "less than 1 MB",
        lambda value: int(value) < 1_000_000,
        "whole commits: a large batch is refused, and its partition stops",
        "warn",
        "1048588",
    ),
)

_OTHERS = tuple(
    role
    for role in ROLES
    if not any(role in one.roles and one.setting == "cleanup.policy" for one in _NAMED)
)
DEMANDS: tuple[Demand, ...] = (
    *_NAMED,
    *([_uncompacted(_OTHERS, "all records of a key but the last", "warn")] if _OTHERS else []),
)
"""All of them."""

SETTINGS: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(one.setting for one in DEMANDS),
            "min.insync.replicas",
            "unclean.leader.election.enable",
        ]
    )
)
"""The settings that anything is demanded of."""


def faults(role: str, topic: str, configs: Mapping[str, str], clock: Clock = "wall") -> list[Fault]:
    """The settings of a topic that lose records; unknown settings are left out."""
    compacted = _has("compact")(configs.get("cleanup.policy", ""))
    return [
        Fault(topic, one, configs[one.setting])
        for one in DEMANDS
        if role in one.roles
        and one.setting in configs
        and one.clock in (None, clock)
        and not (compacted and one.setting.startswith("retention."))
        and one.is_bad(configs[one.setting])
    ]


def doubts(replicas: int, configs: Mapping[str, str]) -> list[str]:
    """What a topic has that does not survive the loss of a broker."""
    found = []
    if replicas < 2:
        found.append("one replica")
    elif int(configs.get("min.insync.replicas", 1)) < 2:
        found.append("min.insync.replicas=1")
    if configs.get("unclean.leader.election.enable") == "true":
        found.append("unclean.leader.election.enable=true")
    return found


def configs_of(role: str, clock: Clock, retention_ms: Mapping[str, int]) -> dict[str, str]:
    """What a topic of a role is made with. ``retention_ms``: by role, if not the usual one.

    Under the wall clock an event arrives when the broker gets it, whatever its sender's clock says:
    a sender whose clock runs ahead must not make timed reminders go out early. A replay brings its
    own time in the records, which may be old: they are kept for ever.
    """
    topic = ROLES[role]
    configs = dict(topic.configs)
    if topic.retention.days is None:
        return configs
    configs["cleanup.policy"] = "delete"
    usual_ms = topic.retention.days * DAY_MS
    if role in EVENTS:
        usual_ms = usual_ms if clock == "wall" else int(FOREVER)
        configs |= (
            {"message.timestamp.type": "LogAppendTime"}
            if clock == "wall"
            else {"message.timestamp.after.max.ms": ANY_TIME}
        )
    configs["retention.ms"] = str(retention_ms.get(role, usual_ms))
    return configs


def roles_with_retention() -> Iterable[str]:
    """The roles whose retention an option may change."""
    return (role for role, topic in ROLES.items() if topic.retention.days is not None)
