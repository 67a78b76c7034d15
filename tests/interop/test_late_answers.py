"""A dispatcher as a process, and a message center that answers after ``response_seconds``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Record
from tests.interop.parts import NODE_SMSC
from tests.interop.test_smsc import program
from tests.support.dispatching import HEAD, DispatchScene, due, smpp_gateway
from tests.support.foreign_smsc import foreign_smsc

COUNT = 8


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[DispatchScene]:
    with DispatchScene(bootstrap, tmp_path) as scene:
        yield scene


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
async def test_each_message_goes_once_and_is_settled(
    scene: DispatchScene, policy: str, record_finding: Record
) -> None:
    command, environment = await asyncio.to_thread(program, NODE_SMSC)
    async with foreign_smsc(command, environment, answer_ms=2_500, receipts="yes") as smsc:
        pace: dict[str, Any] = {"response_seconds": 1, "on_unknown": policy}
        await scene.prepare(HEAD + smpp_gateway(smsc.port, **pace))
        await scene.put(due(n, n) for n in range(1, COUNT + 1))
        process = scene.start()
        await scene.delivered(COUNT, 60)
        scene.stop(process)

    assert len(smsc.all("submit")) == COUNT
    told = Counter((one.reminder_id, one.status) for one in await scene.receipts())
    assert set(told.values()) == {1}
    assert {status for _, status in told} == {"accepted", "delivered"}
    record_finding(NODE_SMSC, "a dispatcher whose submits are all answered late", "one copy each")


async def test_receipts_settle_what_was_never_answered(
    scene: DispatchScene, record_finding: Record
) -> None:
    """One submit has no answer while the session lives, another one loses it with the session."""
    command, environment = await asyncio.to_thread(program, NODE_SMSC)
    async with foreign_smsc(command, environment, answer_ms=600_000) as smsc:
        pace: dict[str, Any] = {"response_seconds": 1, "late_response_seconds": 2}
        await scene.prepare(HEAD + smpp_gateway(smsc.port, **pace))
        await scene.put([due(1, 1)])
        process = scene.start()
        await scene.settled(1)  # as uncertain
        await scene.put([due(2, 2), due(3, 3)])
        await smsc.said("submit", 3)
        smsc.obey("cut")
        await scene.settled(3)
        await smsc.said("bind", 2)
        for number in (1, 3):
            submit = smsc.all("submit")[number - 1]
            receipt = f"id:{submit['id']} sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
            assert await smsc.deliver(receipt.encode(), esm=4, **{"from": submit["to"]}) == 0
        stranger = b"id:77 sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
        assert await smsc.deliver(stranger, esm=4, **{"from": "8613800999999"}) == 0
        await scene.delivered(2, 60)
        scene.stop(process)

    told: dict[int, list[str]] = {}
    for one in await scene.receipts():
        told.setdefault(int(one.reminder_id, 16), []).append(one.status)
    settled = [int(smsc.all("submit")[n]["to"][-1]) for n in (0, 2)]
    unsettled = ({1, 2, 3} - set(settled)).pop()
    whole = ["uncertain", "accepted", "delivered"]
    assert told == {unsettled: ["uncertain"], **dict.fromkeys(settled, whole)}
    assert len(smsc.all("submit")) == 3
    record_finding(NODE_SMSC, "receipts for submits that were never answered", "delivered")
