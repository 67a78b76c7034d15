"""Which settings of topics are refused, which are told, and with what topics are made."""

from __future__ import annotations

import re
from typing import Any

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.topic_settings import (
    DAY_MS,
    DEMANDS,
    SETTINGS,
    Clock,
    configs_of,
    doubts,
    faults,
)
from streamproc.contracts.topics import ROLES, TOPICS, DispatchTopics, WorkerTopics
from streamproc.kafka.topics import FoundTopic, NewTopic
from streamproc.provision.planning import (
    Entry,
    TopicsError,
    TopicsPlan,
    Wanted,
    of_dispatcher,
    of_worker,
)

SAFE = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}


def test_three_replicas_of_which_two_are_in_sync_are_not_doubted() -> None:
    assert doubts(3, SAFE) == []


@pytest.mark.parametrize(
    ("replicas", "change", "word"),
    [
        (1, {}, "one replica"),
        (3, {"min.insync.replicas": "1"}, "min.insync.replicas"),
        (3, {"unclean.leader.election.enable": "true"}, "unclean"),
    ],
)
def test_what_a_lost_broker_takes_along_is_told(
    replicas: int, change: dict[str, str], word: str
) -> None:
    (doubt,) = doubts(replicas, SAFE | change)
    assert word in doubt


def planned(*replicas: int) -> TopicsPlan:
    """A plan whose topics exist with so many replicas each."""
    roles = list(ROLES)[: len(replicas)]
    return TopicsPlan(
        tuple(
            Entry(Wanted(role, f"t{n}"), NewTopic(4, 3, {}), FoundTopic(4, count, dict(SAFE)))
            for n, (role, count) in enumerate(zip(roles, replicas, strict=True))
        ),
        "wall",
    )


def test_a_doubt_about_many_topics_is_told_once() -> None:
    assert planned(3, 3).doubts() == []
    assert planned(1, 3).doubts() == ["t0 has one replica"]
    assert planned(1, 1, 3).doubts() == ["t0 and t1 have one replica"]
    assert planned(*[1] * 12).doubts() == ["all 12 topics have one replica"]
    assert planned(*[1] * 12, 3).doubts() == ["t0, t1, t10 and 9 other topics have one replica"]


def judged(role: str, clock: Clock = "wall", **configs: str) -> dict[str, str]:
    """What becomes of a topic with these settings, by setting."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    return {one.demand.setting: one.demand.then for one in faults(role, "t", named, clock)}


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
@pytest.mark.parametrize("role", ["inputs", "reminders", "resends", "rejects", "orders", "policy"])
def test_topics_whose_records_all_count_must_not_be_compacted(role: str, policy: str) -> None:
    assert judged(role, cleanup_policy=policy) == {"cleanup.policy": "refuse"}
    assert judged(role, cleanup_policy="delete") == {}


@pytest.mark.parametrize("policy", ["delete", "compact,delete", "delete,compact"])
@pytest.mark.parametrize("role", ["changelog", "journal"])
def test_states_and_what_was_sent_must_not_be_deleted(role: str, policy: str) -> None:
    assert judged(role, cleanup_policy=policy) == {"cleanup.policy": "refuse"}
    assert judged(role, cleanup_policy="compact") == {}


@pytest.mark.parametrize(
    ("role", "days", "expected"),
    [
        ("inputs", 74, "warn"),
        ("inputs", 75, None),
        ("reminders", 6, "warn"),
        ("reminders", 7, None),
        ("audit", 34, "warn"),
        ("receipts", 1, "warn"),
        ("inputs", -1, None),
    ],
)
def test_a_retention_that_loses_something_is_told(
    role: str, days: int, expected: str | None
) -> None:
    kept = str(days * DAY_MS) if days > 0 else "-1"
    assert judged(role, retention_ms=kept).get("retention.ms") == expected


def test_recorded_events_need_a_topic_that_keeps_them_for_ever() -> None:
    kept = str(90 * DAY_MS)
    assert judged("inputs", "event", retention_ms=kept) == {"retention.ms": "warn"}
    assert judged("inputs", "event", retention_ms="-1") == {}


def test_the_senders_clocks_are_told_under_the_wall_clock_alone() -> None:
    kept = "message_timestamp_type"
    assert judged("inputs", "wall", **{kept: "CreateTime"}) == {"message.timestamp.type": "warn"}
    assert judged("inputs", "event", **{kept: "CreateTime"}) == {}
    assert judged("inputs", "wall", **{kept: "LogAppendTime"}) == {}


@pytest.mark.parametrize(
    ("role", "clock", "configs"),
    [
        ("changelog", "wall", {"delete.retention.ms": "0"}),
        ("journal", "wall", {"delete.retention.ms": "3600000"}),
        ("audit", "wall", {"retention.bytes": "1000000"}),
        ("rejects", "wall", {"retention.bytes": "0"}),
        ("dead_letters", "wall", {"retention.bytes": "1"}),
        ("forwarded", "event", {"message.timestamp.before.max.ms": "86400000"}),
        ("forwarded", "event", {"message.timestamp.after.max.ms": "3600000"}),
    ],
)
def test_settings_that_lose_something_at_a_bad_time_are_told(
    role: str, clock: Clock, configs: dict[str, str]
) -> None:
    (fault,) = faults(role, "t", configs, clock)
    assert fault.demand.then == "warn"
    mended = {fault.demand.setting: fault.demand.mend}
    assert faults(role, "t", mended, clock) == []


@pytest.mark.parametrize(("least", "replicas"), [(2, 1), (3, 2), (1, 1), (2, 3)])
def test_a_topic_that_nobody_can_write_to_is_refused(least: int, replicas: int) -> None:
    """The broker demands more replicas in sync than there are."""
    found = FoundTopic(4, replicas, {"min.insync.replicas": str(least)})
    entry = Entry(Wanted("reminders", "t"), NewTopic(4, replicas, {}), found)
    problem = TopicsPlan((entry,), "wall").problem()
    assert bool(problem) == (least > replicas)
    if problem:
        assert problem.startswith(f"t has min.insync.replicas={least}, but {replicas} replica")
        assert f"--add-config min.insync.replicas={replicas}" in problem


@pytest.mark.parametrize(
    ("topics", "says"),
    [
        ({"inputs": ("streamproc.reminders",)}, "--input streamproc.reminders and --reminders"),
        ({"reminders": "streamproc.audit"}, "--reminders streamproc.audit and --audit"),
        ({"forwarded": "streamproc.events"}, "--input streamproc.events and --forwarded"),
        ({"rejects": "streamproc-accounts-changelog"}, "--app-id (its changelog) streamproc-acc"),
    ],
)
def test_one_topic_for_two_purposes_of_a_worker_is_refused(
    topics: dict[str, Any], says: str
) -> None:
    with pytest.raises(TopicsError, match=f"one topic cannot be .*{re.escape(says)}"):
        of_worker(WorkerTopics(**topics), "streamproc")
    # The command says so before it asks the broker.
    name, value = next(iter(topics.items()))
    option = [
        "--input" if name == "inputs" else f"--{name}",
        value if name != "inputs" else value[0],
    ]
    result = CliRunner().invoke(main, ["worker", "--broker", "127.0.0.1:1", *option])
    assert result.exit_code == 1
    assert says in result.stderr


def test_one_topic_for_two_purposes_of_a_dispatcher_is_refused() -> None:
    with pytest.raises(TopicsError, match="--reminders x and --resends x"):
        of_dispatcher(DispatchTopics(reminders="x", resends="x"))
    assert of_dispatcher(DispatchTopics())
    assert of_worker(WorkerTopics(inputs=("a", "a")), "streamproc")


def test_retention_of_a_compacted_topic_does_not_matter() -> None:
    assert judged("inputs", cleanup_policy="compact", retention_ms="1") == {
        "cleanup.policy": "refuse"
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("clock", ["wall", "event"])
def test_what_is_made_here_loses_nothing(role: str, clock: Clock) -> None:
    configs = {"cleanup.policy": "delete", **configs_of(role, clock, {})}
    assert faults(role, "t", configs, clock) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_topic_is_made_with_a_policy_of_its_own(role: str) -> None:
    configs = configs_of(role, "wall", {})
    assert configs["cleanup.policy"] in ("delete", "compact")
    assert ("retention.ms" in configs) == (configs["cleanup.policy"] == "delete")


def test_an_option_changes_the_retention() -> None:
    assert configs_of("audit", "wall", {"audit": -1})["retention.ms"] == "-1"
    assert configs_of("audit", "wall", {"inputs": 1})["retention.ms"] == str(90 * DAY_MS)


@pytest.mark.parametrize("one", DEMANDS, ids=lambda one: f"{one.roles[0]} {one.setting}")
def test_what_mends_a_setting_is_right(one: object) -> None:
    assert one in DEMANDS
    demand = next(found for found in DEMANDS if found is one)
    assert not demand.is_bad(demand.mend)
    assert set(demand.roles) <= set(ROLES)
    assert demand.setting in SETTINGS


def test_every_topic_has_a_policy_that_is_demanded() -> None:
    demanded = {role for one in DEMANDS if one.setting == "cleanup.policy" for role in one.roles}
    assert demanded == set(ROLES)
    assert {one.default for one in TOPICS} <= {
        *(one.default for one in ROLES.values()),
        "streamproc.commands",
    }


def test_a_fault_is_one_line_that_says_how_to_mend_it() -> None:
    (fault,) = faults("inputs", "usage", {"cleanup.policy": "compact"})
    assert str(fault).startswith("usage has cleanup.policy=compact, which loses all events")
    assert "--entity-name usage --add-config cleanup.policy=delete" in str(fault)
    assert "\n" not in str(fault)
