"""``streamproc verify`` finds what differs, and only that, while workers run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streamproc.core.privacy import mask
from streamproc.core.state.account import pack, unpack
from streamproc.engine.changelog import PROGRESS_KEY
from streamproc.engine.rows import DUE_BYTES
from streamproc.lab.workload import WorkloadSettings
from tests.support.cluster import produce_to_partitions
from tests.support.committed import read_committed
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

MONTH = WorkloadSettings(seed=5, events=12_000, subscribers=600)


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(bootstrap, tmp_path)
    yield scene
    for worker in scene.workers:
        if worker.is_alive:
            worker.kill()


def verify(scene: Scene, *options: str) -> tuple[int, str]:
    """Exit status and words of the command."""
    command = [sys.executable, "-m", "streamproc", "verify", "--broker", scene.bootstrap]
    command += ["--app-id", scene.names.app_id, "--input", scene.names.events]
    done = subprocess.run(
        [*command, "--clock", "event", *options], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


async def test_states_under_a_working_worker_are_equal(scene: Scene) -> None:
    await scene.load(MONTH)
    worker = scene.worker("w1", "--commit-interval-seconds", "0.02")
    wait_for_words(worker, "input flows")
    for _ in range(2):
        code, said = verify(scene)
        assert code == 0, said
        assert worker.is_alive
    expected = await scene.finish()
    code, said = verify(scene, "--native", "off")
    assert code == 0, said
    assert f"{len(expected.states):,} subscribers equal, 0 different, 0 not" in said


async def test_what_was_tampered_with_is_told_masked(scene: Scene) -> None:
    await scene.load(MONTH)
    scene.worker("w1")
    await scene.finish()
    rows = {
        record.key: record
        for record in await read_committed(scene.bootstrap, scene.names.changelog)
        if record.key != PROGRESS_KEY and record.value is not None
    }
    wrong, unreadable, lost = list(rows.values())[:3]
    account = unpack(wrong.value[DUE_BYTES:])
    account.overage_bytes += 7
    changes = [
        (wrong.partition, (wrong.key, wrong.value[:DUE_BYTES] + pack(account), 0)),
        (unreadable.partition, (unreadable.key, b"\x00" * DUE_BYTES + b"\xc1 nonsense", 0)),
        (lost.partition, (lost.key, None, 0)),
    ]
    await produce_to_partitions(scene.bootstrap, scene.names.changelog, changes)

    code, said = verify(scene)

    assert code == 1, said
    assert "3 different" in said
    lines = {key: [one for one in said.splitlines() if mask(key.decode()) in one] for key in rows}
    now, then = account.overage_bytes, account.overage_bytes - 7
    assert any(f"overage_bytes: {now} instead of {then}" in one for one in lines[wrong.key])
    assert any("cannot be read" in one for one in lines[unreadable.key])
    assert any("only the input has it" in one for one in lines[lost.key])
    assert not any(key.decode() in said for key in rows)


async def test_input_that_was_deleted_cannot_be_verified(scene: Scene) -> None:
    await scene.load(MONTH)
    scene.worker("w1")
    await scene.finish()
    admin = AdminClient({"bootstrap.servers": scene.bootstrap})
    for future in admin.delete_records([TopicPartition(scene.names.events, 2, 100)]).values():
        future.result(30)

    code, said = verify(scene)

    assert code == 3, said
    assert f"{scene.names.events}-2 begins at offset 100" in said
    assert "1 of 4 partitions not verified" in said


async def test_another_app_id_is_told(scene: Scene) -> None:
    code, said = verify(scene)
    assert code == 3
    assert f"there is no topic {scene.names.changelog}" in said
    assert "Traceback" not in said
