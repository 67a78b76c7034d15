"""A reader that stands still without an error ends the reading, so that another one can be made."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from kafka.errors import KafkaTimeoutError

from streamproc.dispatch import partition_journal
from streamproc.dispatch.partition_journal import PartitionJournal
from streamproc.dispatch.settings import DispatchSettings
from streamproc.engine import changelog
from streamproc.engine.changelog import Progress, read_to_end
from streamproc.engine.cluster import Place
from streamproc.kafka import reading_on
from tests.support.memory_log import MemoryConsumer, MemoryLog

SECONDS = 0.05


class Stopped(MemoryConsumer):
    """Its fetcher stops after two polls, and nothing says so."""

    polls = 0

    async def getmany(self, timeout_ms: int = 0) -> dict[Place, list[Any]]:
        self.polls += 1
        if self.polls > 2:
            await asyncio.sleep(0.001)  # as the poll of a real one
            return {}
        return await super().getmany(timeout_ms)


async def test_the_opening_of_a_partition_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changelog, "STANDSTILL_SECONDS", SECONDS)
    log = MemoryLog(1)
    for number in range(5):
        log.append("changelog", 0, b"k%d" % number, b"v", number)
    with pytest.raises(TimeoutError, match="reading changelog-0 has stopped at offset 2 of 5"):
        await read_to_end(Stopped(log, 1), "changelog", 0, 0, mock.Mock(), Progress())


def test_the_reading_of_a_journal_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_on, "STANDSTILL_SECONDS", SECONDS)
    reader = mock.Mock(
        end_offsets=lambda places: dict.fromkeys(places, 9),
        position=lambda _: 4,
        poll=lambda **_: {},
    )
    monkeypatch.setattr(partition_journal, "kafka_consumer", lambda *_, **__: reader)
    with pytest.raises(KafkaTimeoutError, match="has stopped at offset 4 of 9"):
        PartitionJournal(DispatchSettings(mock.Mock()), ("urgent",), 0).load()
    reader.close.assert_called_once()
