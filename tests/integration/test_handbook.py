"""docs/operations.md and docs/upgrade.md from the first start to a restore, command by command.

What is done in trouble with topics: ``test_operations.py``. Upgrades with kills:
``tests/faults/test_upgrade.py``.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamproc import __version__
from streamproc.kafka.topics import open_admin
from tests.integration.test_operations import (
    DISPATCHERS,
    LIMIT_SECONDS,
    PARTITIONS,
    SUBSCRIBERS,
    Application,
    commands,
    last_line,
    stop,
    wait_for_words,
)
from tests.support.cluster import produce_to_partitions
from tests.support.commands import run
from tests.support.committed import read_committed
from tests.support.kafka_jars import kafka_tool
from tests.support.ports import free_port
from tests.support.waiting import wait_until

RULES = Path(__file__).parents[2] / "streamproc" / "contracts" / "rules"


@pytest.fixture
def application(
    bootstrap: str, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> Application:
    return Application(bootstrap, tmp_path, processes)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The packaged rules as a file of the operator."""
    shutil.copy(RULES / "default.yaml", tmp_path / "rules.yaml")
    shutil.copytree(RULES / "default.texts", tmp_path / "rules.texts")
    return tmp_path / "rules.yaml"


def for_a_test(application: Application, words: list[str]) -> list[str]:
    """A command about topics, for the test's broker, its numbers and its names."""
    known = {"$BROKER": application.bootstrap, "12": str(PARTITIONS), "3": "1"}
    return [known.get(word, word) for word in words[1:]]


def first_start(application: Application, rules: Path) -> Any:
    """What the page says to do before and at the first start; returns the worker."""
    (plan,) = commands("The number of partitions")
    made = run(*for_a_test(application, plan), *application.worker_options)
    assert f"{application.app}-accounts-changelog" in made

    check, create, work, dispatch = commands("The first start")
    run(*[str(rules) if one == "rules.yaml" else one for one in check[1:]])
    both = [*application.worker_options, *application.options("reminders")[2:]]
    names = [*both, *application.options(*DISPATCHERS)]
    run(*for_a_test(application, create), *names)
    assert work[:2] == ["streamproc", "worker"]
    assert work[4:] == ["--rules", "rules.yaml"]
    worker = application.worker("--rules", str(rules), "--http-port", str(free_port()))
    assert dispatch[:2] == ["streamproc", "dispatch"]
    assert dispatch[4:] == ["--gateways", "gateways.yaml"]
    application.dispatcher()
    wait_for_words(worker, "input flows")
    return worker


def restored(application: Application, copied: list[Any]) -> None:
    """The changelog is lost, and comes back from a copy that kept the partitions."""
    changelog = f"{application.app}-accounts-changelog"
    admin = open_admin(application.bootstrap)
    try:
        admin.delete_topics([changelog])
        wait_until(lambda: changelog not in admin.list_topics(), LIMIT_SECONDS)
    finally:
        admin.close()
    run("topics", "create", "--broker", application.bootstrap, "--partitions", str(PARTITIONS),
        "--for", "worker", *application.worker_options)  # fmt: skip
    records = [(one.partition, (one.key, one.value, one.timestamp)) for one in copied]
    asyncio.run(produce_to_partitions(application.bootstrap, changelog, records))


@pytest.mark.timeout(400)
def test_from_the_first_start_to_a_restore(application: Application, rules: Path) -> None:
    worker = first_start(application, rules)
    application.activate()
    application.wait_until_sent(len(SUBSCRIBERS))

    # More workers: the command shows both as members.
    second = application.worker("--rules", str(rules))
    wait_for_words(second, "input flows")
    (members,) = commands("More and fewer workers")
    words = [one.replace("$BROKER", application.bootstrap) for one in members]
    words[words.index("streamproc")] = application.app
    done = subprocess.run(kafka_tool(*words), capture_output=True, text=True, timeout=60)
    assert done.stdout.count(application.app) >= 2, done.stdout + done.stderr

    # The upgrade's look at who runs what.
    version, top, _ = commands("Before, during and after", "upgrade.md")
    assert __version__ in run(*version[1:])
    port = worker[0].args[-1]
    page = run("top", f"127.0.0.1:{port}", *top[-1:])
    assert f"127.0.0.1:{port}" in page
    assert f"'{__version__}': ['" in second[1].read_text()

    # The state is lost, and an earlier copy of it comes back.
    changelog = f"{application.app}-accounts-changelog"
    copied = asyncio.run(read_committed(application.bootstrap, changelog))
    application.use("half", 300_000_000)
    application.wait_until_sent(2 * len(SUBSCRIBERS))
    for started in (worker, second):
        stop(started)
    restored(application, copied)
    again = application.worker("--rules", str(rules))
    wait_for_words(again, "input flows")
    application.use("rest", 180_000_000)
    application.wait_for_reminders(4 * len(SUBSCRIBERS))
    application.wait_until_sent(3 * len(SUBSCRIBERS))
    application.check_states()
    written = Counter(application.ids(application.names["reminders"]))
    assert Counter(written.values()) == {1: 80, 2: 40}, "those since the copy came again, alike"
    assert Counter(application.sent) == dict.fromkeys(written, 1), "and none was sent again"

    # Other rules.
    check, move = commands("New rules")
    new = rules.with_name("new.yaml")
    new.write_text(rules.read_text().replace("max_ahead_seconds: 300", "max_ahead_seconds: 600"))
    shutil.copytree(rules.with_suffix(".texts"), new.with_suffix(".texts"))
    run(*check[1:2], "check", str(new), "--replaces", str(rules))
    assert check[2:] == ["check", "new.yaml", "--replaces", "rules.yaml"]
    assert move[0] == "mv"
    subprocess.run(move, cwd=rules.parent, check=True)
    wait_for_words(again, "the changed rules are in force")


@pytest.mark.timeout(120)
def test_a_state_newer_than_the_input_is_refused(application: Application) -> None:
    """The input was restored to an earlier time, or made anew."""
    application.create()
    application.activate()
    worker = application.worker()
    application.wait_for_reminders(len(SUBSCRIBERS))
    stop(worker)
    name = application.names["input"]
    admin = open_admin(application.bootstrap)
    try:
        admin.delete_topics([name])
        wait_until(lambda: name not in admin.list_topics(), LIMIT_SECONDS)
    finally:
        admin.close()
    application.create()
    assert "was deleted and created again" in last_line(application.worker())
