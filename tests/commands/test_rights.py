"""The least rights of each role, as words for people and as Kafka and Strimzi read them."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from streamproc.cli import main
from streamproc.contracts.rights import USER_ROLES, NamesInUse, Right, UserRole, rights_of
from streamproc.contracts.topics import DispatchTopics, WorkerTopics
from streamproc.kafka.missing_rights import MissingRightError, check_rights, missing_right
from streamproc.kafka.settings import KafkaSettings

BROKER = KafkaSettings("kafka:9093", role="worker")


def printed(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["acls", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def allowed(line: str) -> set[Right]:
    """The rights that a command of kafka-acls gives, as that tool reads it."""
    words = shlex.split(line)
    pairs = list(pairwise(words))
    operations = [value for flag, value in pairs if flag == "--operation"]
    is_prefix = ("--resource-pattern-type", "prefixed") in pairs
    kinds: dict[str, Any] = {f"--{kind}": kind for kind in ("topic", "group", "transactional-id")}
    named = [(kinds[flag], value) for flag, value in pairs if flag in kinds]
    return {Right(kind, name, is_prefix, op) for kind, name in named for op in operations}  # type: ignore[arg-type]


@pytest.mark.parametrize("role", get_args(UserRole))
def test_both_forms_give_exactly_the_rights_of_the_role(role: UserRole) -> None:
    target = ("--target", "copy") if role == "replay" else ()
    rights = set(rights_of(role, NamesInUse(target="copy" if target else None)))

    lines = printed("--role", role, *target).splitlines()
    assert {right for line in lines for right in allowed(line)} == rights
    assert sum(len(allowed(line)) for line in lines) == len(rights), "none is given twice"
    document = yaml.safe_load(printed("--role", role, *target, "--format", "strimzi"))
    names = {"transactionalId": "transactional-id"}
    found = {
        Right(
            names.get(one["resource"]["type"], one["resource"]["type"]),
            one["resource"]["name"],
            one["resource"]["patternType"] == "prefix",
            operation,
        )
        for one in document["spec"]["authorization"]["acls"]
        for operation in one["operations"]
    }
    assert found == rights
    assert document["metadata"]["name"] == f"streamproc-{role}"


def test_every_role_is_described() -> None:
    assert tuple(USER_ROLES) == get_args(UserRole)


def test_names_that_a_shell_would_read_are_quoted() -> None:
    line = printed("--role", "history", "--principal", "User:CN=a b;rm -rf /", "--host", "*")
    assert shlex.split(line.splitlines()[0])[4:6] == ["--allow-principal", "User:CN=a b;rm -rf /"]
    assert "'*'" in line


def test_a_worker_has_rights_on_what_it_is_told_to_use_alone() -> None:
    topics = WorkerTopics.under("app.", inputs=("app.events", "other"))
    rights = rights_of("worker", NamesInUse(topics, app_id="mine"))
    named = {one.name for one in rights if one.resource == "topic"}
    assert named == {*topics.outputs, "app.events", "other", "mine-accounts-changelog"}
    dispatch = DispatchTopics.under("sms.")
    rights = rights_of("dispatcher", NamesInUse(dispatch=dispatch, group="g"))
    assert {one.name for one in rights if one.resource == "topic"} == {
        *dispatch.by_field().values()
    }


def test_no_transactional_id_of_a_worker_is_one_of_a_dispatcher() -> None:
    prefixes = {
        role: [
            one.name for one in rights_of(role, NamesInUse()) if one.resource == "transactional-id"
        ]
        for role in ("worker", "dispatcher")
    }
    for number in (0, 7, 12, 999):
        assert any(f"streamproc-{number}".startswith(one) for one in prefixes["worker"])
        other = f"streamproc-dispatch-{number}"
        assert any(other.startswith(one) for one in prefixes["dispatcher"])
        assert not any(other.startswith(one) for one in prefixes["worker"])
    exact = rights_of("worker", NamesInUse(partitions=3))
    ids = [one for one in exact if one.resource == "transactional-id"]
    assert [(one.name, one.is_prefix) for one in ids] == [
        *((f"streamproc-{n}", False) for n in range(3)),
        ("streamproc-alarms", False),  # of the worker that decides alarms
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--role", "replay"), "--role replay needs --target"),
        (("--role", "worker", "--group", "g"), "a worker's is its --app-id"),
        (("--role", "worker", "--target", "t"), "no other role has one"),
        (("--role", "reader", "--source", "t"), "--source is for --role replay"),
        (("--role", "worker", "--transactional-id-prefix", "p"), "begin with --app-id"),
        (("--role", "worker", "--format", "strimzi", "--remove"), "delete the KafkaUser"),
    ],
)
def test_options_that_do_not_fit_are_told(arguments: tuple[str, ...], says: str) -> None:
    assert says in printed(*arguments, code=2)


def test_a_name_that_kubernetes_cannot_have_is_told() -> None:
    said = printed("--role", "worker", "--format", "strimzi", "--principal", "User:A_b", code=1)
    assert "small letters" in said


def described(name: str, operations: list[str] | None, error_code: int = 0) -> dict[str, Any]:
    return {"name": name, "error_code": error_code, "authorized_operations": operations}


def test_all_that_is_missing_is_in_one_sentence() -> None:
    topics = [
        described("in", ["DESCRIBE", "READ"]),
        described("out", ["DESCRIBE", "READ"]),
        described("gone", None, error_code=29),
        described("old broker", None),
    ]
    needs = {
        "in": ("DescribeConfigs", "Read"),
        "out": ("Read", "Write"),
        "gone": ("DescribeConfigs", "Read"),
        "old broker": ("Write",),
    }
    with pytest.raises(MissingRightError) as caught:
        check_rights(BROKER, topics, needs)
    assert str(caught.value) == (
        "the user ANONYMOUS has no right to Describe and Read the topic gone (or there is no such "
        "topic); and to DescribeConfigs the topic in; and to Write the topic out at kafka:9093: "
        "`streamproc acls --role worker` prints the rights that it needs"
    )


def test_a_refusal_names_what_it_is_about() -> None:
    topic = missing_right(TopicAuthorizationFailedError({"b", "a"}), BROKER, "Write")
    assert topic is not None
    assert "to Write the topics a, b at kafka:9093" in topic
    coordinator = "FindCoordinatorResponse error for GROUP/g.bulk: "
    group = missing_right(GroupAuthorizationFailedError(coordinator), BROKER)
    assert group is not None
    assert "to Read the group g.bulk at kafka:9093" in group
    assert missing_right(ValueError("x"), BROKER) is None


def test_a_principal_has_a_type() -> None:
    result = CliRunner().invoke(main, ["acls", "--role", "worker", "--principal", "sms"])
    assert result.exit_code == 2
    assert "User:sms" in result.stderr


@pytest.mark.parametrize("topic", ["streamproc.reminders", "streamproc.rejects"])
def test_events_are_not_sent_to_what_others_write(topic: str) -> None:
    words = ["send", "--broker", "127.0.0.1:1", "--topic", topic, "--event", "{}"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert f"{topic} is written by worker" in result.stderr
