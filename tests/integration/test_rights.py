"""The whole chain on a broker that denies by default: each part is its own user with the rights
that ``streamproc acls`` prints, and without any one of them it says which is missing."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
import yaml
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaError, KafkaException
from kafka import KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec

from streamproc.cli import main
from streamproc.cli.canary import RULES as CANARY_RULES
from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.receipts import DeadLetter, ReminderRecord, encode_receipt
from streamproc.contracts.rights import Right, UserRole, alarms_id, publishing_id
from streamproc.core.instants import from_ms
from tests.property.budget import IS_DEEP
from tests.support.cast import ROLES, Cast
from tests.support.commands import run, start
from tests.support.scheduler import reminder
from tests.support.secured_broker import SecuredAddresses
from tests.support.signals import stop_in_order
from tests.support.waiting import wait_until

LIMIT_SECONDS = 60.0
One = TypeVar("One")
SUBSCRIBER = "34600000001"
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: start
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
rules:
  - id: low
    kind: usage_percent
    thresholds: [50]
    category: balance
    texts:
      en: "{percent}% used."
"""


def activation(subscriber: str = SUBSCRIBER) -> str:
    """An event of an hour ago: the worker's clock is the wall clock."""
    at = from_ms(time.time_ns() // 1_000_000 - 3_600_000).isoformat()
    event = {
        "type": "account.activated",
        "id": f"a{subscriber}",
        "source": "billing",
        "time": at,
        "subscriber": subscriber,
        "plan": "start",
        "time_zone": "UTC",
        "billing_anchor_day": 8,
        "locale": "en",
    }
    return json.dumps(event)


def usage(id: str, subscriber: str = SUBSCRIBER) -> str:
    """60 % of the plan, now."""
    event = {"type": "usage.recorded", "id": id, "source": "billing", "subscriber": subscriber}
    at = from_ms(time.time_ns() // 1_000_000).isoformat()
    return json.dumps({**event, "time": at, "total_bytes": 600_000_000})


Process = subprocess.Popen[bytes]
BATCH = (
    "--source",
    "billing",
    "--from-time",
    "2026-01-01T00:00Z",
    "--to-time",
    "2100-01-01T00:00Z",
)


@pytest.fixture
def cast(secured: SecuredAddresses, tmp_path: Path) -> Iterator[Cast]:
    cast = Cast(secured, tmp_path)
    cast.grant_all()
    yield cast
    cast.admin.close()


def ends(cast: Cast, topic: str) -> int:
    """How many records a topic has, aborted ones too; looked at from outside."""
    places = [TopicPartition(topic, 0)]
    found = cast.admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    return int(sum(one.offset for one in found.values()))


def create_topics(cast: Cast, code: int = 0) -> str:
    options = ("--app-id", cast.app_id, "--partitions", "1")
    return run("topics", "create", *cast.way("operator"), *cast.names(), *options, code=code)


def send(cast: Cast, event: str, code: int = 0) -> str:
    options = ("--topic", cast.events, "--event", event, "--wait", "5s")
    return run("send", *cast.way("billing"), *options, code=code)


def watch_folder(cast: Cast, event: str, code: int = 0) -> str:
    folder = cast.directory / "folder"
    folder.mkdir(exist_ok=True)
    file = folder / f"{time.monotonic_ns()}.ndjson"
    file.write_text(event + "\n")
    options = ("--topic", cast.events, "--watch", folder, "--once", "--settle", "0s")
    return run("send", *cast.way("billing"), *options, code=code)


def rules_of(cast: Cast) -> Path:
    file = cast.directory / "rules.yaml"
    rules = yaml.safe_load(RULES)
    for name, more in yaml.safe_load(CANARY_RULES.read_text(encoding="utf-8")).items():
        rules[name] += more
    file.write_text(yaml.safe_dump(rules, sort_keys=False))
    return file


def worker_command(cast: Cast) -> list[str]:
    options = ["--app-id", cast.app_id, "--rules", str(rules_of(cast)), "--start-empty"]
    return ["worker", *cast.way("worker"), *cast.worker.arguments(), *options]


def dispatch_command(cast: Cast) -> list[str]:
    named = cast.dispatch.by_field().items()
    words = [word for field, name in named for word in (f"--{field.replace('_', '-')}", name)]
    return ["dispatch", *cast.way("dispatcher"), *words, "--group", cast.group]


def start_worker(cast: Cast) -> subprocess.Popen[bytes]:
    return start(*worker_command(cast))


def start_dispatcher(cast: Cast) -> subprocess.Popen[bytes]:
    return start(*dispatch_command(cast))


def explain(cast: Cast, code: int = 0) -> str:
    topics = cast.worker
    words = ["--audit", topics.audit, "--reminders", topics.reminders, "--rejects", topics.rejects]
    words += ["--receipts", cast.dispatch.receipts, "--show-numbers", "--reveals", topics.reveals]
    words += [word for name in topics.inputs for word in ("--input", name)]
    return run("explain", SUBSCRIBER, *cast.way("reader"), *words, code=code)


def verify(cast: Cast, code: int = 0) -> str:
    words = ["--app-id", cast.app_id, "--rules", str(rules_of(cast)), "--quiet"]
    words += [word for name in cast.worker.inputs for word in ("--input", name)]
    words += ["--forwarded", cast.worker.forwarded]
    return run("verify", *cast.way("reader"), *words, code=code)


def receipts(cast: Cast, code: int = 0) -> str:
    return run("receipts", *cast.way("reader"), "--receipts", cast.dispatch.receipts, code=code)


def canary(cast: Cast, code: int = 0) -> str:
    topics = ("--reminders", cast.worker.reminders, "--rejects", cast.worker.rejects)
    words = ("--topic", cast.events, *topics, "--receipts", cast.dispatch.receipts)
    return run("canary", "--once", *cast.way("canary"), *words, code=code)


def replay(cast: Cast, code: int = 0) -> str:
    words = (f"topic:{cast.events}", "--to", cast.again, "--create-topics", "--partitions", "1")
    return run("replay", *words, "--quiet", "--again", *cast.way("replay"), code=code)


def consumed(cast: Cast, role: UserRole, *topics: str) -> int:
    """How many records a plain consumer of a group reads and commits. Raises KafkaException."""
    consumer = Consumer({**cast.plain_options(role), "group.id": cast.group_of(role)})
    try:
        consumer.subscribe(list(topics))
        count, ended = 0, set[str]()
        deadline = time.monotonic() + LIMIT_SECONDS
        while len(ended) < len(topics):
            assert time.monotonic() < deadline
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                count += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.topic())
            else:
                raise KafkaException(error)
        if count:
            consumer.commit(asynchronous=False)
        return count
    finally:
        consumer.close()


HISTORY = ("alarms", "audit", "orders", "policy", "reminders", "reveals")


def history(cast: Cast) -> int:
    topics = [getattr(cast.worker, name) for name in HISTORY]
    topics += [cast.dispatch.receipts, cast.dispatch.dead_letters]
    return consumed(cast, "history", *topics)


def put_something_into(cast: Cast) -> None:
    """What the parts look for: an account's usage, and a reminder that could not be sent."""
    send(cast, activation())
    send(cast, usage("2"))
    now = from_ms(time.time_ns() // 1_000_000)
    letter = DeadLetter("permanent", "refused", now, ReminderRecord(cast.worker.reminders, 0, 0))
    producer: Any = KafkaProducer(bootstrap_servers=cast.broker.bootstrap)
    producer.send(cast.worker.reminders, encode_effect(reminder(subscriber=SUBSCRIBER)))
    producer.send(cast.dispatch.dead_letters, encode_receipt(letter))
    producer.close()


SENTENCE = r"user \S+ has no right to .*? prints the rights that it needs"


def told(output: str, role: UserRole, right: Right, sentences: int = 1) -> None:
    """One sentence names the user, the operation, the resource and the remedy; it is the last
    thing that is said.

    ``sentences``: how many parts of a process may be refused at the same time.
    """
    assert "Traceback" not in output, output
    found = re.findall(SENTENCE, output)
    assert 1 <= len(set(found)) <= sentences, output
    assert found[-1] in output.splitlines()[-1], output
    for one in found:
        assert f"user streamproc-{role} has no right to " in one
        assert re.search(rf"\b{right.operation}\b", one), one
        assert f"{right.resource.replace('-', ' ')} {right.name}" in one, one
        assert f"`streamproc acls --role {role}`" in one


def attempt(command: list[str]) -> str:
    """The output of a command that must refuse before it begins, run in this process."""
    with patch("streamproc.cli.worker.configure"), patch("streamproc.cli.dispatch.configure"):
        result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.output
    return result.output


def plan(cast: Cast, code: int = 0) -> str:
    options = ("--app-id", cast.app_id, "--partitions", "1")
    return run("topics", "plan", *cast.way("operator"), *cast.names(), *options, code=code)


def resend(cast: Cast, code: int = 0) -> str:
    topics = ("--dead-letters", cast.dispatch.dead_letters, "--resends", cast.dispatch.resends)
    words = ("resend", "--all", "--valid-for", "1h")
    return run("dead-letters", *cast.way("operator"), *topics, *words, code=code)


def reveal(cast: Cast, code: int = 0) -> str:
    topics = ("--dead-letters", cast.dispatch.dead_letters, "--resends", cast.dispatch.resends)
    words = ("show", "0-0", "--reveal", "--reveals", cast.worker.reveals)
    return run("dead-letters", *cast.way("operator"), *topics, *words, code=code)


def record(cast: Cast, topic: str, code: int = 0) -> str:
    words = ("--out", cast.directory / "recorded.zst", "--to-end", "--quiet")
    return run("record", topic, *cast.way("reader"), *words, code=code)


def publish(cast: Cast, code: int = 0) -> str:
    topics = ("--app-id", cast.app_id, "--rule-versions", cast.worker.rule_versions)
    words = ("publish", rules_of(cast))
    return run("rules", *words, *cast.way("operator"), *topics, code=code)


def list_rules(cast: Cast, code: int = 0) -> str:
    topics = ("--app-id", cast.app_id, "--rule-versions", cast.worker.rule_versions)
    return run("rules", "list", *cast.way("reader"), *topics, code=code)


def retract(cast: Cast, code: int = 0) -> str:
    return run("retract", *cast.way("operator"), "--topic", cast.events, *BATCH, code=code)


def refused(consume: Callable[[], object]) -> None:
    """Programs of others get Kafka's own error."""
    with pytest.raises(KafkaException) as caught:
        consume()
    assert "AUTHORIZATION_FAILED" in str(caught.value)


def ended(process: subprocess.Popen[bytes]) -> str:
    """The output of a process that ends by itself, with an error."""
    try:
        said = process.communicate(timeout=LIMIT_SECONDS)[0].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(process.communicate()[0].decode()) from None
    assert process.returncode, said
    return said


def undecided(cast: Cast) -> str:
    """A worker that may not decide alarms does all else, and says what it may not."""
    process = start_worker(cast)
    timer = Timer(LIMIT_SECONDS, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        lines = (line.decode().rstrip() for line in process.stdout)
        said = next((line for line in lines if re.search(SENTENCE, line)), "")
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    assert "shares of alarms cannot be written or read" in said
    return said


def without(cast: Cast, role: UserRole, right: Right) -> str | None:
    """Run the part that needs a right; None if it is not a program of streamproc."""
    topic = right.name if right.resource == "topic" else ""
    if role == "worker":
        return attempt(worker_command(cast)) if topic else ended(start_worker(cast))
    if role == "dispatcher":
        return attempt(dispatch_command(cast)) if topic else ended(start_dispatcher(cast))
    if role == "replay":
        return replay(cast, 1)
    if role == "canary":
        return canary(cast, 1)
    if role == "reader":
        is_state = topic in (cast.worker.forwarded, f"{cast.app_id}-accounts-changelog")
        if topic == cast.worker.alarms:
            return record(cast, topic, 1)
        if topic == cast.worker.rule_versions:
            return list_rules(cast, 1)
        return verify(cast, 3) if is_state else explain(cast, 1)
    if role == "operator":
        state = f"{cast.app_id}-accounts-changelog"
        publishing = (cast.worker.rule_versions, state, publishing_id(cast.app_id))
        if right.operation in ("Describe", "DescribeConfigs"):
            return plan(cast, 1)
        if topic == cast.worker.reveals:
            return reveal(cast, 1)
        if right.name in publishing:
            return publish(cast, 1)
        return retract(cast, 1) if topic == cast.events else resend(cast, 1)
    if role == "history":
        refused(lambda: history(cast))
    elif right.name in (cast.worker.orders, cast.group_of("billing")):
        refused(lambda: consumed(cast, "billing", cast.worker.orders))
    elif (right.name, right.operation) == (cast.events, "Write"):
        return send(cast, usage("3"), 1)
    else:
        return watch_folder(cast, usage("4"), 1)
    return None


def stop(process: subprocess.Popen[bytes]) -> str:
    stop_in_order(process)
    said = process.communicate(timeout=LIMIT_SECONDS)[0].decode()
    assert process.returncode == 0, said
    return said


def test_the_whole_chain_runs_with_the_rights_that_are_printed(
    cast: Cast, processes: list[subprocess.Popen[bytes]]
) -> None:
    assert create_topics(cast).count(" made") == len(cast.topics())
    assert f"{cast.events}/0" in send(cast, activation())
    assert "done, 1 events" in watch_folder(cast, usage("2"))
    processes += [start_worker(cast), start_dispatcher(cast)]
    wait_until(lambda: ends(cast, cast.dispatch.receipts) > 0, LIMIT_SECONDS)

    assert "60% of your data used" in explain(cast) or "audit records" in explain(cast)
    assert "1 subscribers equal" in verify(cast)
    assert "sent" in receipts(cast) or "console" in receipts(cast)
    assert "2 records" in replay(cast)
    assert "all 1 arrived" in canary(cast)
    assert history(cast) > 2
    assert consumed(cast, "billing", cast.worker.orders) == 0
    assert "version 1 is published" in publish(cast)
    assert "in force" in list_rules(cast)
    for process in processes:
        said = stop(process)
        assert "has no right" not in said, said

    worker, dispatcher = start_worker(cast), start_dispatcher(cast)
    processes += [worker, dispatcher]
    lane = Right("group", f"{cast.group}.", True, "Read")
    lost_while_running(cast, "dispatcher", lane, dispatcher, 1)
    audit = Right("topic", cast.worker.audit, False, "Write")
    lost_while_running(cast, "worker", audit, worker, 2)


def lost_while_running(
    cast: Cast, role: UserRole, right: Right, process: Process, number: int
) -> None:
    """Take a right away from a process that works with it: it says so, and ends."""
    cast.take(role, right)
    subscriber = f"3460000001{number}"
    send(cast, activation(subscriber))
    send(cast, usage(f"lost{number}", subscriber))
    # Its client is refused, and so is its look at the topics, which comes every two seconds.
    told(ended(process), role, right, sentences=2)
    cast.give(role, right)


def test_without_any_one_right_the_part_says_which_is_missing_and_does_nothing(
    cast: Cast,
) -> None:
    creating = [one for one in cast.rights("operator") if one.operation == "Create"]
    for right in chosen(creating):
        cast.take("operator", right)
        told(create_topics(cast, 1), "operator", right)
        assert not cast.topics() & set(cast.admin.list_topics())
        cast.give("operator", right)
    create_topics(cast)
    put_something_into(cast)
    before = {topic: ends(cast, topic) for topic in cast.topics()}
    deciding = [one for one in cast.rights("worker") if one.name == alarms_id(cast.app_id)]
    apart = [*creating, *deciding]
    others = [(role, one) for role in ROLES for one in cast.rights(role) if one not in apart]
    for role, right in chosen(others):
        if role == "replay":
            forget_copy(cast)
        cast.take(role, right)
        said = without(cast, role, right)
        if role == "replay" and cast.again in cast.admin.list_topics():
            # A broker tells the rights on a topic when there is one, and only then.
            assert right.name == cast.again
            assert said is not None
            assert f"The topic {cast.again} was made and stays empty" in said
            assert not ends(cast, cast.again)
        if said is not None:
            told(said, role, right)
        assert {topic: ends(cast, topic) for topic in cast.topics()} == before, (role, right)
        cast.give(role, right)
    assert "2 records" in replay(cast)  # all rights are back
    for right in deciding:
        cast.take("worker", right)
        told(undecided(cast), "worker", right)


def forget_copy(cast: Cast) -> None:
    """Take the replay's target away, so that a replay must make it."""
    if cast.again in cast.admin.list_topics():
        cast.admin.delete_topics([cast.again])
        wait_until(lambda: cast.again not in cast.admin.list_topics(), LIMIT_SECONDS)


def chosen(rights: Sequence[One]) -> Sequence[One]:
    """All of them at night; of the many that differ by a topic only, each seventh otherwise."""
    return rights if IS_DEEP else rights[::7]
