"""Topics are made when that is asked for, and refused if they lose records or do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from streamproc.cli import main
from streamproc.contracts.topic_settings import DAY_MS, Clock
from streamproc.contracts.topics import DispatchTopics, WorkerTopics, option_of
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.topics import DispatchError
from streamproc.dispatch.topics import prepare_topics as prepare_dispatch
from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.topics import NewTopic, find_topics, make_topics, open_admin
from streamproc.provision.planning import TopicsError
from streamproc.worker.settings import WorkerSettings
from streamproc.worker.topics import prepare_topics
from tests.support.jvm_broker import JvmBroker
from tests.support.ports import free_port


def settings_of(bootstrap: str, clock: Clock = "wall", create: bool = True) -> WorkerSettings:
    app = f"t{uuid4().hex[:8]}"
    topics = WorkerTopics.under(f"{app}.", inputs=(f"{app}.events",))
    return WorkerSettings(
        bootstrap, app, topics=topics, create_topics=create, partitions=3, clock=clock
    )


def make(bootstrap: str, topic: str, partitions: int = 3, **configs: str) -> None:
    admin = open_admin(bootstrap)
    try:
        named = {name.replace("_", "."): value for name, value in configs.items()}
        make_topics(admin, bootstrap, {topic: NewTopic(partitions, 1, named)})
    finally:
        admin.close()


def config(bootstrap: str, topic: str, name: str) -> str:
    admin = open_admin(bootstrap)
    try:
        return str(find_topics(admin, bootstrap, [topic], [name])[topic].configs[name])
    finally:
        admin.close()


def with_one_partition(settings: WorkerSettings) -> list[str]:
    topics = settings.topics
    return [topics.rule_versions, topics.alarms, topics.alarm_shares, topics.reveals]


def write(bootstrap: str, topic: str) -> None:
    producer = kafka_producer(bootstrap)
    producer.send(topic, b"{}", b"key", partition=0).get(30)
    producer.close()


@pytest.mark.parametrize(
    ("clock", "kind", "kept"),
    [("wall", "LogAppendTime", str(90 * DAY_MS)), ("event", "CreateTime", "-1")],
)
def test_missing_topics_are_made_with_the_clocks_timestamps_and_a_retention(
    bootstrap: str, clock: Clock, kind: str, kept: str
) -> None:
    settings = replace(settings_of(bootstrap, clock), retention_ms={"audit": 400 * DAY_MS})
    (events,) = settings.topics.inputs

    counts = prepare_topics(settings)
    assert [counts.pop(name) for name in with_one_partition(settings)] == [1, 1, 1, 1]
    assert set(counts.values()) == {3}
    shares = settings.topics.alarm_shares
    assert config(bootstrap, shares, "message.timestamp.type") == "LogAppendTime"
    assert config(bootstrap, settings.topics.rule_versions, "cleanup.policy") == "compact"
    assert prepare_topics(settings)[settings.changelog] == 3
    assert config(bootstrap, events, "message.timestamp.type") == kind
    assert config(bootstrap, events, "retention.ms") == kept
    assert config(bootstrap, settings.topics.reminders, "message.timestamp.type") == "CreateTime"
    assert config(bootstrap, settings.topics.reminders, "retention.ms") == str(30 * DAY_MS)
    assert config(bootstrap, settings.topics.audit, "retention.ms") == str(400 * DAY_MS)
    assert config(bootstrap, settings.changelog, "cleanup.policy") == "compact"


@pytest.mark.parametrize(("clock", "warnings"), [("wall", 1), ("event", 0)])
def test_input_with_its_senders_time_is_told_under_the_wall_clock(
    bootstrap: str, clock: Clock, warnings: int
) -> None:
    settings = settings_of(bootstrap, clock)
    make(bootstrap, settings.topics.inputs[0])

    with capture_logs() as logs:
        prepare_topics(settings)
    told = [line for line in logs if "sender's clock" in line.get("why", "")]
    assert [line["topic"] for line in told] == [settings.topics.inputs[0]] * warnings


def test_topics_with_different_partition_counts_are_refused(bootstrap: str) -> None:
    settings = settings_of(bootstrap)
    make(bootstrap, settings.topics.inputs[0], 2)
    make(bootstrap, settings.topics.audit, 5)

    with pytest.raises(TopicsError, match=r"audit: 5, .*events: 2"):
        prepare_topics(settings)


def test_a_broker_that_does_not_answer_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(TopicsError, match=address):
        prepare_topics(settings_of(address))


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
@pytest.mark.parametrize("role", ["inputs", "reminders"])
def test_input_and_reminders_that_compaction_would_thin_out_are_refused(
    bootstrap: str, role: str, policy: str
) -> None:
    settings = settings_of(bootstrap)
    topic = settings.topics.inputs[0] if role == "inputs" else settings.topics.reminders
    make(bootstrap, topic, cleanup_policy=policy)

    with pytest.raises(TopicsError, match=rf"{topic} has cleanup\.policy=.*Set it: kafka-configs"):
        prepare_topics(settings)


def test_a_dispatcher_refuses_compacted_reminders_and_a_deleted_journal(bootstrap: str) -> None:
    topics = DispatchTopics.under(f"t{uuid4().hex[:8]}.")
    settings = DispatchSettings(bootstrap, topics, create_topics=True)
    make(bootstrap, topics.reminders, cleanup_policy="compact")
    make(bootstrap, topics.journal)

    with pytest.raises(DispatchError, match=r"before they are sent.*what was sent"):
        prepare_dispatch(settings)


def test_a_retention_that_is_too_short_is_critical_and_no_reason_to_stop(bootstrap: str) -> None:
    settings = settings_of(bootstrap)
    make(bootstrap, settings.topics.inputs[0], retention_ms=str(DAY_MS))

    with capture_logs() as logs:
        prepare_topics(settings)
    told = [one for one in logs if one["log_level"] == "critical" and "retention" in one["why"]]
    assert [one["topic"] for one in told] == [settings.topics.inputs[0]]
    assert "events of a billing cycle" in told[0]["why"]


def test_missing_topics_are_named_in_one_line_and_not_made(bootstrap: str) -> None:
    settings = settings_of(bootstrap, create=False)

    with pytest.raises(TopicsError) as refused:
        prepare_topics(settings)
    assert f"{settings.topics.inputs[0]}, {settings.topics.reminders}" in str(refused.value)
    command = re.search(r"streamproc (topics create .*?) \(or", str(refused.value))
    assert command is not None
    admin = open_admin(bootstrap)
    try:
        assert find_topics(admin, bootstrap, settings.topics.outputs) == {}
    finally:
        admin.close()
    made = CliRunner().invoke(main, command[1].split())
    assert made.exit_code == 0, made.output
    counts = prepare_topics(settings)
    assert [counts.pop(name) for name in with_one_partition(settings)] == [1, 1, 1, 1]
    assert set(counts.values()) == {4}, "the command makes what was missing"


def test_outputs_beside_an_empty_state_are_refused_until_that_is_meant(bootstrap: str) -> None:
    """A mistyped --app-id: the changelog is another one, and all else is as it was."""
    right = settings_of(bootstrap)
    prepare_topics(right)
    wrong = replace(right, app_id=f"{right.app_id}x")
    assert prepare_topics(wrong), "nothing was written yet"
    write(bootstrap, right.topics.reminders)

    with pytest.raises(TopicsError) as refused:
        prepare_topics(wrong)
    assert f"the changelog {wrong.changelog} is empty" in str(refused.value)
    for words in (right.topics.reminders, f"--app-id {wrong.app_id} wrong?", "--start-empty"):
        assert words in str(refused.value)
    assert prepare_topics(replace(wrong, start_empty=True))
    write(bootstrap, right.changelog)
    assert prepare_topics(right)


def test_a_changelog_that_a_mistyped_name_would_make_is_not_made(bootstrap: str) -> None:
    right = settings_of(bootstrap)
    prepare_topics(right)
    write(bootstrap, right.topics.reminders)
    wrong = replace(right, app_id=f"{right.app_id}x")

    with pytest.raises(TopicsError, match="does not exist, but there are records in"):
        prepare_topics(wrong)
    admin = open_admin(bootstrap)
    try:
        assert find_topics(admin, bootstrap, [wrong.changelog]) == {}
    finally:
        admin.close()


def test_receipts_beside_an_empty_journal_are_refused_until_that_is_meant(bootstrap: str) -> None:
    """A mistyped --journal: with an empty one every reminder would be sent again."""
    right = DispatchSettings(
        bootstrap, DispatchTopics.under(f"t{uuid4().hex[:8]}."), create_topics=True
    )
    prepare_dispatch(right)
    typo = f"{right.topics.journal}x"
    wrong = replace(right, topics=replace(right.topics, journal=typo))
    write(bootstrap, right.topics.receipts)

    with pytest.raises(DispatchError, match=rf"the journal {typo} does not exist, but there are"):
        prepare_dispatch(wrong)
    admin = open_admin(bootstrap)
    try:
        assert find_topics(admin, bootstrap, [typo]) == {}
    finally:
        admin.close()
    with pytest.raises(
        DispatchError, match=rf"the journal {right.topics.journal} is empty"
    ) as told:
        prepare_dispatch(right)
    assert "--start-empty" in str(told.value)
    assert prepare_dispatch(replace(wrong, start_empty=True))
    write(bootstrap, right.topics.journal)
    assert prepare_dispatch(right)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["topics", *words])


def test_the_plan_shows_what_would_be_made_and_what_differs(bootstrap: str) -> None:
    app = f"t{uuid4().hex[:8]}"
    options = ["--broker", bootstrap, "--app-id", app, "--for", "worker", "--input", f"{app}.in"]
    for role in WorkerTopics.declared():
        options += [option_of(role), f"{app}.{role}"]
    make(bootstrap, f"{app}.audit", 2, retention_ms=str(DAY_MS), cleanup_policy="delete")
    make(bootstrap, f"{app}.in", 2, retention_ms="-1", message_timestamp_type="LogAppendTime")

    planned = run("plan", *options, "--retention", "reminders=9d")
    assert planned.exit_code == 0, planned.output
    lines = {line.split()[0]: line for line in planned.output.splitlines()}
    assert re.search(r"\s2\s+1\s+delete\s+9 d\s+would be made", lines[f"{app}.reminders"])
    for name in (f"{app}-accounts-changelog", f"{app}.rule_versions"):
        assert re.search(r"\scompact\s+the last of each key\s+would be made", lines[name])
    assert "retention.ms=86400000 (planned 7776000000)" in lines[f"{app}.audit"]
    assert "explain" in lines["warning:"] or "explain" in planned.output

    refused = run("create", *options, "--partitions", "6")
    assert refused.exit_code == 1
    assert "have 2 partitions" in refused.output
    made = run("create", *options, "--retention", "reminders=9d")
    assert made.exit_code == 0, made.output
    assert config(bootstrap, f"{app}.reminders", "retention.ms") == str(9 * DAY_MS)
    assert config(bootstrap, f"{app}.audit", "retention.ms") == str(DAY_MS), "left as it was"
    assert "would be made" not in run("plan", *options).output


def test_the_plan_says_what_is_refused(bootstrap: str) -> None:
    app = f"t{uuid4().hex[:8]}"
    make(bootstrap, f"{app}.in", cleanup_policy="compact,delete")

    planned = run(
        *("plan", "--broker", bootstrap, "--for", "worker", "--app-id", app, "--input", f"{app}.in")
    )
    assert planned.exit_code == 1
    assert f"refused: {app}.in has cleanup.policy=compact,delete, which loses" in planned.output


class InvitingBroker(JvmBroker):
    """Kafka's own default: whoever asks for a topic makes it."""

    def _settings(self, data: Path) -> dict[str, str]:
        return super()._settings(data) | {"auto.create.topics.enable": "true"}


@pytest.fixture(scope="module")
def inviting() -> Iterator[str]:
    with InvitingBroker() as broker:
        yield broker.bootstrap


@pytest.mark.parametrize(
    "command",
    [
        "worker --input typo",
        "dispatch --reminders typo",
        "send --topic typo --subscriber 8613800000001 --total-bytes 1",
        "explain 8613800000001 --audit typo",
        "verify --app-id typo",
        "replay topic:typo --to typo",
        "replay {file} --to typo",
        "record typo --out {out} --start earliest --to-end",
        "workload --events 10 --subscribers 1 --topic typo",
        "dead-letters list",
        "simulate --from topic:typo --rules pack:us",
        "retract --topic typo --source s --from-time 1 --to-time 2",
    ],
)
def test_a_mistyped_name_is_an_error_and_makes_no_topic(
    inviting: str, tmp_path: Path, command: str
) -> None:
    month = tmp_path / "month.ndjson"
    workload = ["workload", "--events", "10", "--subscribers", "1", "--out", str(month)]
    assert CliRunner().invoke(main, workload).exit_code == 0
    name, *words = command.format(file=month, out=tmp_path / "out.zst").split()

    result = CliRunner().invoke(main, [name, "--broker", inviting, *words])
    assert result.exit_code != 0, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "typo" in result.output or "dead-letters" in result.output, result.output
    admin = open_admin(inviting)
    try:
        assert [one for one in admin.list_topics() if not str(one).startswith("__")] == []
    finally:
        admin.close()
