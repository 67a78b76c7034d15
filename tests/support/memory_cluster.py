"""The engine's brokers on a log in memory, which can be silent, slow or broken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from streamproc.engine.cluster import (
    NO_HEADERS,
    Copy,
    Errors,
    HeadersByIndex,
    Place,
    Records,
)
from tests.support.memory_log import MemoryConsumer, MemoryLog, Transaction


class MemoryProducer:
    """A transactional producer."""

    def __init__(self, cluster: MemoryCluster, partition: int) -> None:
        self._cluster = cluster
        self._partition = partition
        self._id = f"app-{partition}"
        self._epoch = -1
        self._transaction: Transaction | None = None

    async def start(self) -> None:
        self._cluster.started.append(self._partition)
        await self._cluster.may_start.wait()
        if self._cluster.start_errors:
            raise self._cluster.start_errors.pop(0)
        self._epoch = self._cluster.log.open_producer(self._id)

    async def begin(self) -> None:
        self._transaction = self._cluster.log.begin(self._id, self._epoch)

    async def append(
        self, topic: str, records: Records, headers: HeadersByIndex = NO_HEADERS
    ) -> list[asyncio.Future[Any]]:
        for index, (key, value) in enumerate(records):
            self._cluster.log.append(
                topic,
                self._partition,
                key,
                value,
                0,
                headers.get(index, ()),
                transaction=self._transaction,
            )
        return []

    async def append_copies(
        self, place: Place, copies: Iterable[Copy]
    ) -> list[asyncio.Future[Any]]:
        self._cluster.log.append_copies(place, copies, self._transaction)
        return []

    async def commit(self) -> None:
        await self._cluster.may_commit.wait()
        if self._cluster.commit_errors:
            raise self._cluster.commit_errors.pop(0)
        self._cluster.log.commit(self._id, self._epoch)

    async def close(self) -> None:
        self._cluster.closed.append(self._partition)

    def meaning_of(self, error: BaseException) -> BaseException | None:
        return None


class MemoryCluster:
    """Every call succeeds at once, unless the test says otherwise."""

    transient: Errors = (OSError, TimeoutError)
    forbidden: Errors = (PermissionError,)

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.start_errors: list[BaseException] = []
        self.commit_errors: list[BaseException] = []
        self.started: list[int] = []
        self.closed: list[int] = []

    def producer(self, partition: int) -> MemoryProducer:
        return MemoryProducer(self, partition)

    async def reader(self) -> MemoryConsumer:
        return MemoryConsumer(self.log)

    def advice(self, error: BaseException) -> str:
        return ""
