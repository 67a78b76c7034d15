"""Recorded usage to the phone and back: replay, worker, dispatcher, message center, receipts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from streamproc.contracts.codec import decode_reminder
from streamproc.contracts.rulesfile import default_rulebook
from streamproc.edges.recording import LogRecord, RecordingWriter
from streamproc.edges.workload import WorkloadSettings, generate
from tests.support.cluster import PARTITIONS, Names, WorkerProcess, create_topic, read_committed
from tests.support.dispatching import HEAD, DispatchScene, smpp_gateway
from tests.support.smsc import SmscProcess

USAGE = WorkloadSettings(seed=9, events=20_000, subscribers=300)
PACE = 600
"""Messages per second: the month's reminders take some seconds to be killed in."""


async def test_every_due_sms_arrives_once_though_worker_and_dispatcher_are_killed(
    bootstrap: str, tmp_path: Path
) -> None:
    recording = tmp_path / "month.ndjson.zst"
    with RecordingWriter(recording) as writer:
        for key, value, at_ms in generate(USAGE, default_rulebook()):
            writer.write(LogRecord(key, value, at_ms))
    with (
        DispatchScene(bootstrap, tmp_path) as scene,
        SmscProcess(tmp_path, receipts="shuffled", receipt_seconds=0.3) as smsc,
    ):
        names = Names(f"{scene.app}-worker")
        scene.names["reminders"] = names.reminders
        scene.ignore_expiry = True  # the recording is of the past
        gateway = smpp_gateway(smsc.port, messages_per_second=PACE, burst=60, window=60)
        await scene.prepare(HEAD + gateway, PARTITIONS)
        await create_topic(bootstrap, names.events)
        replay = scene.run(
            [
                *("replay", str(recording), "--broker", bootstrap, "--to", names.events),
                *("--partitions", str(PARTITIONS), "--quiet", "--advance-clock", "4d"),
            ],
            "replay",
        )
        sent = await _run_with_kills(scene, names, smsc)
        assert replay.wait(60) == 0, scene.logs()
        reminders = await read_committed(bootstrap, names.reminders)

    uncertain, accepted = sent
    due = Counter(_message(record.value) for record in reminders)
    arrived = Counter(smsc.messages())
    missing = due - arrived
    assert due.total() > 500
    assert set(due.values()) == {1}, "texts must tell reminders apart"
    assert not arrived - due, "an SMS arrived twice, or none asked for it"
    assert missing.total() <= uncertain, "what did not arrive must be told as uncertain"
    assert accepted + uncertain == due.total()


def _message(value: bytes) -> tuple[str, str]:
    reminder = decode_reminder(value)
    return reminder.subscriber, reminder.text


async def _run_with_kills(scene: DispatchScene, names: Names, smsc: SmscProcess) -> tuple[int, int]:
    """Kill worker and dispatcher twice each; returns uncertain and accepted at the end."""
    chance = random.Random(4)
    worker = WorkerProcess(scene.bootstrap, names, scene.directory, "worker", "--instance-id", "w")
    worker.start()
    scene.processes.append(worker.process)
    dispatcher = scene.start()
    for _ in range(2):
        before = sum(1 for _ in smsc.events("accepted"))
        await scene.until(
            lambda seen=before: sum(1 for _ in smsc.events("accepted")) > seen + 60, 60
        )
        await asyncio.sleep(chance.random() * 0.3)
        dispatcher.kill()
        worker.kill()
        dispatcher.wait()
        worker.start()
        scene.processes.append(worker.process)
        dispatcher = scene.start()
    count = -1
    while True:  # until nothing more comes
        await asyncio.sleep(4)
        seen = len(await read_committed(scene.bootstrap, names.reminders))
        states = Counter(one.status for one in await scene.receipts())
        told = states["accepted"] + states["uncertain"]
        if seen == count == told:
            break
        count = seen
    await scene.delivered(states["accepted"])
    assert worker.stop() == 0, worker.tail()
    scene.stop(dispatcher)
    return states["uncertain"], states["accepted"]
