"""``streamproc explain`` and ``simulate`` on what a worker wrote; docs/explain.md as written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kafka import KafkaAdminClient

import streamproc.contracts
from streamproc.contracts.records.codec import decode_reject, decode_reminder
from streamproc.core.state.effects import Rejected, Reminder
from streamproc.kafka.topics import topic_facts
from streamproc.lab.workload import WorkloadSettings
from tests.integration.test_producer_replay_docs import blocks, shell
from tests.support.broker import open_broker
from tests.support.commands import run
from tests.support.committed import read_committed
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

MONTH = WorkloadSettings(seed=7, events=5_000, subscribers=120)
DEFAULT = Path(streamproc.contracts.__path__[0]) / "rules" / "default.yaml"


@pytest.fixture(scope="module")
def bootstrap(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker of this file alone: only where no other test works is it seen that nothing was
    touched."""
    with open_broker(request.config.getoption("broker")) as broker:
        yield broker.bootstrap


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A month that a worker has done, compared already with what must come of it."""
    scene = Scene(bootstrap, tmp_path_factory.mktemp("explained"))
    await scene.load(MONTH)
    try:
        wait_for_words(scene.worker("w"), "input flows")
        await scene.finish()
        yield scene
    finally:
        for worker in scene.workers:
            if worker.is_alive:
                worker.kill()


async def reminders(scene: Scene) -> list[Reminder]:
    records = await read_committed(scene.bootstrap, scene.names.reminders)
    return [decode_reminder(record.value) for record in records]


def _reject(record: Any) -> Rejected:
    return decode_reject(record.value)


def of_everything(bootstrap: str) -> tuple[set[str], list[str]]:
    """All topics and all groups, by name: the state of a group follows a worker's end later."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        groups = admin.list_groups()
        return set(admin.list_topics()), sorted(one["group_id"] for one in groups)
    finally:
        admin.close()


async def test_the_timeline_is_what_the_worker_did(scene: Scene) -> None:
    names = scene.names
    sent = Counter(one.subscriber for one in await reminders(scene))
    busiest = [name for name, _ in sent.most_common(3)]
    refused = await read_committed(scene.bootstrap, names.rejects)
    places = {(one.partition, one.offset) for one in map(_reject, refused)}
    keys = [key for number, offset, (key, *_) in scene.placed if (number, offset) in places]
    rejected = 0
    for name in {*busiest, *[key.decode() for key in keys if key and key.decode() in sent][:2]}:
        document = json.loads(
            run(
                "explain", name, "--broker", scene.bootstrap, "--audit", names.audit,
                "--reminders", names.reminders, "--rejects", names.rejects,
                "--input", names.events, "--recompute", "--json",
            )
        )  # fmt: skip
        assert "lacks 0 and has 0 others" in document["notes"][-1]
        assert name not in json.dumps(document)
        rejected += sum(len(entry["rejects"]) for entry in document["entries"])
        decisions = [one for entry in document["entries"] for one in entry["decisions"]]
        fired = [one["reminder_id"] for one in decisions if one["decision"] == "fired"]
        assert len(fired) == len(set(fired)) == sent[name]
    assert rejected, "the workload is too tame"
    said = run("explain", busiest[0], "--broker", scene.bootstrap, "--audit", names.audit)
    assert said.count("fired: ") == sent[busiest[0]]
    assert "before  " in said


async def test_a_simulation_tells_what_the_worker_did_and_touches_nothing(scene: Scene) -> None:
    sent = await reminders(scene)
    new = scene.directory / "new.yaml"
    text = DEFAULT.read_text(encoding="utf-8")
    assert "[50, 80, 90, 100]" in text
    new.write_text(text.replace("[50, 80, 90, 100]", "[60, 80]"), encoding="utf-8")
    before = of_everything(scene.bootstrap)
    document = json.loads(
        run(
            "simulate", "--rules", new, "--broker", scene.bootstrap,
            "--from", f"topic:{scene.names.events}", "--json",
        )
    )  # fmt: skip
    assert of_everything(scene.bootstrap) == before
    assert document["messages"]["present"] == len(sent)
    assert document["segments"]["present"] == sum(one.segments for one in sent)
    by_rule = Counter(one.rule for one in sent)
    low = document["rules"]["low-balance"]
    assert {rule: one["messages"]["present"] for rule, one in document["rules"].items()} == by_rule
    assert low["messages"]["changed"] < low["messages"]["present"]
    assert low["effects"]["later"] > 0
    assert low["effects"]["dropped"] > 0
    # Of the same group, so that what one does not say any more the other does.
    assert {one["rule"] for one in document["changes"]} == {"low-balance", "last-bytes"}


async def test_the_page(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    app_id = scene.names.app_id
    topic_facts(scene.bootstrap, f"{app_id}.receipts", create_partitions=2)
    monkeypatch.setenv("STREAMPROC_EXPLAIN_AUDIT", scene.names.audit)
    for name in ("new.yaml", "rules.yaml"):
        (scene.directory / name).write_bytes(DEFAULT.read_bytes())
    examples = Path(__file__).parents[2] / "examples"
    for file in (examples / "day-pack" / "events.ndjson", *(examples / "mapped").iterdir()):
        # The second example has a plan of other rules.
        text = file.read_text("utf-8").replace("start-1gb", "basic-5gb")
        (scene.directory / file.name).write_text(text, "utf-8")
    (scene.directory / "number.txt").write_text("8613800000007\n")
    commands = [line for block in blocks("explain.md", "sh") for line in block.splitlines()]
    said = []
    for line in commands:
        line = line.replace("streamproc.", f"{app_id}.")
        said.append(shell(line, scene.directory, scene.bootstrap))
    assert len(commands) == 10
    assert all("861********07: " in one for one in said[:4])
    assert "message " in said[1]
    assert "without a decision" in said[2]
    assert "recalculated from" in said[3]
    assert "cost at 0.045 CNY a segment" in said[6]
    assert (scene.directory / "difference.png").stat().st_size > 10_000
    document = json.loads((scene.directory / "difference.json").read_text())
    assert document["changes"] == []
