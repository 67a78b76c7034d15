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
