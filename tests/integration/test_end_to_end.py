"""Recorded usage to the phone and back: replay, worker, dispatcher, gateway, receipts.

Worker and dispatcher are killed on the way. What arrives then rests on the gateway: plain SMPP
leaves the choice between once at most and once at least (and tells of each message that is in
doubt); where the receiver knows a repeat by its id, every due SMS arrives exactly once.
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b, md5, sha256
from pathlib import Path
from typing import Any

from streamproc.contracts.records.codec import decode_reminder
from streamproc.contracts.records.receipts import Receipt
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.state.effects import Reminder
from streamproc.kafka.recording import LogRecord, RecordingWriter
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.cluster import PARTITIONS, Names, WorkerProcess, create_topic
from tests.support.committed import read_committed
from tests.support.dispatching import HEAD, DispatchScene, smpp_gateway
from tests.support.expectation import expect
from tests.support.hook import HookReceiver
from tests.support.smsc import SmscProcess

USAGE = WorkloadSettings(seed=9, events=6_000, subscribers=150)
WINDOW = 60
KILLS = 2
OPEN_MESSAGES = 3 * WINDOW
"""What a kill may find sent and not committed (docs/dispatcher.md)."""
PACE: dict[str, Any] = {"messages_per_second": 600, "burst": 60, "window": WINDOW}
"""The month's reminders take some seconds to be killed in."""
ANSWER_SECONDS = 0.05
"""So that a kill finds messages without an answer."""

Sms = tuple[str, str]
"""Number and text."""


class Run:
    """One run: what was due, what arrived, what the receipts say of each."""

    def __init__(self, due: list[Reminder], arrived: list[Sms], receipts: list[Receipt]) -> None:
        by_sms = {(one.subscriber, one.text): one.id for one in due}
        assert len(by_sms) == len(due) > 500, "texts must tell reminders apart"
        times = Counter(arrived)
        assert times.keys() <= by_sms.keys(), "an SMS arrived that none asked for"
        self.times = {reminder_id: times[sms] for sms, reminder_id in by_sms.items()}
        self.first: dict[str, Receipt] = {}
        """The first receipt of each reminder: accepted or uncertain."""
        for one in receipts:
            self.first.setdefault(one.reminder_id, one)
        assert self.first.keys() == self.times.keys(), "each reminder has a receipt"
        told = Counter((one.reminder_id, one.status) for one in receipts)
        assert max(told.values()) == 1, "each status is told once"
        for reminder_id, receipt in self.first.items():
            assert receipt.status in ("accepted", "uncertain")
            # What a report of the phone settled did arrive.
            assert (reminder_id, "accepted") not in told or self.times[reminder_id]

    def arrived(self, how_often: int) -> set[str]:
        return {one for one, times in self.times.items() if times == how_often}

    def told(self, says: Callable[[Receipt], bool]) -> set[str]:
        return {one for one, receipt in self.first.items() if says(receipt)}


async def test_at_most_once_what_did_not_arrive_is_told_as_uncertain(
    bootstrap: str, tmp_path: Path
) -> None:
    with SmscProcess(
        tmp_path, receipts="shuffled", receipt_seconds=0.3, answer_seconds=ANSWER_SECONDS
    ) as smsc:
        gateway = smpp_gateway(smsc.port, **PACE)
        run = await play(bootstrap, tmp_path, gateway, smsc.messages, delivered=True)

    uncertain = run.told(lambda one: one.status == "uncertain")
    assert run.arrived(0) <= uncertain
    assert run.arrived(0) | run.arrived(1) == run.times.keys(), "an SMS arrived twice"
    assert len(uncertain) < KILLS * OPEN_MESSAGES


async def test_at_least_once_what_arrived_twice_was_tried_twice(
    bootstrap: str, tmp_path: Path
) -> None:
    with SmscProcess(
        tmp_path, receipts="tlv", receipt_seconds=0.3, answer_seconds=ANSWER_SECONDS
    ) as smsc:
        gateway = smpp_gateway(smsc.port, on_unknown="at_least_once", **PACE)
        run = await play(bootstrap, tmp_path, gateway, smsc.messages, delivered=True)

    tried_again = run.told(lambda one: one.attempts > 1)
    twice = run.times.keys() - run.arrived(1)
    assert not run.arrived(0), "an SMS did not arrive"
    assert twice <= tried_again
    assert twice, "no kill found a message under way"
    assert len(twice) < KILLS * OPEN_MESSAGES
    assert not run.told(lambda one: one.status == "uncertain")


async def test_exactly_once_where_the_receiver_knows_a_repeat(
    bootstrap: str, tmp_path: Path
) -> None:
    async with HookReceiver(ANSWER_SECONDS) as hook:
        values = {"kind": "webhook", "url": hook.url, "secret_env": "HOOK_SECRET", **PACE}
        gateway = "  - name: hook\n" + "".join(f"    {k}: {v}\n" for k, v in values.items())
        run = await play(bootstrap, tmp_path, gateway, hook.messages, delivered=False)

    assert run.arrived(1) == run.times.keys()
    assert not run.told(lambda one: one.status == "uncertain")
    assert hook.posts.keys() == run.times.keys()
    assert hook.posts.total() > len(hook.posts), "no kill found a message under way"


async def play(
    bootstrap: str,
    directory: Path,
    gateway: str,
    arrived: Callable[[], list[Sms]],
    *,
    delivered: bool,
) -> Run:
    """Replay, worker and dispatcher with kills; ``delivered``: wait for the phones' receipts."""
    recording = directory / "month.ndjson.zst"
    with RecordingWriter(recording) as writer:
        for key, value, at_ms in generate(USAGE, default_rulebook()):
            writer.write(LogRecord(key, value, at_ms))
    with DispatchScene(bootstrap, directory) as scene:
        names = Names(f"{scene.app}-worker")
        scene.names["reminders"] = names.reminders
        scene.ignore_expiry = True  # the recording is of the past
        scene.log_level = "debug"
        await scene.prepare(HEAD + gateway, PARTITIONS)
        await create_topic(bootstrap, names.events)
        replay = scene.run(
            [
                *("replay", str(recording), "--broker", bootstrap, "--to", names.events),
                *(
                    "--create-topics",
                    "--partitions",
                    str(PARTITIONS),
                    "--quiet",
                    "--advance-clock",
                    "4d",
                ),
            ],
            "replay",
        )
        await _run_with_kills(scene, names, replay, arrived, delivered)
        due = [
            decode_reminder(one.value) for one in await read_committed(bootstrap, names.reminders)
        ]
        receipts = await scene.receipts()
        await _assert_masked(scene, due)
    return Run(due, arrived(), receipts)


async def _assert_masked(scene: DispatchScene, due: list[Reminder]) -> None:
    """No log line and no record of a dispatcher shows a number, or a plain hash of one."""
    said = [path.read_bytes() for path in scene.directory.glob("*.log")]
    assert len(said) >= 2
    for name in ("journal", "receipts", "dead-letters", "reports"):
        count = 1 if name == "reports" else scene.partitions
        records = await read_committed(scene.bootstrap, scene.names[name], count)
        said += [(one.key or b"") + b" " + (one.value or b"") for one in records]
    told = b"\n".join(said)
    runs = re.findall(rb"[0-9]{10,}", told)
    windows = {run[at : at + 10] for run in runs for at in range(len(run) - 9)}
    words = {word[:12] for word in re.findall(rb"[0-9a-f]{12,}", told)}
    for number in {one.subscriber for one in due}:
        assert number[-10:].encode() not in windows
        for digits in (number.encode(), number[-8:].encode(), number[-10:].encode()):
            made = [make(digits).hexdigest() for make in (blake2b, md5, sha256)]
            made += [blake2b(digits, digest_size=size).hexdigest() for size in (6, 8, 12, 16)]
            assert words.isdisjoint(one[:12].encode() for one in made)
    for one in due[::50]:
        assert one.text.encode() not in told


async def _run_with_kills(
    scene: DispatchScene,
    names: Names,
    replay: subprocess.Popen[bytes],
    arrived: Callable[[], list[Sms]],
    delivered: bool,
) -> None:
    """Kill worker and dispatcher in the midst; return when everything must have come."""
    chance = random.Random(4)
    options = ("--instance-id", "w", "--log-level", "debug")
    worker = WorkerProcess(scene.bootstrap, names, scene.directory, "worker", *options)
    worker.start()
    scene.processes.append(worker.running)
    dispatcher = scene.start()
    for _ in range(KILLS):
        before = len(arrived())
        await scene.until_more(lambda: len(arrived()), before + 60, 120)
        await asyncio.sleep(chance.random() * 0.3)  # they are killed at any instant
        dispatcher.kill()
        worker.kill()
        dispatcher.wait()
        worker.start()
        scene.processes.append(worker.running)
        dispatcher = scene.start()
    assert await asyncio.to_thread(replay.wait, 60) == 0, scene.logs()
    await scene.settled(await _reminders(scene.bootstrap, names), limit_seconds=240)
    await asyncio.sleep(2)  # nothing more may come
    states = await scene.statuses()
    if delivered:
        await scene.delivered(states["accepted"])
    assert worker.stop() == 0, worker.tail()
    scene.stop(dispatcher)


async def _reminders(bootstrap: str, names: Names) -> int:
    """How many must come of what is in the input topic now."""
    placed = [
        (one.partition, one.offset, (one.key, one.value, one.timestamp))
        for one in await read_committed(bootstrap, names.events)
    ]
    return expect(placed, names.events).reminders.total()
