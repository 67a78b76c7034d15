"""By the wall clock, timers never overtake input that is waiting to be read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from streamproc.core.instants import to_ms
from streamproc.core.state.account import pack, unpack
from streamproc.engine.rows import DUE_BYTES
from tests.faults import clocked
from tests.support.cluster import (
    PARTITIONS,
    Record,
    WorkerProcess,
    create_topic,
    produce,
    produce_to_partitions,
    wait_until_consumed,
)
from tests.support.edges import wait_for_words
from tests.support.expectation import assert_same, expect, observe, wait_for_records
from tests.support.scene import Scene

MIDNIGHT_MS = to_ms(datetime(2026, 2, 1, tzinfo=UTC))
"""The end of everybody's billing cycle."""
BEFORE_SECONDS = 240.0
"""How long before it a worker's clock stands at first: until the test turns it."""
FILLER = 60_000
"""So many that timers have a chance before the end of the backlog."""
SUBSCRIBERS = [f"86138{number:08d}" for number in range(40)]


class Night:
    """A worker whose clock stands before the end of the month until it is turned."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._clock = scene.directory / "clock"
        self.turn_clock(-BEFORE_SECONDS)
        self.placed: list[tuple[int, int, Record]] = []
        self._offsets: dict[int, int] = {}

    def turn_clock(self, seconds_after_midnight: float) -> None:
        """Workers have this time of day now, and it goes on from there."""
        now = MIDNIGHT_MS / 1000 + seconds_after_midnight
        turned = self._clock.with_suffix(".new")
        turned.write_text(str(now - time.time()))
        turned.replace(self._clock)
        self._turned, self._seconds = time.monotonic(), seconds_after_midnight

    def seconds_to_midnight(self) -> float:
        return -self._seconds - (time.monotonic() - self._turned)

    def worker(self, name: str) -> WorkerProcess:
        worker = WorkerProcess(
            *(self.scene.bootstrap, self.scene.names, self.scene.directory, name),
            *("--clock", "wall", "--instance-id", "night"),
        )
        worker.command[2] = "tests.faults.clocked"
        self.scene.workers.append(worker)
        return worker.start(**{clocked.VARIABLE: str(self._clock)})

    async def activate(self) -> None:
        """The subscribers begin, and so do cycles that end at midnight."""
        await self.send(
            MIDNIGHT_MS - 20_000,
            "account.activated",
            plan="lite-500mb",
            time_zone="UTC",
            billing_anchor_day=1,
        )

    async def send(self, at_ms: int, kind: str, **fields: object) -> None:
        """An event of this kind for everybody, arriving at an instant."""
        stamp = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
        records: list[Record] = [
            (
                name.encode(),
                msgspec.json.encode(
                    {
                        "type": kind,
                        "id": f"{kind}-{at_ms}",
                        "source": "test",
                        "subscriber": name,
                        "time": stamp,
                        **fields,
                    }
                ),
                at_ms,
            )
            for name in SUBSCRIBERS
        ]
        await self._write(records)

    async def send_filler(self, at_ms: int, count: int) -> None:
        """Records that change nothing, but take their time."""
        stamp = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
        event = {"type": "clock.advanced", "source": "test", "time": stamp}
        values = [msgspec.json.encode({**event, "id": "f" * n}) for n in range(1, PARTITIONS + 1)]
        await self._write((None, values[n % PARTITIONS], at_ms) for n in range(count))

    async def _write(self, records: Iterable[Record]) -> None:
        for partition, _, record in await produce(
            self.scene.bootstrap, self.scene.names.events, records
        ):
            offset = self._offsets.get(partition, 0)
            self._offsets[partition] = offset + 1
            self.placed.append((partition, offset, record))


async def test_usage_that_waited_while_the_cycle_ended_still_belongs_to_it(scene: Scene) -> None:
    """A worker that was down over midnight must not end the cycle before it has read the rest."""
    await create_topic(scene.bootstrap, scene.names.events)
    night = Night(scene)
    await night.activate()
    worker = night.worker("before")
    wait_for_words(worker, "input flows")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    await asyncio.sleep(1)  # its last commit
    worker.kill()
    assert night.seconds_to_midnight() > 30, "too slow a machine: nothing would be shown"
    await night.send_filler(MIDNIGHT_MS - 4_000, FILLER)
    usage = {"total_bytes": 300_000_000, "rating_group": 10}
    await night.send(MIDNIGHT_MS - 3_000, "usage.recorded", **usage)
    await night.send(MIDNIGHT_MS - 2_000, "usage.recorded", **usage)
    await night.send(MIDNIGHT_MS + 3_000, "usage.recorded", **usage)
    night.turn_clock(4)

    worker = night.worker("after")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])

    expected = expect(night.placed, scene.names.events, final_clock_ms=MIDNIGHT_MS + 3_000)
    count = expected.reminders.total()
    assert count >= 3 * len(SUBSCRIBERS)
    await wait_for_records(scene.bootstrap, scene.names.reminders, count, [worker])
    await asyncio.sleep(2)  # nothing more may come
    assert worker.stop() == 0, worker.tail()
    assert_same(await observe(scene.bootstrap, scene.names), expected)

    code, said = verify(scene)
    assert code == 0, said
    # Whether such a subscriber's timers or events came first cannot be told from the log.
    key, data = next(iter(expected.states.items()))
    account = unpack(data[DUE_BYTES:])
    account.charged_bytes += 1
    partition = next(number for number, _, record in night.placed if record[0] == key)
    row = (partition, (key, data[:DUE_BYTES] + pack(account), 0))
    await produce_to_partitions(scene.bootstrap, scene.names.changelog, [row])
    code, said = verify(scene)
    assert code == 3, said
    assert "1 not comparable" in said
    assert "which was first is not known" in said


def verify(scene: Scene) -> tuple[int, str]:
    command = [sys.executable, "-m", "streamproc", "verify", "--broker", scene.bootstrap]
    command += ["--app-id", scene.names.app_id, "--input", scene.names.events, "--clock", "wall"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


async def test_a_quiet_partition_needs_no_input_for_its_timers(scene: Scene) -> None:
    await create_topic(scene.bootstrap, scene.names.events)
    night = Night(scene)
    await night.activate()
    worker = night.worker("w")
    await wait_until_consumed(scene.bootstrap, scene.names, [worker])
    assert night.seconds_to_midnight() > 30, "too slow a machine: nothing would be shown"
    night.turn_clock(-2)
    expected = expect(night.placed, scene.names.events, final_clock_ms=MIDNIGHT_MS)
    count = expected.audit.total()
    assert count >= 2 * len(SUBSCRIBERS), "begun and closed"
    await wait_for_records(scene.bootstrap, scene.names.audit, count, [worker])
    await asyncio.sleep(2)  # nothing more may come
    assert worker.stop() == 0, worker.tail()
    assert_same(await observe(scene.bootstrap, scene.names), expected)
