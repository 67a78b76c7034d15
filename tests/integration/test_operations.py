"""docs/operations.md: what it says to do in trouble is done here, command by command, and helps.

The commands are read from the page. Names in capitals are replaced, and options of the application
added, as the page says. Time is the wall clock's, as in real trouble.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from streamproc.contracts.records.codec import encode_event
from streamproc.core.instants import from_ms
from streamproc.core.state.events import AccountActivated, SubscriberEvent, UsageRecorded
from streamproc.kafka.topics import open_admin
from streamproc.partitioner import partition_of
from streamproc.producing.events import build
from tests.support.cluster import produce_to_partitions
from tests.support.commands import read, run
from tests.support.kafka_jars import kafka_tool
from tests.support.signals import stop_in_order
from tests.support.waiting import wait_until

DOCS = Path(__file__).parents[2] / "docs"
PARTITIONS = 4
SUBSCRIBERS = [f"861380000{number:04d}" for number in range(40)]
LIMIT_SECONDS = 90.0
OUTPUTS = ("reminders", "audit", "rejects", "orders", "policy", "forwarded")
DISPATCHERS = ("receipts", "journal", "dead-letters", "reports", "resends", "commands",
               "incoming-sms")  # fmt: skip
Started = tuple[subprocess.Popen[bytes], Path]
"""A process, and its log."""
GATEWAYS = "version: 1\ngateways:\n  - {kind: file, name: archive, path: out.ndjson}\n"


def commands(heading: str, page: str = "operations.md") -> list[list[str]]:
    """The commands in the blocks under a heading of a page, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section, re.M | re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def now_ms() -> int:
    """The time of these events: the commands of the page are about a running system."""
    return round(time.time() * 1000)


def event(who: str, name: str) -> dict[str, Any]:
    """Fields of an event of now."""
    return {"subscriber": who, "source": "x", "id": f"{name}-{who}", "time": from_ms(now_ms())}


class Application:
    """One application on the shared broker, and the processes that were started for it."""

    def __init__(
        self, bootstrap: str, directory: Path, running: list[subprocess.Popen[bytes]]
    ) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.app = f"o{uuid4().hex[:8]}"
        self.names = {"app-id": self.app, "input": f"{self.app}.events"}
        self.names |= {one: f"{self.app}.{one}" for one in (*OUTPUTS, *DISPATCHERS)}
        self.running = running
        (directory / "gateways.yaml").write_text(GATEWAYS)

    def options(self, *names: str) -> list[str]:
        """The options that name these topics."""
        return [word for name in names for word in (f"--{name}", self.names[name])]

    @property
    def worker_options(self) -> list[str]:
        """Those of a worker."""
        return self.options("app-id", "input", *OUTPUTS)

    def create(self) -> None:
        """Make all topics."""
        common = ("topics", "create", "--broker", self.bootstrap, "--partitions", str(PARTITIONS))
        run(*common, "--for", "worker", *self.worker_options)
        run(*common, "--for", "dispatcher", *self.options("reminders", *DISPATCHERS))

    def activate(self) -> None:
        """Activate all subscribers."""
        contract: dict[str, Any] = {
            "plan": "lite-500mb",
            "time_zone": "Asia/Shanghai",
            "billing_anchor_day": 1,
        }
        self._send(lambda who: build(AccountActivated, **event(who, "a"), locale="en", **contract))

    def use(self, name: str, total_bytes: int) -> None:
        """Usage of each subscriber."""
        self._send(lambda who: build(UsageRecorded, **event(who, name), total_bytes=total_bytes))

    def _send(self, made: Callable[[str], SubscriberEvent]) -> None:
        lines = b"\n".join(encode_event(made(who)) for who in SUBSCRIBERS)
        run("send", "--broker", self.bootstrap, "--topic", self.names["input"], "-", given=lines)

    def use_elsewhere(self, name: str, total_bytes: int) -> None:
        """The same, in the partition after that of the subscriber's key."""
        records = []
        for who in SUBSCRIBERS:
            value = encode_event(build(UsageRecorded, **event(who, name), total_bytes=total_bytes))
            place = (partition_of(who.encode(), PARTITIONS) + 1) % PARTITIONS
            records.append((place, (who.encode(), value, now_ms())))
        asyncio.run(produce_to_partitions(self.bootstrap, self.names["input"], records))

    def worker(self, *more: str) -> Started:
        """A worker, and its log."""
        options = ["--session-timeout-seconds", "6", *self.worker_options, *more]
        return self._start("worker", "--broker", self.bootstrap, *options)

    def dispatcher(self) -> Started:
        """A dispatcher, and its log. It writes messages to ``out.ndjson``."""
        options = ["--group", f"{self.app}-d", *self.options("reminders", *DISPATCHERS)]
        return self._start(
            *("dispatch", "--broker", self.bootstrap, "--gateways", "gateways.yaml", *options)
        )

    def configure(self, settings: str) -> None:
        """Change settings of the input."""
        name = self.names["input"]
        entity = ("--alter", "--entity-type", "topics", "--entity-name", name)
        self.tool("kafka-configs", "--bootstrap-server", self.bootstrap, *entity,
                  "--add-config", settings.replace("compact", "[compact]"))  # fmt: skip

    def mend(self, said: str) -> None:
        """Do what the first line that says how to mend a setting says."""
        found = re.search(r"Set it: kafka-configs (.* --add-config [^\s;']+)", said)
        assert found is not None, said
        self.tool("kafka-configs", "--bootstrap-server", self.bootstrap, *shlex.split(found[1]))

    def tool(self, *words: str) -> None:
        """Run one of Kafka's own tools."""
        done = subprocess.run(kafka_tool(*words), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def follow(self, command: list[str], **names: str) -> None:
        """Do a command of the page. ``names`` are those that the page writes in capitals."""
        known = {one.upper().replace("_", "-"): name for one, name in names.items()}
        words = [
            re.sub(r"[A-Z]{2,}(-[A-Z]+)*", lambda found: known.get(found[0], found[0]), word)
            for word in (one.replace("$BROKER", self.bootstrap) for one in command)
        ]
        if words[0] != "streamproc":
            self.tool(*words)
            return
        given = dict(pairwise(words))
        for name in self.names:
            self.names[name] = given.get(f"--{name}", self.names[name])
        if words[1] == "topics":
            words = [one for one in words if one not in self.names.values()]
            words = [one for one in words if one.removeprefix("--") not in self.names]
            words += ["--for", "worker", *self.worker_options]
        if words[1] == "worker":
            more = [one for one in words[4:] if one in ("--create-topics", "--start-empty")]
            wait_for_words(self.worker(*more), "input flows")
            return
        run(*words[1:])

    def _start(self, *words: str) -> Started:
        log = self.directory / f"{len(self.running)}.log"
        command = [sys.executable, "-m", "streamproc", *words]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=self.directory)
        self.running.append(process)
        return process, log

    # What there is.

    def ids(self, topic: str) -> list[str]:
        """The ids of the records of a topic, in order."""
        return [json.loads(one.value)["id"] for one in read(self.bootstrap, topic, PARTITIONS)]

    @property
    def sent(self) -> list[str]:
        """The ids of all messages that dispatchers have sent."""
        path = self.directory / "out.ndjson"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)["id"] for line in lines]

    def wait_for_reminders(self, count: int) -> None:
        """Return when the reminders topic has so many."""
        wait_until(lambda: len(self.ids(self.names["reminders"])) >= count, LIMIT_SECONDS)

    def wait_until_sent(self, count: int) -> None:
        """Return when so many messages were sent."""
        wait_until(lambda: len(self.sent) >= count, LIMIT_SECONDS)

    def check_states(self) -> None:
        """Each subscriber's state is what the input says."""
        said = run("verify", "--broker", self.bootstrap, *self.options("app-id", "input"))
        assert f"{len(SUBSCRIBERS)} subscribers equal, 0 different, 0 not comparable" in said

    def verify_as_written(self) -> None:
        """Each command of docs/guarantees.md, twice: the second run reads on from the first."""
        for words in commands("Verify a running cluster", "guarantees.md"):
            options = [one.replace("$BROKER", self.bootstrap) for one in words[1:]]
            if "--checkpoint" in options:
                at = options.index("--checkpoint") + 1
                options[at] = str(self.directory / options[at])
            for _ in range(2):
                said = run(*options, *self.options("app-id", "input"))
                assert ", 0 different, 0 not comparable" in said
        assert sorted(one.name for one in self.directory.iterdir() if one.is_dir()) == [
            "sample", "whole",
        ]  # fmt: skip


def wait_for_words(started: Started, words: str) -> None:
    process, log = started
    wait_until(lambda: words in log.read_text() or process.poll() is not None, LIMIT_SECONDS)
    assert words in log.read_text(), log.read_text()


def last_line(started: Started) -> str:
    """The last line of a process that ends with an error."""
    process, log = started
    assert process.wait(LIMIT_SECONDS) != 0, log.read_text()
    return log.read_text().splitlines()[-1]


def stop(started: Started) -> None:
    process, log = started
    stop_in_order(process)
    assert process.wait(60) == 0, log.read_text()


@pytest.fixture
def application(
    bootstrap: str, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> Application:
    return Application(bootstrap, tmp_path, processes)


@pytest.mark.timeout(300)
def test_partitions_were_added(application: Application) -> None:
    """To the input and to the reminders: no usage is lost or counted twice, and each message is
    sent once, those that no dispatcher had read, too."""
    application.create()
    application.activate()
    worker = application.worker()
    dispatcher = application.dispatcher()
    application.wait_until_sent(40)
    stop(dispatcher)
    application.use("half", 300_000_000)
    application.wait_for_reminders(80)

    old = dict(application.names)
    added = from_ms(now_ms()).isoformat()
    admin = open_admin(application.bootstrap)
    try:
        admin.create_partitions(dict.fromkeys((old["input"], old["reminders"]), 6))
    finally:
        admin.close()
    application.use("rest", 200_000_000)
    for started in (worker, application.worker(), application.dispatcher()):
        assert "docs/operations.md#partitions-were-added" in last_line(started)

    make_input, copy_input, make_reminders, copy_reminders = commands("Partitions were added")
    assert make_reminders[:5] == make_input[:5]
    for step in (make_input + make_reminders[5:], copy_input, copy_reminders):
        application.follow(
            step,
            input=old["input"],
            new_input=f"{application.app}.events.2",
            reminders=old["reminders"],
            new_reminders=f"{application.app}.reminders.2",
            time=added,
        )
    application.worker()
    application.dispatcher()
    application.wait_until_sent(120)
    application.wait_for_reminders(120)
    assert Counter(application.sent) == Counter(set(application.sent))
    application.check_states()
    assert set(application.ids(application.names["reminders"])) == set(application.sent)

    application.verify_as_written()

    (step,) = commands("Lag")
    step[-1] = application.app
    application.follow(step)


@pytest.mark.timeout(300)
def test_wrong_settings_a_lost_changelog_and_records_in_wrong_partitions(
    application: Application,
) -> None:
    """One trouble after the other. The topic of reminders stays, so it shows what comes again."""
    application.create()
    application.configure("cleanup.policy=compact,retention.ms=3600000")
    application.mend(last_line(application.worker()))
    worker = application.worker()
    wait_for_words(worker, "a topic's setting loses records")
    application.mend(worker[1].read_text())
    plan = run("topics", "plan", "--broker", application.bootstrap, "--for", "worker",
               *application.worker_options)  # fmt: skip
    assert "which loses" not in plan

    application.activate()
    application.wait_for_reminders(40)
    welcomes = set(application.ids(application.names["reminders"]))
    application.use_elsewhere("half", 300_000_000)
    wait_for_words(worker, "records are in the wrong partition")
    stop(worker)

    admin = open_admin(application.bootstrap)
    changelog = f"{application.app}-accounts-changelog"
    try:
        admin.delete_topics([changelog])
        wait_until(lambda: changelog not in admin.list_topics(), LIMIT_SECONDS)
    finally:
        admin.close()
    refused = last_line(application.worker())
    assert f"the changelog {changelog} does not exist" in refused
    assert "Give --start-empty" in refused
    (start_empty,) = commands("A changelog that is empty or missing")
    application.follow(start_empty)
    application.wait_for_reminders(80)
    assert Counter(application.ids(application.names["reminders"])) == dict.fromkeys(welcomes, 2)
    stop((application.running[-1], worker[1]))

    for step in commands("Records and accounts in a wrong partition"):
        application.follow(
            step,
            input=f"{application.app}.events",
            new_input=f"{application.app}.events.2",
            new_app=f"{application.app}-2",
        )
    application.wait_for_reminders(160)
    found = Counter(application.ids(application.names["reminders"]))
    assert {one for one, count in found.items() if count == 3} == welcomes
    assert sorted(found.values()) == [1] * 40 + [3] * 40
    application.check_states()
