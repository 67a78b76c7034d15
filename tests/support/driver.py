"""Runs a topology with no broker: bytes in, bytes out, time moved by the test alone.

The processor, rows, partitions, outboxes and the commit protocol are the engine's own; only Kafka
is replaced, by :class:`~tests.support.memory_log.MemoryLog`. What the lane does with Faust around
them (deliver chunks, tick, load a partition again after a failure) the driver does step by step,
when it is told to::

    with TopologyDriver(lambda: MyProcessor(...), inputs=["events"]) as driver:
        driver.pipe(b"key", b"value")
        driver.advance_wall_clock(60_000)
        assert [record.value for record in driver.output("alerts")] == [b"..."]
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, TypeVar
from unittest import mock

from aiokafka.partitioner import DefaultPartitioner
from faust.types import TP

from streamproc.engine import crashpoints
from streamproc.engine.changelog import PROGRESS_KEY, Progress, read_to_end
from streamproc.engine.delivery import Chunk
from streamproc.engine.partition import Partition, PoisonError, Processor
from streamproc.engine.rows import Rows
from streamproc.engine.settings import LaneSettings
from tests.support.memory_log import Headers, LogRecord, MemoryConsumer, MemoryLog, MemoryWriter

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 20
"""Reloads in a row after which a partition counts as broken for good."""


class SimulatedCrashError(BaseException):
    """The process died here; no code of the worker may catch it."""


class TopologyDriver(Generic[T]):
    """One worker that owns every partition, and the log it works on.

    ``new_processor`` makes the application's part anew for each start, ``now_ms`` is the wall
    clock. Input goes to the partition that Kafka's default partitioner chooses for its key. A
    ``log`` of another driver makes this one its successor.
    """

    def __init__(
        self,
        new_processor: Callable[[], Processor[T]],
        *,
        inputs: Sequence[str] = ("events",),
        partitions: int = 2,
        log: MemoryLog | None = None,
        now_ms: int = 0,
        chunk_records: int = 1000,
        due_per_tick: int = 1000,
    ) -> None:
        self.log = log or MemoryLog(partitions)
        self.now_ms = now_ms
        self.changelog = "changelog"
        self.group_offsets: dict[tuple[str, int], int] = {}
        """Next offset by (topic, partition), as acknowledged after commits."""
        self.repairs: list[tuple[int, BaseException]] = []
        """Partitions that were loaded again, and why."""
        self.partitions: dict[int, Partition[T]] = {}
        self.settings = LaneSettings(
            bootstrap="",
            app_id="driver",
            input_topics=tuple(inputs),
            chunk_records=chunk_records,
            due_per_tick=due_per_tick,
        )
        self._new_processor = new_processor
        self._read: dict[str, int] = {}
        self._fetch: dict[tuple[str, int], int] = {}
        self._failures: list[tuple[int | None, str, BaseException]] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._choose = DefaultPartitioner()
        self._runner = asyncio.Runner()
        self.processor = new_processor()
        self.start()

    def __enter__(self) -> TopologyDriver[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free what the driver holds; nothing is committed."""
        self.crash()
        self._runner.close()

    # The worker's life.

    def start(self) -> None:
        """A new process: everything it knows it reads from the log."""
        self.processor = self._new_processor()
        for number in range(self.log.partitions):
            self._run(self._open(number))

    def stop(self) -> None:
        """A graceful end: what was applied is committed."""
        self.commit()
        self.crash()

    def crash(self) -> None:
        """Whatever is in memory is gone; a transaction under way stays open in the log."""
        self.partitions.clear()
        self._gates.clear()
        self._failures.clear()
        self._run(_cancel_others())

    def restart(self) -> None:
        """Crash, and start again."""
        self.crash()
        self.start()

    @contextlib.contextmanager
    def crash_at(self, stage: str, step: str, count: int = 1) -> Iterator[None]:
        """The worker dies the ``count``-th time that it reaches a step (``engine/crashpoints``).

        It is an error if it does not reach it within the block.
        """

        def strike(_: object) -> None:
            raise SimulatedCrashError(f"{stage}:{step}")

        with mock.patch.object(crashpoints, "_strike", strike):
            crashpoints.arm(crashpoints.CrashPlan(stage, step, count))
            try:
                yield
            except SimulatedCrashError:
                self.crash()
                return
            finally:
                crashpoints.arm(None)
        raise AssertionError(f"{stage}:{step} was not reached")

    # Input.

    def send(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        topic: str | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers = (),
    ) -> LogRecord:
        """Put a record into an input topic (the first one by default); nothing is processed."""
        if partition is None:
            partition = self.partition_of(key)
        return self.log.append(
            topic or self.settings.input_topics[0],
            partition,
            key,
            value,
            self.now_ms if timestamp_ms is None else timestamp_ms,
            headers,
        )

    def partition_of(self, key: bytes | None) -> int:
        """Where a producer puts a key; 0 for none."""
        numbers = list(range(self.log.partitions))
        return 0 if key is None else self._choose(key, numbers, numbers)

    def pipe(self, key: bytes | None, value: bytes | None, **place: Any) -> LogRecord:
        """Send a record, process it, commit."""
        record = self.send(key, value, **place)
        self.process()
        self.commit()
        return record

    def process(self, records: int | None = None) -> None:
        """Apply input that was not applied yet, at most so many records of each partition."""
        for number in range(self.log.partitions):
            for topic in self.settings.input_topics:
                self._process(topic, number, records)

    # Time.

    def advance_wall_clock(self, by_ms: int, step_ms: int | None = None) -> None:
        """Let time pass, in one leap or in steps, and do what falls due; commit after each step.

        One leap is what a worker sees that was down, or could not be reached, all the time.
        """
        end_ms = self.now_ms + by_ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.now_ms + (step_ms or by_ms))
            if self.partitions:
                while self.tick():
                    self.commit()
                self.commit()

    def tick(self) -> bool:
        """One call of the worker's timer for each partition; whether it changed anything."""
        changed = False
        for number in list(self.partitions):
            try:
                self.partitions[number].tick(self.now_ms)
            except PoisonError as error:
                self._set_aside(number, error)
            changed = changed or self.partitions[number].is_dirty
        return changed

    # Commits.

    def commit(self) -> None:
        """Commit everything applied; a partition whose commit fails is loaded and fed again."""
        for number in list(self.partitions):
            for _ in range(PATIENCE):
                try:
                    self._run(self.partitions[number].finish())
                except Exception as error:
                    self.reload(number, error)
                    for topic in self.settings.input_topics:
                        self._process(topic, number, None)
                else:
                    break
            else:
                raise AssertionError(f"partition {number} cannot be committed") from error_of(self)

    def begin_commits(self) -> None:
        """Start commits as the lane does, beside further processing."""

        async def begin() -> None:
            for partition in self.partitions.values():
                partition.commit_if_due(float("inf"))
            await asyncio.sleep(0)

        self._run(begin())

    def hold_commits_at(self, step: str) -> None:
        """Commits wait after this step until :meth:`release_commits`."""
        self._gates[step] = asyncio.Event()

    def release_commits(self) -> None:
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()

        async def settle() -> None:
            for partition in self.partitions.values():
                await partition.settle()

        self._run(settle())

    def fail_commit_at(self, step: str, error: BaseException, partition: int | None = None) -> None:
        """The next commit (of a partition) fails after a step; after 6 it is committed anyway."""
        self._failures.append((partition, step, error))

    def reload(self, number: int, why: BaseException) -> None:
        """Law 4: throw a partition's memory away and load it from the changelog."""
        self.repairs.append((number, why))
        self._run(self.partitions.pop(number).close())
        self._run(self._open(number))

    # Output.

    def output(self, topic: str) -> list[LogRecord]:
        """Everything committed to a topic, by partition and offset."""
        return [
            record
            for number in range(self.log.partitions)
            for record in self.log.read(topic, number)
        ]

    def stored(self) -> dict[bytes, bytes]:
        """Every row in memory, packed, as the next commit would write it."""
        found: dict[bytes, bytes] = {}
        for partition in self.partitions.values():
            rows = partition.rows
            found.update(rows.stored)
            for key, row in rows.live.items():
                if row is None:
                    found.pop(key, None)
                else:
                    due = rows.codec.due_ms(row).to_bytes(8, "big", signed=True)
                    found[key] = due + rows.codec.pack(row)
        return found

    def committed(self) -> dict[bytes, bytes]:
        """Every row as the changelog has it."""
        found = {record.key: record.value for record in self.output(self.changelog)}
        return {
            key: value
            for key, value in found.items()
            if key is not None and key != PROGRESS_KEY and value is not None
        }

    def _process(self, topic: str, number: int, records: int | None) -> None:
        limit = 1 << 60 if records is None else records
        while limit > 0:
            start = self._fetch[topic, number]
            size = min(limit, self.settings.chunk_records)
            found, after = self.log.read_from(topic, number, start, size)
            self._fetch[topic, number] = after
            if not found:
                return
            limit -= len(found)
            chunk = Chunk(TP(topic, number), list(found), 0)

            def ack(topic: str = topic, after: int = chunk.offset + 1) -> None:
                self.group_offsets[topic, number] = after

            try:
                self.partitions[number].apply(chunk, ack)
            except PoisonError as error:
                self._set_aside(number, error)
                limit = 1 << 60

    def _set_aside(self, number: int, error: PoisonError) -> None:
        if len(self.repairs) > PATIENCE:
            raise error
        self.processor.set_aside(error)
        self.reload(number, error)

    async def _open(self, number: int) -> None:
        writer = MemoryWriter(
            self.log, self.settings.app_id, number, lambda: self.now_ms, self._pause
        )
        await writer.open()
        rows: Rows[T] = Rows(self.processor, eager=self.processor.packs_at_once)
        consumer = MemoryConsumer(self.log)
        progress, _ = await read_to_end(consumer, self.changelog, number, 0, rows, Progress())
        rows.rebuild_due()
        self.partitions[number] = Partition(
            number,
            rows,
            progress,
            writer,  # type: ignore[arg-type]
            self.processor,
            self.changelog,
            self.settings,
        )
        for topic in self.settings.input_topics:
            self._fetch[topic, number] = progress.positions.get(topic, 0)

    async def _pause(self, number: int, step: str) -> None:
        gate = self._gates.get(step)
        if gate is not None:
            await gate.wait()
        for failure in self._failures:
            if failure[0] in (None, number) and failure[1] == step:
                self._failures.remove(failure)
                raise failure[2]

    def _run(self, work: Coroutine[Any, Any, R]) -> R:
        return self._runner.run(work)


def error_of(driver: TopologyDriver[Any]) -> BaseException:
    """Why the last partition was loaded again."""
    return driver.repairs[-1][1]


async def _cancel_others() -> None:
    """The process is dead: what it was waiting for never happens."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
