"""Topics that change under running programs, and a broker that falls silent under them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from streamproc.kafka.silence import FAILED_SECONDS
from streamproc.kafka.topic_watch import ANSWER_MS, LOOK_SECONDS
from streamproc.kafka.topics import end_offsets, open_admin, topic_facts
from streamproc.producing import UsageProducer
from tests.support.cluster import PARTITIONS, create_topic, produce_to_partitions
from tests.support.commands import read, run
from tests.support.dispatching import HEAD, DispatchScene
from tests.support.edges import ending, wait_for_words
from tests.support.jvm_broker import JvmBroker
from tests.support.scene import Scene
from tests.support.waiting import until, wait_until

LIMIT_SECONDS = 60.0
"""It takes a few seconds; a machine that is busy with other tests takes many more."""


ARCHIVE = HEAD + "  - {kind: file, name: archive, path: out.ndjson}\n"


def add_partitions(bootstrap: str, *topics: str, count: int = PARTITIONS + 2) -> None:
    admin = open_admin(bootstrap)
    try:
        admin.create_partitions(dict.fromkeys(topics, count))
    finally:
        admin.close()


async def test_partitions_added_to_a_live_topic_stop_every_worker(
    bootstrap: str, tmp_path: Path
) -> None:
    """Input, output and state, each of an application of its own; two workers have the input."""
    scenes = {topic: Scene(bootstrap, tmp_path) for topic in ("events", "reminders", "changelog")}
    workers = {topic: [one.worker(topic)] for topic, one in scenes.items()}
    workers["events"].append(scenes["events"].worker("another"))
    try:
        for worker in chain.from_iterable(workers.values()):
            wait_for_words(worker, "input flows")
        names = {topic: getattr(one.names, topic) for topic, one in scenes.items()}
        add_partitions(bootstrap, *names.values())
        for topic, name in names.items():
            for worker in workers[topic]:
                said = ending(worker, LIMIT_SECONDS)
                assert f"the topic {name} had 4 partitions when this program started" in said
                last = said.splitlines()[-1]
                assert "the worker has ended" in last
                assert "docs/operations.md#partitions-were-added" in last
                told = next(line for line in said.splitlines() if "the worker stops" in line)
                assert f"the topic {name}" in told
    finally:
        for worker in chain.from_iterable(workers.values()):
            worker.kill()


async def test_partitions_added_to_all_topics_while_no_worker_runs_are_noticed(
    scene: Scene,
) -> None:
    await create_topic(scene.bootstrap, scene.names.events)
    worker = scene.worker("w1")
    wait_for_words(worker, "input flows")
    records = [(number, (b"k", b"{}", 1_767_225_600_000)) for number in range(PARTITIONS)]
    await produce_to_partitions(scene.bootstrap, scene.names.events, records)
    admin = open_admin(scene.bootstrap)
    try:
        await asyncio.to_thread(
            wait_until, lambda: _ends(admin, scene.names.changelog) >= 2 * PARTITIONS
        )
    finally:
        admin.close()
    assert worker.stop() == 0
    names = scene.names
    add_partitions(scene.bootstrap, names.events, *names.worker.outputs, names.changelog)
    said = ending(scene.worker("w2"))
    assert "was made when the topics had 4 partitions, and they have 6 now" in said


def _ends(admin: object, topic: str) -> int:
    return sum(end_offsets(admin, {topic: PARTITIONS})[topic])


async def test_partitions_added_to_reminders_stop_the_dispatcher(
    bootstrap: str, tmp_path: Path
) -> None:
    with DispatchScene(bootstrap, tmp_path) as scene:
        await scene.prepare(ARCHIVE)
        process = scene.start()
        await scene.ready()
        add_partitions(bootstrap, scene.names["reminders"], count=scene.partitions + 1)
        assert await asyncio.to_thread(process.wait, LIMIT_SECONDS) == 1, scene.logs()
        last = (tmp_path / "one.log").read_text().splitlines()[-1]
        assert f"the topic {scene.names['reminders']} had 2 partitions" in last
        assert "docs/operations.md#partitions-were-added" in last


def test_partitions_added_to_a_topic_end_what_follows_it(bootstrap: str, tmp_path: Path) -> None:
    """A recording, a drop folder that is watched, and a replay, which does not continue later."""
    topic = f"t{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=2)
    (tmp_path / "drop").mkdir()
    out = tmp_path / "live.ndjson.zst"
    commands = (
        ["record", topic, "--broker", bootstrap, "--out", str(out)],
        ["send", "--broker", bootstrap, "--topic", topic, "--watch", str(tmp_path / "drop")],
        ["replay", slow_recording(tmp_path), "--broker", bootstrap, "--to", topic, "--speed", "1"],
    )
    streamproc = [sys.executable, "-m", "streamproc"]
    running = [
        subprocess.Popen([*streamproc, *words], stderr=subprocess.PIPE, text=True)
        for words in commands
    ]
    try:
        for path in (out, tmp_path / "drop" / "done"):  # both know their partitions then
            wait_until(path.exists)
        wait_until(lambda: len(read(bootstrap, topic, 2)) > 0)  # the first record of the replay
        add_partitions(bootstrap, topic, count=3)
        for process in running:
            _, said = process.communicate(timeout=LIMIT_SECONDS)
            assert process.returncode == 1
            assert f"the topic {topic} had 2 partitions when this program started" in said
        assert f"the topic {topic} had 2 partitions" in run(*commands[-1], code=1)
    finally:
        for process in running:
            process.kill()
            process.wait()


def slow_recording(folder: Path) -> str:
    """A recording of two events, an hour apart."""
    path = folder / "slow.ndjson"
    lines = [
        {"key": "8613800000001", "value": "{}", "timestamp_ms": 1_767_225_600_000 + at_ms}
        for at_ms in (0, 1000, 3_600_000)
    ]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    return str(path)


SILENT, AGAIN = "the broker does not answer, waiting for it", "the broker answers again"


class Frozen:
    """A broker that is stopped until everybody has said so."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def until_told(self, *conditions: Callable[[], bool]) -> None:
        os.kill(self._pid, signal.SIGSTOP)
        try:
            for condition in conditions:
                await until(condition, LIMIT_SECONDS)
        finally:
            os.kill(self._pid, signal.SIGCONT)


@contextmanager
def recording(scene: Scene, folder: Path) -> Iterator[Path]:
    """A command that reads a topic; yields what it says, once it reads."""
    out, said = folder / "live.ndjson.zst", folder / "record.log"
    words = ["record", scene.names.events, "--broker", scene.bootstrap, "--out", str(out)]
    with said.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamproc", *words], stdout=log, stderr=log
        )
    try:
        wait_until(out.exists)
        yield said
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(240)
async def test_a_silent_broker_is_told_of_within_ten_seconds_by_every_part(
    tmp_path: Path,
) -> None:
    with JvmBroker() as broker, DispatchScene(broker.bootstrap, tmp_path) as dispatching:
        scene = Scene(broker.bootstrap, tmp_path)
        worker = scene.worker("w1")
        try:
            wait_for_words(worker, "input flows")
            await dispatching.prepare(ARCHIVE)
            dispatching.start()
            await dispatching.ready()
            assert broker.process is not None
            frozen = Frozen(broker.process.pid)
            billing = UsageProducer(scene.bootstrap, scene.names.events)
            with recording(scene, tmp_path) as record, billing, capture_logs() as logs:
                await frozen.until_told(
                    lambda: SILENT in worker.log.read_text(),
                    lambda: SILENT in (tmp_path / "one.log").read_text(),
                    lambda: any(one["event"] == SILENT for one in logs),
                    lambda: "has not answered for" in record.read_text(),
                )
                assert FAILED_SECONDS <= LOOK_SECONDS + ANSWER_MS / 1000 < 10
                wait_for_words(worker, AGAIN)
                await until(lambda: any(one["event"] == AGAIN for one in logs), LIMIT_SECONDS)
                await until(lambda: "answers again" in record.read_text(), LIMIT_SECONDS)
                assert record.read_text().count("not answer") == 1, record.read_text()
        finally:
            worker.kill()
