"""What subscribers write reaches the topic of commands once, through dispatchers as processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import SmsReceived
from tests.interop.conftest import Record
from tests.interop.parts import NODE_SMSC
from tests.interop.test_smsc import RX_T_APPN, program
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


async def sent(smsc: ForeignSmsc, body: bytes, **facts: Any) -> int:
    """Send an SMS, again while it is refused for now, as on a busy machine."""
    for _ in range(20):
        status = await smsc.deliver(body, **facts)
        if status != RX_T_APPN:
            return status
    raise AssertionError("Kafka never took it")


async def test_each_sms_is_one_command_whoever_dies(
    scene: DispatchScene, record_finding: Record
) -> None:
    program_of, environment = await asyncio.to_thread(program, NODE_SMSC)
    async with foreign_smsc(program_of, environment) as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port))
        process = scene.start()
        await smsc.said("bind")
        assert await sent(smsc, b"STOP") == 0
        assert [one.text for one in await commands(scene)] == ["STOP"]

        await lost(smsc, b"BALANCE")
        await smsc.said("bind", 2)
        assert await sent(smsc, b"BALANCE") == 0
        await confirmed(scene, 2)
        assert await sent(smsc, b"BALANCE") == 0  # he wants to know it again
        assert await sent(smsc, b"\5\0\3\7\2\1UNS", esm=0x40) == 0
        await lost(smsc, b"ALERT 50")
        process.kill()
        process.wait()

        process = scene.start("two")
        own_log = scene.directory / "two.log"
        await until(lambda: "bound to the message center" in own_log.read_text(), 60)
        assert await sent(smsc, b"ALERT 50") == 0
        assert await sent(smsc, b"\5\0\3\7\2\2UB 1", esm=0x40) == 0
        assert await sent(smsc, b"\1", coding=4) == 0x65
        found = Counter(one.text for one in await commands(scene))
        scene.stop(process)

    assert found == {"STOP": 1, "BALANCE": 2, "ALERT 50": 1, "UNSUB 1": 1}
    record_finding(
        NODE_SMSC,
        "STOP, SMS sent again after a lost answer or a killed dispatcher, parts to two dispatchers",
        "each once in the topic of commands",
    )
