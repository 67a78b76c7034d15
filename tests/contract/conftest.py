"""The worker's app and its consumer, started by nobody, for the tests of hooks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from faust.types import TP

from streamproc.worker.app import create_app
from streamproc.worker.rules import RulesFile
from streamproc.worker.settings import WorkerSettings

INPUT = TP("streamproc.events", 0)
CHANGELOG = TP("streamproc-accounts-changelog", 0)


class Record:
    """What aiokafka's reader yields, as far as a chunk needs it."""

    timestamp = 1_767_571_200_000
    timestamp_type = 0
    key = b"k"
    value = b"v"
    headers = ()

    def __init__(self, offset: int) -> None:
        self.offset = offset


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    options = WorkerSettings(broker="127.0.0.1:1", datadir=tmp_path)
    app = create_app(options, RulesFile(None), partitions=2)
    app.loop = asyncio.get_running_loop()
    return app


@pytest.fixture
async def consumer(app: Any) -> Any:
    """Assigned an input and a changelog partition; what is done to it is noted."""

    async def callback(message: Any) -> None:
        delivered.append(message)

    delivered: list[Any] = []
    consumer = app.transport.create_consumer(
        callback,
        on_partitions_revoked=mock.AsyncMock(),
        on_partitions_assigned=mock.AsyncMock(),
    )
    consumer.delivered = delivered
    consumer.sought = []

    async def seek(tp: Any, offset: int) -> None:
        consumer.sought.append((tp, offset))

    consumer._thread.seek_in_thread = seek
    consumer._thread.assignment = lambda: {INPUT, CHANGELOG}
    consumer._thread.highwater = lambda tp: 0
    app.consumer = consumer
    return consumer
