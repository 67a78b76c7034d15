"""What an operator reads when a worker cannot work, and what it does about it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streamproc.core.state.account import pack, unpack
from streamproc.engine.changelog import (
    PROGRESS_KEY,
    PROGRESS_VERSION,
    Progress,
    encode_progress,
    is_row,
)
from streamproc.engine.rows import DUE_BYTES
from streamproc.lab.workload import WorkloadSettings
from tests.support.cluster import (
    PARTITIONS,
    Names,
    WorkerProcess,
    create_topic,
    produce_to_partitions,
    wait_until_consumed,
)
from tests.support.committed import read_committed
from tests.support.edges import ending, refusal, wait_for_words
from tests.support.jvm_broker import JvmBroker
from tests.support.ports import free_port
from tests.support.scene import Scene

MONTH = WorkloadSettings(seed=6, events=6_000, subscribers=300)


async def worked(scene: Scene) -> dict[bytes, Any]:
    """A month that a worker has worked through; the changelog's rows."""
    await scene.load(MONTH)
    scene.worker("w1")
    await scene.finish()
    records = await read_committed(scene.bootstrap, scene.names.changelog)
    return {one.key: one for one in records if is_row(one.key) and one.value is not None}


async def values(scene: Scene, topic: str) -> Counter[bytes]:
    return Counter(one.value for one in await read_committed(scene.bootstrap, topic))


def test_no_broker_at_the_start(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = refusal(address, Names("nobody"), tmp_path)
    assert f"no Kafka broker answers at {address}; start it or correct --broker" in said
    assert "Traceback" not in said


def test_a_session_timeout_that_the_broker_refuses(bootstrap: str, tmp_path: Path) -> None:
    names = Names(f"c{uuid4().hex[:8]}")
    said = refusal(bootstrap, names, tmp_path, "--session-timeout-seconds", "5")
    last = said.splitlines()[-1]
    assert "the worker has ended" in last
    assert "--session-timeout-seconds must lie between" in last
    assert "group.min.session.timeout.ms" in last


def test_two_workers_with_one_instance_id(scene: Scene) -> None:
    """The broker gives the place to the later one. The earlier one must not take it back."""
    first = scene.worker("w1", "--instance-id", "one")
    wait_for_words(first, "input flows")
    second = scene.worker("w2", "--instance-id", "one")
    last = ending(first).splitlines()[-1]
    assert "another worker has joined with the same --instance-id" in last
    wait_for_words(second, "input flows")
    assert second.stop() == 0, second.tail()


def test_one_of_several_brokers_will_do(bootstrap: str, tmp_path: Path) -> None:
    scene = Scene(f"127.0.0.1:{free_port()},{bootstrap}", tmp_path)
    worker = scene.worker("w1")
    try:
        wait_for_words(worker, "input flows")
        assert worker.stop() == 0
    finally:
        worker.kill()


@pytest.mark.timeout(240)
def test_a_broker_that_goes_and_comes_back(tmp_path: Path) -> None:
    """The log stays readable meanwhile, and says what to look at."""
    with JvmBroker() as broker:
        scene = Scene(broker.bootstrap, tmp_path)
        worker = scene.worker("w1")
        try:
            wait_for_words(worker, "input flows")
            before = len(worker.log.read_text().splitlines())
            broker.kill()
            wait_for_words(worker, "Unable connect to node")
            wait_for_words(worker, "more like it before")  # in ten seconds
            during = worker.log.read_text().splitlines()[before:]
            assert len(during) < 60, "\n".join(during)
            broker.start()
            assert worker.is_alive, worker.tail()
        finally:
            worker.kill()


async def test_a_changelog_of_another_number_of_partitions(bootstrap: str, tmp_path: Path) -> None:
    names = Names(f"c{uuid4().hex[:8]}")
    await create_topic(bootstrap, names.events, PARTITIONS)
    await create_topic(bootstrap, names.changelog, PARTITIONS + 1)
    said = refusal(bootstrap, names, tmp_path)
    assert f"{names.changelog}: 5, {names.events}: 4" in said
    assert "same number of partitions" in said
    assert "Traceback" not in said


async def test_a_changelog_that_retention_would_delete(bootstrap: str, tmp_path: Path) -> None:
    names = Names(f"c{uuid4().hex[:8]}")
    await create_topic(bootstrap, names.changelog)
    said = refusal(bootstrap, names, tmp_path)
    assert f"{names.changelog} has cleanup.policy=delete, which loses states" in said
    assert "--add-config cleanup.policy=compact" in said
    assert "Traceback" not in said


async def test_settings_that_do_not_survive_a_lost_broker_are_told(scene: Scene) -> None:
    worker = scene.worker("w1")
    wait_for_words(worker, "the loss of a broker can lose or duplicate")
    wait_for_words(worker, "all 12 topics have one replica")
    wait_for_words(worker, "input flows")


async def test_a_state_record_of_a_newer_release(scene: Scene) -> None:
    rows = await worked(scene)
    found = next(iter(rows.values()))
    account = unpack(found.value[DUE_BYTES:])
    account.version = 99
    row = (found.partition, (found.key, found.value[:DUE_BYTES] + pack(account), 0))
    await produce_to_partitions(scene.bootstrap, scene.names.changelog, [row])
    usage = {
        "type": "usage.recorded",
        "id": "late",
        "source": "ocs",
        "subscriber": found.key.decode(),
        "time": "2026-02-04T00:00:00Z",
        "total_bytes": 1,
    }
    record = (found.key, msgspec.json.encode(usage), scene.final_ms)
    await produce_to_partitions(scene.bootstrap, scene.names.events, [(found.partition, record)])
    said = ending(scene.worker("w2"))
    assert "has version 99, this streamproc reads up to 1; run the newer release" in said
    assert found.key.decode() not in said


async def test_a_progress_record_of_a_newer_release(scene: Scene) -> None:
    await worked(scene)
    newer = (3, (PROGRESS_KEY, encode_progress(Progress(99, written_by="9.0.0")), 0))
    await produce_to_partitions(scene.bootstrap, scene.names.changelog, [newer])
    worker = scene.worker("w2")
    told_before = worker.log.read_text() if worker.log.exists() else ""
    said = ending(worker)
    newest = f"this streamproc reads up to {PROGRESS_VERSION}; run the newer release"
    assert f"has version 99, {newest} (streamproc 9.0.0 wrote it)" in said
    assert "Traceback" not in said
    # It has not joined the group, so the others do not stop for it.
    assert "partitions assigned" not in said.removeprefix(told_before)


async def test_a_poisoned_state_record_silences_nobody_else(scene: Scene) -> None:
    rows = await worked(scene)
    poisoned = next(iter(rows.values()))
    others = [one for one in rows.values() if one.partition == poisoned.partition][1:4]
    rubbish = (poisoned.partition, (poisoned.key, b"\x00" * DUE_BYTES + b"\xc1?", 0))
    await produce_to_partitions(scene.bootstrap, scene.names.changelog, [rubbish])
    before = await values(scene, scene.names.rejects)
    usage = [
        (
            poisoned.partition,
            (
                one.key,
                msgspec.json.encode(
                    {
                        "type": "usage.recorded",
                        "id": "after",
                        "source": "ocs",
                        "subscriber": one.key.decode(),
                        "time": "2026-02-04T00:00:00Z",
                        "total_bytes": 1000,
                    }
                ),
                scene.final_ms,
            ),
        )
        for one in [poisoned, *others]
    ]
    await produce_to_partitions(scene.bootstrap, scene.names.events, usage)
    worker = scene.worker("w2")
    wait_for_words(worker, "input flows")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    assert worker.stop() == 0, worker.tail()
    rejects = await values(scene, scene.names.rejects) - before
    assert [msgspec.json.decode(one)["reason"] for one in rejects] == ["state_unreadable"]
    after = {
        one.key: one.value for one in await read_committed(scene.bootstrap, scene.names.changelog)
    }
    assert after[poisoned.key] == rubbish[1][1], "what nobody can read must not be overwritten"
    closed = [one for one in others if unpack(one.value[DUE_BYTES:]).status != 1]
    for one in (one for one in others if one not in closed):
        grown = unpack(after[one.key][DUE_BYTES:]).charged_bytes
        assert grown == unpack(one.value[DUE_BYTES:]).charged_bytes + 1000
    assert len(closed) < len(others)


async def test_input_deleted_under_a_worker_that_lags_is_told(scene: Scene) -> None:
    await scene.load(MONTH)
    worker = scene.worker("w1", "--session-timeout-seconds", "30")
    wait_for_words(worker, "input flows")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    worker.pause()
    end = sum(1 for partition, _, _ in scene.placed if partition == 2)
    filler = (2, (b"nobody", b"{}", 1_767_225_600_000))
    await produce_to_partitions(scene.bootstrap, scene.names.events, [filler] * 200)
    admin = AdminClient({"bootstrap.servers": scene.bootstrap})
    first = TopicPartition(scene.names.events, 2, end + 150)
    for future in admin.delete_records([first]).values():
        future.result(30)
    worker.resume()
    wait_for_words(worker, "input was deleted before it was read")
    lost = re.search(r"lost_records=(\d+)", worker.log.read_text())
    assert lost is not None
    assert worker.stop() == 0
    # A fetch that was under way when the worker was stopped may have brought some of them.
    rejects = [msgspec.json.decode(one) for one in await values(scene, scene.names.rejects)]
    read = [one for one in rejects if one["partition"] == 2 and end <= one["offset"] < end + 150]
    assert int(lost[1]) == 150 - len(read)


async def test_a_worker_near_its_memory_limit_says_so(scene: Scene) -> None:
    worker: WorkerProcess = scene.worker("w1", "--memory-limit-mb", "40")
    wait_for_words(worker, "memory is nearly used up")
    assert re.search(r"limit_mb=40\b", worker.log.read_text())
    assert worker.is_alive


async def test_nothing_is_written_to_disk(scene: Scene) -> None:
    await scene.load(MONTH)
    worker = scene.worker("w1", "--datadir", "/dev/null/impossible")
    await scene.finish()
    assert worker.process is not None
    assert not list(scene.directory.glob("*-data"))
