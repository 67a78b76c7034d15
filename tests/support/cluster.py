"""Real workers as processes, and what a consumer of their topics reads."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.partitioner import DefaultPartitioner

from streamproc.contracts.topics import WorkerTopics
from tests.support.signals import stop_in_order

Record = tuple[bytes | None, bytes | None, int]
"""Key, value, timestamp in ms."""

PARTITIONS = 4
_BATCH_BYTES = 400_000


class Names:
    """Topic names of one test, so that tests share a broker."""

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self.events = f"{app_id}.events"
        self.commands = f"{app_id}.commands"
        outputs = WorkerTopics.under(f"{app_id}.")
        self.reminders, self.audit, self.rejects = outputs.reminders, outputs.audit, outputs.rejects
        self.changelog = f"{app_id}-accounts-changelog"

    @property
    def worker(self) -> WorkerTopics:
        """The topics of a worker."""
        return WorkerTopics.under(f"{self.app_id}.", inputs=(self.events,))


# Workers whose clock a test has set write old times: with a limit, retention would delete them.
KEPT = [
    word
    for role, topic in WorkerTopics.declared().items()
    if topic.retention.days is not None
    for word in ("--retention", f"{role.replace('_', '-')}=forever")
]


class WorkerProcess:
    """``streamproc worker`` in a process of its own."""

    def __init__(
        self, bootstrap: str, names: Names, directory: Path, name: str, *options: str
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.command = [
            *(sys.executable, "-m", "streamproc", "worker", "--broker", bootstrap),
            *("--app-id", names.app_id, *names.worker.arguments()),
            *("--create-topics", *KEPT, "--datadir", str(directory / f"{name}-data")),
            *("--clock", "event", "--session-timeout-seconds", "6"),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self.process is not None
        return self.process

    def start(self, **environment: str) -> WorkerProcess:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=os.environ | environment
            )
        return self

    def kill(self) -> None:
        """SIGKILL: the worker cannot finish anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_seconds: float = 90) -> int:
        """Ask to end; returns the exit code."""
        assert self.process is not None
        stop_in_order(self.process)
        return self.process.wait(timeout_seconds)

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


async def create_topic(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def produce(
    bootstrap: str, topic: str, records: Iterable[Record], compression: str | None = "lz4"
) -> list[tuple[int, int, Record]]:
    """Write records in order; returns (partition, offset, record) of each, in order."""
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=compression,
        acks="all",
        enable_idempotence=True,
        max_batch_size=900_000,
        max_request_size=4_000_000,
    )
    await producer.start()
    partitions = list(range(PARTITIONS))
    choose = DefaultPartitioner()
    placed: list[tuple[int, int, Record]] = []
    batches: dict[int, Any] = {}
    next_offset = dict.fromkeys(partitions, 0)
    sent: list[Any] = []

    async def send(partition: int) -> None:
        batch = batches.pop(partition, None)
        if batch is not None and batch.record_count():
            sent.append(await producer.send_batch(batch, topic, partition=partition))

    try:
        for record in records:
            key, value, timestamp_ms = record
            # A record without a key goes to a partition by its length, so that runs
            # can be repeated.
            place = len(value or b"") % PARTITIONS
            partition = place if key is None else choose(key, partitions, partitions)
            batch = batches.get(partition)
            if batch is not None and batch.size() > _BATCH_BYTES:
                await send(partition)
                batch = None
            if batch is None:
                batch = batches[partition] = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=timestamp_ms) is None:
                await send(partition)
                batch = batches[partition] = producer.create_batch()
                assert batch.append(key=key, value=value, timestamp=timestamp_ms) is not None
            placed.append((partition, next_offset[partition], record))
            next_offset[partition] += 1
        for partition in partitions:
            await send(partition)
        for future in sent:
            await future
    finally:
        await producer.stop()
    return placed


async def produce_to_partitions(
    bootstrap: str, topic: str, records: Iterable[tuple[int, Record]]
) -> None:
    """Write each record to the partition named."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for partition, (key, value, timestamp_ms) in records:
            await producer.send_and_wait(
                topic, key=key, value=value, partition=partition, timestamp_ms=timestamp_ms
            )
    finally:
        await producer.stop()


async def wait_until_consumed(
    bootstrap: str,
    names: Names,
    workers: Sequence[WorkerProcess] = (),
    timeout_seconds: float = 120,
) -> None:
    """Wait until the group's committed offsets reach the end of the input."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await admin.start()
    await consumer.start()
    try:
        tps = [TopicPartition(names.events, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(tps)
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                found = await admin.list_consumer_group_offsets(names.app_id)
            except GroupCoordinatorNotAvailableError:
                found = {}  # a broker without any group must first create its coordinator
            at = {tp: found[tp].offset if tp in found else 0 for tp in tps}
            if all(at[tp] >= ends[tp] for tp in tps):
                return
            dead = [worker for worker in workers if not worker.is_alive]
            if dead or time.monotonic() > deadline:
                why = f"{dead[0].name} ended" if dead else f"not within {timeout_seconds} s"
                logs = "\n".join(worker.tail() for worker in workers)
                raise AssertionError(f"input not consumed: {why}: {at} of {ends}\n{logs}")
            await asyncio.sleep(0.2)  # and asks again
    finally:
        await consumer.stop()
        await admin.close()


async def grown(bootstrap: str, topic: str, by: int, timeout_seconds: float = 60) -> int:
    """Wait until a topic has grown by this many offsets, committed or not; returns its size.

    The topic must exist.
    """
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        deadline = time.monotonic() + timeout_seconds
        before: int | None = None
        while True:
            now: int = sum((await consumer.end_offsets(tps)).values())
            before = now if before is None else before
            if now >= before + by:
                return now
            assert time.monotonic() < deadline, f"{topic} grew from {before} to {now} only"
            await asyncio.sleep(0.02)  # and asks again
    finally:
        await consumer.stop()
