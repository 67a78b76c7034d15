"""``streamproc verify`` finds what differs, and only that, while workers run."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streamproc.core.instants import from_ms
from streamproc.core.privacy import mask
from streamproc.core.state.account import pack, unpack
from streamproc.engine.changelog import is_row
from streamproc.engine.rows import DUE_BYTES
from streamproc.lab.workload import WorkloadSettings
from streamproc.partitioner import partition_of
from tests.support.cluster import PARTITIONS, produce_to_partitions, wait_until_consumed
from tests.support.committed import read_committed
from tests.support.edges import wait_for_words
from tests.support.scene import Scene
from tests.support.waiting import wait_until
from tests.unit.test_readers_forms import usage_line

MONTH = WorkloadSettings(seed=5, events=12_000, subscribers=600)


def verify(scene: Scene, *options: str) -> tuple[int, str]:
    """Exit status and words of the command."""
    done = subprocess.run(command(scene, *options), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def command(scene: Scene, *options: str) -> list[str]:
    words = [sys.executable, "-m", "streamproc", "verify", "--broker", scene.bootstrap]
    words += ["--app-id", scene.names.app_id, "--input", scene.names.events]
    return [*words, "--reminders", scene.names.reminders, "--clock", "event", *options]


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
        if is_row(record.key) and record.value is not None
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


def killed(scene: Scene, folder: Path) -> None:
    """Kill a comparison as soon as it has written how far it is within a partition."""
    memory = ["--checkpoint", str(folder), "--checkpoint-every-seconds", "0.01"]
    process = subprocess.Popen(command(scene, *memory), stdout=subprocess.DEVNULL)
    wait_until(lambda: list(folder.glob("*.unfinished")) or process.poll() is not None)
    process.kill()
    process.wait()


def records_read(said: str) -> int:
    """How many records of the input were applied, in all partitions."""
    return sum(int(one.replace(",", "")) for one in re.findall(r": ([0-9,]+) records,", said))


def equal(said: str) -> int:
    """How many subscribers are equal, by the last line."""
    (found,) = re.findall(r"^([0-9,]+) subscribers equal, 0 different", said, re.MULTILINE)
    return int(found.replace(",", ""))


async def test_samples_checkpoints_and_changed_rules(scene: Scene, tmp_path: Path) -> None:
    month = WorkloadSettings(seed=6, events=3_000, subscribers=200)
    await scene.load(month)
    worker = scene.worker("w1")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    assert worker.stop() == 0, worker.tail()

    code, everybody = verify(scene)
    assert code == 0, everybody
    other_memory = ("--checkpoint", str(tmp_path / "other"))
    code, some = verify(scene, "--share", "0.3", *other_memory)
    assert code == 0, some
    assert 20 < equal(some) < 120 < equal(everybody)
    assert records_read(some) == records_read(everybody)
    key = next(record[0] for _, _, record in scene.placed if record[0])
    code, one = verify(scene, "--subscriber", f"+{key.decode()}")
    assert code == 0, one
    assert equal(one) == 1
    assert records_read(one) < records_read(everybody)
    assert f"{scene.names.reminders}: not looked at; this is a sample" in one
    code, none = verify(scene, "--subscriber", "8613899999999")
    assert (code, equal(none)) == (3, 0), none
    assert "861********99: not verified: no account in the partition of this key" in none
    other = str((partition_of(key, PARTITIONS) + 1) % PARTITIONS)
    code, none = verify(scene, "--subscriber", key.decode(), "--partition", other)
    assert (code, equal(none)) == (3, 0), none
    assert "not verified: no account in the partitions that were read" in none
    assert "not looked at" not in some
    assert "not looked at" not in everybody

    memory = ("--checkpoint", str(tmp_path / "checkpoints"))
    code, first = verify(scene, *memory)
    assert (code, records_read(first)) == (0, records_read(everybody))
    code, second = verify(scene, *memory)
    assert (code, records_read(second)) == (0, 0)
    assert equal(second) == equal(everybody)
    code, other = verify(scene, *other_memory)
    assert (code, equal(other)) == (0, equal(everybody)), other
    assert "the checkpoint was not used: it is of other rules, topics or subscribers" in other
    killed(scene, tmp_path / "cut")
    code, cut = verify(scene, "--checkpoint", str(tmp_path / "cut"))
    assert (code, equal(cut)) == (0, equal(everybody)), cut
    for folder in ("other", "cut"):
        # What a killed process was about to write has a name with a dot, and is nobody's.
        for path in (tmp_path / folder).glob("[!.]*"):
            assert path.read_bytes() == (tmp_path / "checkpoints" / path.name).read_bytes()

    # One word of a text is another one, and one event comes.
    rules = tmp_path / "rules.yaml"
    text = files("streamproc.contracts.rules").joinpath("default.yaml").read_text("utf-8")
    rules.write_text(text.replace("Data alert", "Usage alert"), "utf-8")
    worker = scene.worker("w2", "--rules", str(rules))
    later_ms = max(record[2] for _, _, record in scene.placed) + 60_000
    usage = usage_line("after").strip().encode().replace(b"8613800000001", key)
    usage = usage.replace(b"2026-01-05T00:00:00Z", from_ms(later_ms).isoformat().encode())
    event = (partition_of(key, PARTITIONS), (key, usage, later_ms))
    await produce_to_partitions(scene.bootstrap, scene.names.events, [event])
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    assert worker.stop() == 0, worker.tail()

    for given in (("--rules", str(rules)), ()):
        code, said = verify(scene, *given)
        assert code in (0, 3), said
        assert ", 0 different" in said
