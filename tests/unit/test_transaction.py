"""The steps of a commit, in the order in which they are numbered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streamproc.engine import crashpoints
from streamproc.engine.cluster import Place
from streamproc.engine.errors import TakenOverError
from streamproc.engine.transaction import PartitionWriter
from tests.support.waiting import let_run


class Producer:
    """Notes what it is told; the broker's answers to batches are the test's."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.answers: list[asyncio.Future[Any]] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def begin(self) -> None:
        self.told.append("begin")

    async def append(self, topic: str, records: Any, *_: Any) -> list[asyncio.Future[Any]]:
        self.told.append(f"append to {topic}")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return [answer]

    async def append_copies(self, place: Any, copies: Any) -> list[asyncio.Future[Any]]:
        return await self.append(f"{place.topic}-{place.partition}", copies)

    async def commit(self) -> None:
        self.told.append("commit")

    def meaning_of(self, error: BaseException) -> BaseException | None:
        return TakenOverError("taken over") if isinstance(error, ConnectionError) else None


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(crashpoints, "reached", lambda stage, step: told.append(f"{stage} {step}"))
    return told


async def test_steps_happen_in_the_order_of_their_numbers(told: list[str]) -> None:
    producer = Producer(told)
    committing = asyncio.create_task(
        PartitionWriter(producer).commit(
            "changelog", [], {"out": [], "audit": []}, {Place("forwarded", 3): []}
        )
    )
    await let_run()
    until_the_answers = [
        *("begin", "commit 2", "append to changelog", "commit 3"),
        *("append to out", "append to audit", "append to forwarded-3", "commit 4"),
    ]
    assert told == until_the_answers, "it waits for the broker"
    for answer in producer.answers:
        answer.set_result(None)
    await committing
    assert told == [*until_the_answers, "commit 5", "commit", "commit 6"]


async def test_a_batch_that_was_refused_is_not_committed(told: list[str]) -> None:
    producer = Producer(told)
    committing = asyncio.create_task(PartitionWriter(producer).commit("changelog", [], {"out": []}))
    await let_run()
    producer.answers[0].set_result(None)
    producer.answers[1].set_exception(ValueError("too large"))
    with pytest.raises(ValueError, match="too large"):
        await committing
    assert "commit" not in told


async def test_an_error_is_told_by_its_meaning(told: list[str]) -> None:
    producer = Producer(told)
    committing = asyncio.create_task(PartitionWriter(producer).commit("changelog", [], {}))
    await let_run()
    producer.answers[0].set_exception(ConnectionError())
    with pytest.raises(TakenOverError) as raised:
        await committing
    assert isinstance(raised.value.__cause__, ConnectionError)
