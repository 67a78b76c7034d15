"""What subscribers write reaches the topic of commands once, through dispatchers as processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import SmsReceived
from tests.interop.conftest import Record
from tests.interop.parts import NODE_SMSC
from tests.interop.test_smsc import program
from tests.support.committed import read_committed
from tests.support.dispatching import HEAD, PARTITIONS, DispatchScene, smpp_gateway
from tests.support.foreign_smsc import ForeignSmsc, foreign_smsc
from tests.support.waiting import until


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[DispatchScene]:
    with DispatchScene(bootstrap, tmp_path) as scene:
        yield scene


async def commands(scene: DispatchScene) -> list[SmsReceived]:
    """What is in the topic."""
    found = []
    for record in await read_committed(scene.bootstrap, scene.names["commands"], PARTITIONS):
        event = decode_event(record.value, record.key)
        assert isinstance(event, SmsReceived)
        assert event.source == "smpp:main"
        found.append(event)
    return found


async def confirmed(scene: DispatchScene, count: int) -> None:
    """Wait until so many answers are known to have arrived."""
    kinds = Counter[str]()
    while kinds["answered"] < count:
        records = await read_committed(scene.bootstrap, scene.names["incoming-sms"], 1)
        kinds = Counter(msgspec.json.decode(record.value)[0] for record in records)


async def lost(smsc: ForeignSmsc, body: bytes, **facts: int) -> None:
    """Send an SMS whose answer never arrives."""
    closed = len(smsc.all("closed"))
    smsc.obey("lose", **{"from": "8613800000001", "to": "10086"}, hex=body.hex(), **facts)
    await smsc.said("closed", closed + 1)


async def test_each_sms_is_one_command_whoever_dies(
    scene: DispatchScene, record_finding: Record
) -> None:
    program_of, environment = await asyncio.to_thread(program, NODE_SMSC)
    async with foreign_smsc(program_of, environment) as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port))
        process = scene.start()
        await smsc.said("bind")
        assert await smsc.deliver(b"STOP") == 0
        assert [one.text for one in await commands(scene)] == ["STOP"]

        await lost(smsc, b"BALANCE")
        await smsc.said("bind", 2)
        assert await smsc.deliver(b"BALANCE") == 0
        await confirmed(scene, 2)
        assert await smsc.deliver(b"BALANCE") == 0  # he wants to know it again
        assert await smsc.deliver(b"\5\0\3\7\2\1UNS", esm=0x40) == 0
        await lost(smsc, b"ALERT 50")
        process.kill()
        process.wait()
        # Whether it had bound again before that or not.
        await until(lambda: len(smsc.all("closed")) == len(smsc.all("bind")), 30)

        process = scene.start("two")
        await smsc.said("bind", len(smsc.all("closed")) + 1)
        assert await smsc.deliver(b"ALERT 50") == 0
        assert await smsc.deliver(b"\5\0\3\7\2\2UB 1", esm=0x40) == 0
        assert await smsc.deliver(b"\1", coding=4) == 0x65
        found = Counter(one.text for one in await commands(scene))
        scene.stop(process)

    assert found == {"STOP": 1, "BALANCE": 2, "ALERT 50": 1, "UNSUB 1": 1}
    record_finding(
        NODE_SMSC,
        "STOP, SMS sent again after a lost answer or a killed dispatcher, parts to two dispatchers",
        "each once in the topic of commands",
    )
