"""A producer with another partitioner, on a real broker: taken over exactly once, or told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from typing import Any

from streamproc.contracts.records.codec import decode_reject, encode_event
from streamproc.core.instants import from_ms
from streamproc.core.privacy import mask
from streamproc.core.state.account import unpack
from streamproc.core.state.events import AccountActivated, UsageRecorded
from streamproc.engine.changelog import is_row
from streamproc.engine.rows import DUE_BYTES
from streamproc.partitioner import partition_of
from tests.support.cluster import (
    PARTITIONS,
    Record,
    WorkerProcess,
    create_topic,
    produce_to_partitions,
)
from tests.support.committed import Committed, read_committed
from tests.support.edges import wait_for_words
from tests.support.scene import Scene

START_MS = 1_767_600_000_000
SUBSCRIBERS = [f"86138{number:08}" for number in range(60)]
USES = 11
CRASHES = ("commit:3:2", "commit:4:1", "commit:5:3", "commit:6:2")


def crc32_place(key: bytes) -> int:
    """The partition that librdkafka chooses by default."""
    return zlib.crc32(key) % PARTITIONS


def records() -> list[Record]:
    """Activations, then uses of one byte, two and so on, each with an id of its own."""
    found: list[Record] = []
    for number, name in enumerate(SUBSCRIBERS):
        at = from_ms(START_MS + number)
        event = AccountActivated(f"a-{name}", "crm", name, at, "basic-5gb", "UTC", 1)
        found.append((name.encode(), encode_event(event), START_MS + number))
    for number in range(USES):
        at_ms = START_MS + 60_000 * (number + 1)
        for name in SUBSCRIBERS:
            used = UsageRecorded(f"u-{number}", name, name, from_ms(at_ms), total_bytes=number + 1)
            found.append((name.encode(), encode_event(used), at_ms))
    return found


async def charged(scene: Scene) -> dict[str, int]:
    """Bytes by subscriber, as the changelog has them now."""
    rows = {
        record.key: record.value
        for record in await read_committed(scene.bootstrap, scene.names.changelog)
        if is_row(record.key) and record.value is not None
    }
    return {key.decode(): unpack(row[DUE_BYTES:]).charged_bytes for key, row in rows.items()}


async def test_a_librdkafka_producer_is_taken_over_exactly_once(scene: Scene) -> None:
    names = scene.names
    forwarded = names.worker.forwarded
    await create_topic(scene.bootstrap, names.events)
    placed = [(crc32_place(record[0] or b""), record) for record in records()]
    misplaced = [
        (number, record)
        for number, record in placed
        if number != partition_of(record[0] or b"", PARTITIONS)
    ]
    assert len(misplaced) > len(placed) / 2
    options = ("--wrong-partition", "forward", "--instance-id", "one")
    worker = WorkerProcess(scene.bootstrap, names, scene.directory, "w", *options)
    scene.workers.append(worker)
    size = len(placed) // len(CRASHES) + 1
    for begin, crash in zip(range(0, len(placed), size), CRASHES, strict=True):
        await produce_to_partitions(scene.bootstrap, names.events, placed[begin : begin + size])
        worker.start(STREAMPROC_CRASH_AT=crash)
        await asyncio.to_thread(worker.running.wait, 60)
    worker.start()
    expected = dict.fromkeys(SUBSCRIBERS, USES * (USES + 1) // 2)
    async with asyncio.timeout(90):
        while await charged(scene) != expected:
            await asyncio.to_thread(time.sleep, 0.3)  # and asks again
    assert worker.stop() == 0, worker.tail()

    copies = await read_committed(scene.bootstrap, forwarded)
    assert sorted((one.key, one.value) for one in copies) == sorted(
        (key or b"", value or b"") for _, (key, value, _) in misplaced
    ), "each once"
    order: dict[bytes, list[Any]] = defaultdict(list)
    for one in copies:
        assert one.partition == partition_of(one.key, PARTITIONS)
        order[one.key].append(one.value)
    for key, values in order.items():
        assert values == [record[1] for _, record in misplaced if record[0] == key]
    assert await read_committed(scene.bootstrap, names.rejects) == []
    decisions = [one.value for one in await read_committed(scene.bootstrap, names.audit)]
    assert not any(b'"duplicate"' in one for one in decisions), "not by the dedupe"
    code, said = command(scene, "verify", "--input", names.events, "--forwarded", forwarded)
    assert code in (0, 3), said  # in which order the topics were read is not known
    assert " 0 different" in said
    assert "records are in a wrong partition: refused, or forwarded" in said


async def test_refusals_and_old_accounts_in_two_partitions_are_told(scene: Scene) -> None:
    names = scene.names
    await create_topic(scene.bootstrap, names.events)
    mine = [one for one in records() if one[0] == SUBSCRIBERS[0].encode()]
    key = SUBSCRIBERS[0].encode()
    right = partition_of(key, PARTITIONS)
    wrong = (right + 1) % PARTITIONS
    await produce_to_partitions(scene.bootstrap, names.events, [(right, one) for one in mine[:3]])
    await produce_to_partitions(scene.bootstrap, names.events, [(wrong, one) for one in mine[3:5]])
    worker = scene.worker("w")
    async with asyncio.timeout(60), Committed(scene.bootstrap, names.rejects) as log:
        wait_for_words(worker, "input flows")
        while len(log.records) < 2:
            await log.more()
        rejects = [decode_reject(one.value) for one in log.records]
    assert {(one.reason, one.partition) for one in rejects} == {("wrong_partition", wrong)}
    assert worker.stop() == 0, worker.tail()
    assert worker.log.read_text().count("records are in the wrong partition and are refused") == 1
    assert (await charged(scene))[SUBSCRIBERS[0]] == 1 + 2

    # As an earlier release had it.
    (row,) = [
        one
        for one in await read_committed(scene.bootstrap, names.changelog)
        if one.key == key and one.value is not None
    ][-1:]
    other = SUBSCRIBERS[1].encode()
    stray = (partition_of(other, PARTITIONS) + 1) % PARTITIONS
    await produce_to_partitions(
        scene.bootstrap,
        names.changelog,
        [(wrong, (key, row.value, 0)), (stray, (other, row.value, 0))],
    )
    code, said = command(scene, "verify", "--input", names.events)
    assert code == 1, said
    name = mask(SUBSCRIBERS[0])
    assert (
        f"{name} is in partition {wrong} and belongs in {right}, where the subscriber has "
        "another account"
    ) in said
    assert "2 accounts are in a wrong partition, 1 of them beside another" in said

    code, said = command(
        scene, "explain", SUBSCRIBERS[0], "--audit", names.audit, "--input", names.events,
        app_id=False,
    )  # fmt: skip
    assert code == 0, said
    assert f"has records of this key in wrong partitions (partition {wrong}: 2" in said
    again = scene.worker("again")
    wait_for_words(again, "accounts are in the wrong partition")


def command(scene: Scene, name: str, *options: str, app_id: bool = True) -> tuple[int, str]:
    """Exit status and words of a command."""
    whole = [sys.executable, "-m", "streamproc", name, *options, "--broker", scene.bootstrap]
    if app_id:
        whole += ["--app-id", scene.names.app_id, "--clock", "event"]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr
