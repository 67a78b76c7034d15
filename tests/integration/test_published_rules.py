"""Published rules: a fleet follows them, goes back within seconds, and refuses what it must."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.records.rule_versions import encode_rules, number_key
from streamproc.contracts.records.version_history import VersionHistory
from streamproc.core.instants import from_ms
from streamproc.tools.publishing.version_writer import VersionWriter
from streamproc.worker.version_log import VersionLog
from tests.support.cluster import Names, WorkerProcess, produce, produce_to_partitions
from tests.support.commands import run
from tests.support.edges import wait_for_words
from tests.support.rules import YAML, edited
from tests.support.waiting import wait_until

CHANGED = edited(YAML, ("[80, 100]", "[75, 100]"))
SUBSCRIBER = "34600000001"
LOOKS_SECONDS = 20.0
"""Workers look every second; the tests share the machine with many other processes."""


@pytest.fixture
def names() -> Names:
    return Names(f"p{uuid4().hex[:8]}")


@pytest.fixture
def workers() -> Iterator[list[WorkerProcess]]:
    started: list[WorkerProcess] = []
    yield started
    for worker in started:
        worker.kill()


class Rules:
    """``streamproc rules`` of one application."""

    def __init__(self, bootstrap: str, names: Names, directory: Path) -> None:
        self.file = directory / "rules.yaml"
        self._place = [
            *("--broker", bootstrap, "--app-id", names.app_id),
            *("--rule-versions", names.worker.rule_versions),
        ]

    def __call__(self, command: str, *more: str, code: int = 0) -> str:
        return run("rules", command, *self._place, *more, code=code)

    def publish(self, rules: str, *more: str, code: int = 0) -> str:
        self.file.write_text(rules, encoding="utf-8")
        return self("publish", str(self.file), *more, code=code)


def begun(
    bootstrap: str, names: Names, tmp_path: Path, workers: list[WorkerProcess], *options: str
) -> WorkerProcess:
    worker = WorkerProcess(bootstrap, names, tmp_path, f"w{len(workers)}", *options).start()
    workers.append(worker)
    return worker


def activated(plan: str = "basic") -> tuple[bytes, bytes, int]:
    now_ms = time.time_ns() // 1_000_000
    at = from_ms(now_ms - 60_000).isoformat()
    return (
        SUBSCRIBER.encode(),
        f'{{"type":"account.activated","id":"a-1","source":"crm","subscriber":"{SUBSCRIBER}",'
        f'"time":"{at}","plan":"{plan}","time_zone":"UTC","billing_anchor_day":1}}'.encode(),
        now_ms,
    )


async def test_a_fleet_follows_what_is_published_and_goes_back_within_seconds(
    bootstrap: str, tmp_path: Path, names: Names, workers: list[WorkerProcess]
) -> None:
    rules = Rules(bootstrap, names, tmp_path)
    first = begun(bootstrap, names, tmp_path, workers)
    wait_for_words(first, "no rules are published; the packaged ones are used")
    wait_for_words(first, "input flows")
    assert "version 1 is published" in rules.publish(YAML, "--note", "the first")
    wait_for_words(first, version_words(1))
    await produce(bootstrap, names.events, [activated()])
    second = begun(bootstrap, names, tmp_path, workers)
    wait_for_words(second, version_words(1))
    said = rules.publish(CHANGED)
    assert "changes of version 1:\n  rule low: thresholds: 80 %, 100 % → 75 %, 100 %\n" in said
    for worker in (first, second):
        wait_for_words(worker, version_words(2))
    assert rules.publish(CHANGED).startswith("version 2 has these rules already")

    began = time.monotonic()
    assert "version 3 is published" in rules("revert")
    for worker in (first, second):
        wait_for_words(worker, version_words(3))
    seconds = time.monotonic() - began
    print(f"two workers had the earlier rules {seconds:.1f} s after the command began")
    assert seconds < LOOKS_SECONDS

    # A partition names its rules with its next commit, although no further input comes.
    wait_until(lambda: "partition 0: version 3" in status_of(rules), 60)
    listed = rules("list").splitlines()
    assert [re.split("  +", one.strip())[:2] for one in listed] == [
        ["3", "in force"],
        ["2", "replaced"],
        ["1", "replaced"],
    ]
    assert "back to version 1" in listed[0]
    assert rules("show", "2") == CHANGED
    assert rules("diff", "1", "3") == "no difference\n"
    rules("show", "1", "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "rules.yaml").read_text(encoding="utf-8") == YAML
    for worker in (first, second):
        assert worker.stop() == 0, worker.tail()


def version_words(number: int) -> str:
    return f"version={number}\n"


def status_of(rules: Rules) -> str:
    """The partition of the one subscriber as if it were the first, and the others as they are."""
    said = rules("status")
    return re.sub(r"partition \d+: version", "partition 0: version", said)


async def test_plans_that_accounts_hold_do_not_vanish_in_silence(
    bootstrap: str, tmp_path: Path, names: Names, workers: list[WorkerProcess]
) -> None:
    rules = Rules(bootstrap, names, tmp_path)
    gone = edited(YAML, ("id: basic", "id: other"))
    worker = begun(bootstrap, names, tmp_path, workers)
    wait_for_words(worker, "input flows")
    rules.publish(YAML)
    wait_for_words(worker, version_words(1))
    await produce(bootstrap, names.events, [activated()])
    wait_until(lambda: "version 1\n" in rules("status"), 60)
    said = rules.publish(gone, "--dry-run", code=1)
    assert "accounts hold what these rules lack: plan 'basic' (1 account)" in said
    assert "publish with --force" in rules.publish(gone, code=1)
    assert [line.split()[0] for line in rules("list").splitlines()] == ["1"]
    said = rules.publish(gone, "--force")
    assert "warning: accounts hold what these rules lack: plan 'basic' (1 account)" in said
    wait_for_words(worker, version_words(2))
    assert "version 3 is published" in rules("revert")
    wait_for_words(worker, version_words(3))
    assert worker.stop() == 0, worker.tail()


async def test_a_worker_does_not_start_with_a_version_that_it_cannot_read(
    bootstrap: str, tmp_path: Path, names: Names, workers: list[WorkerProcess]
) -> None:
    rules = Rules(bootstrap, names, tmp_path)
    worker = begun(bootstrap, names, tmp_path, workers)
    wait_for_words(worker, "input flows")
    rules.publish(YAML)
    wait_for_words(worker, version_words(1))
    newer = b'{"type":"rules.published","layout":2}'
    record = (0, (number_key(names.app_id, 2), newer, time.time_ns() // 1_000_000))
    await produce_to_partitions(bootstrap, names.worker.rule_versions, [record])
    wait_for_words(worker, "published rules are refused; those in force stay")
    late = begun(bootstrap, names, tmp_path, workers)
    assert late.running.wait(120) == 1
    assert f"version 2 of the rules of {names.app_id} cannot be read by this release" in late.tail()
    assert "streamproc rules revert NUMBER" in late.tail()
    assert "cannot be read by this release" in rules("list")
    rules("revert", "1", code=1)  # it is in force as far as this release can read
    rules.publish(CHANGED, code=1)


def test_nobody_publishes_while_somebody_else_does(
    bootstrap: str, tmp_path: Path, names: Names
) -> None:
    topic = names.worker.rule_versions
    rules = Rules(bootstrap, names, tmp_path)
    made = run(
        *("topics", "create", "--for", "worker"),
        *("--broker", bootstrap, "--app-id", names.app_id),
        *(*names.worker.arguments(), "--partitions", "1"),
    )
    assert topic in made
    rules.publish(YAML)
    history = VersionHistory(names.app_id)
    with VersionWriter(bootstrap, topic, history) as slow:
        rules.publish(CHANGED)
        own = history.versions[1]
        with pytest.raises(Exception, match="somebody else publishes rules"):
            slow.write(own)
    seen = VersionLog(bootstrap, topic, VersionHistory(names.app_id))
    seen.look()
    seen.close()
    assert sorted(seen.history.versions) == [1, 2]
    assert encode_rules(seen.history.versions[1]) == encode_rules(own)


def test_wrong_rules_and_wrong_numbers_are_refused(
    bootstrap: str, tmp_path: Path, names: Names
) -> None:
    rules = Rules(bootstrap, names, tmp_path)
    wrong = rules.publish(edited(YAML, ("[80, 100]", "[500]")), code=1)
    assert "rules.yaml:14: rules[0].thresholds[0]" in wrong
    result = CliRunner().invoke(main, ["rules", "show", "--broker", bootstrap, "1"])
    assert result.exit_code == 1
    assert "version 1 of the rules of streamproc is not there" in result.output
