"""Alarms on a real broker: each change once, whoever decides; and by a worker, to a webhook."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from streamproc.alarms.decider import AlarmPlace, Decider
from streamproc.alarms.shares import AlarmPart, Share
from streamproc.alarms.table import Bounds
from streamproc.alarms.telling import ShareWriter
from streamproc.contracts.records.alarms import AlarmChanged, decode_alarm
from streamproc.contracts.records.reveals import decode_reveal
from streamproc.contracts.webhook_keys import keys_of
from streamproc.core.privacy import mask
from streamproc.kafka.errors import TopicError
from streamproc.partitioner import partition_of
from streamproc.tools.revealing import Reveals
from tests.support.cluster import (
    PARTITIONS,
    Names,
    WorkerProcess,
    create_topic,
    produce_to_partitions,
)
from tests.support.committed import read_committed
from tests.support.metrics_page import probe

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def changes(bootstrap: str, topic: str) -> list[AlarmChanged]:
    return [decode_alarm(one.value) for one in await read_committed(bootstrap, topic, 1)]


def show(bootstrap: str, topic: str, count: int) -> None:
    """Somebody is shown the numbers of so many."""
    with Reveals(bootstrap, topic, "explain") as reveals:
        reveals.write([f"861380000{number:04}" for number in range(count)])


async def test_each_change_is_written_once_whoever_decides(bootstrap: str) -> None:
    app = f"a{uuid4().hex[:8]}"
    for topic in (f"{app}.alarms", f"{app}.shares"):
        await create_topic(bootstrap, topic, 1)
    places = [AlarmPlace(bootstrap, f"{app}.alarms", f"{app}.shares", app, f"w{n}") for n in (1, 2)]
    first, second = (Decider(place, Bounds(10, 1000)) for place in places)
    writer = ShareWriter(places[0])

    def tell(**counts: int) -> None:
        now = {name: AlarmPart(count, ["861********01"]) for name, count in counts.items()}
        writer.write(Share("w1", "worker", 0, app, counts=now))

    def steps() -> None:
        assert first.open() == []
        tell(DeadLetters=12)
        assert [one.record.change for one in first.turn()] == ["raised"]
        assert first.turn() == []
        (known,) = second.open()
        assert known.record.tier == "orange"
        tell(DeadLetters=2_000)
        with pytest.raises(TopicError):
            first.turn()  # the second one has fenced it
        assert [one.record.change for one in second.turn()] == ["escalated"]
        assert second.turn() == []

    try:
        await asyncio.to_thread(steps)
    finally:
        for one in (first, second, writer):
            await asyncio.to_thread(one.close)
    raised, escalated = await changes(bootstrap, f"{app}.alarms")
    assert (raised.change, raised.concerned, raised.source) == ("raised", 12, "w1")
    assert (escalated.change, escalated.concerned, escalated.source) == ("escalated", 2_012, "w2")
    assert escalated.since == raised.since
    assert escalated.sample == ["861********01"]


async def test_what_commands_show_is_written_first_and_counted(bootstrap: str) -> None:
    app = f"a{uuid4().hex[:8]}"
    topics = [f"{app}.{name}" for name in ("alarms", "shares", "reveals")]
    for topic in topics:
        await create_topic(bootstrap, topic, 1)
    place = AlarmPlace(bootstrap, topics[0], topics[1], app, "w1", topics[2])
    numbers = [f"861380000{number:04}" for number in range(12)]

    def show(*subscribers: str) -> None:
        with Reveals(bootstrap, topics[2], "explain") as reveals:
            reveals.write(subscribers)

    def steps() -> None:
        with pytest.raises(TopicError, match="there is no topic"):
            Reveals(bootstrap, f"{app}.none", "explain")
        writer, decider = ShareWriter(place), Decider(place, Bounds(10, 1000))
        try:
            writer.write(Share("w1", "worker", 0, app))
            show(*numbers[:4], "streamproc-canary-20260120-0-1")
            assert decider.open() == []
            assert decider.turn() == []
            show(*numbers[4:])
            (raised,) = decider.turn()
            assert (raised.record.alarm, raised.record.concerned) == ("DataRevealed", 12)
            assert decider.revealed["explain"] == 12
        finally:
            decider.close()
            writer.close()
        # The next one knows of it.
        following = Decider(place, Bounds(10, 1000))
        try:
            following.open()
            assert following.raised == (("DataRevealed", "", "orange"),)
            assert following.revealed["explain"] == 12
        finally:
            following.close()

    await asyncio.to_thread(steps)
    written = [decode_reveal(one.value) for one in await read_committed(bootstrap, topics[2], 1)]
    assert [one.concerned for one in written] == [4, 8]
    assert written[0].sample == [mask(one) for one in numbers[:4]]
    assert {one.kafka_user for one in written} == {"the user ANONYMOUS"}


async def test_a_worker_raises_an_alarm_and_posts_it(bootstrap: str, tmp_path: Path) -> None:
    posted: asyncio.Queue[AlarmChanged] = asyncio.Queue()

    async def receive(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        Webhook(keys_of(SECRET)[0]).verify(body.decode(), dict(request.headers))
        posted.put_nowait(decode_alarm(body))
        return web.Response(status=204)

    server = web.ServerRunner(web.Server(receive))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    names = Names(f"a{uuid4().hex[:8]}")
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    url = f"http://127.0.0.1:{server.addresses[0][1]}/"
    options = ("--alarm-webhook", url, "--alarm-webhook-key-file", str(key), "--http-port", "0")
    await create_topic(bootstrap, names.events)
    worker = WorkerProcess(bootstrap, names, tmp_path, "one", "--clock", "wall", *options).start()
    try:
        # Each of these is one partition too far.
        bad: list[Any] = []
        for number in range(12):
            subscriber = f"86138000000{number:02}"
            value = b'{"type":"usage.recorded","id":"%d","source":"s","subscriber":"%s",' % (
                number,
                subscriber.encode(),
            )
            value += b'"time":"2026-01-05T08:30:00Z","total_bytes":1}'
            wrong = (partition_of(subscriber.encode(), PARTITIONS) + 1) % PARTITIONS
            bad.append((wrong, (subscriber.encode(), value, 1_767_600_000_000)))
        await produce_to_partitions(bootstrap, names.events, bad)
        async with asyncio.timeout(60):
            change = await posted.get()
        assert (change.alarm, change.change, change.tier) == ("WrongPartition", "raised", "orange")
        assert change.concerned == 12
        await asyncio.to_thread(show, bootstrap, names.worker.reveals, 11)
        async with asyncio.timeout(60):
            revealed = await posted.get()
        assert (revealed.alarm, revealed.tier) == ("DataRevealed", "orange")
        _, page = await asyncio.to_thread(probe, worker.log, "/metrics")
        assert 'streamproc_worker_revealed_subscribers{command="explain"} 11.0' in page
        assert worker.stop() == 0
    finally:
        worker.kill()
        await server.cleanup()
    assert await changes(bootstrap, names.worker.alarms) == [change, revealed]
    assert "an alarm was raised" in worker.tail(400), worker.tail()
    assert mask("8613800000001") not in str(change.sample), "rejects name nobody"
