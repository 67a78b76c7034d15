"""A worker on a log in memory: the engine's own partitions, loaded and fed step by step.

The engine's work with Faust around them (deliver chunks, load a partition again after a failure) is
done when the test calls for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

from aiokafka.partitioner import DefaultPartitioner
from faust.types import TP

from streamproc.engine import crashpoints
from streamproc.engine.changelog import Progress, read_to_end
from streamproc.engine.chunk import Chunk
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.processor import PoisonError, Processor
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings
from tests.support.commit_faults import CommitFaults, SimulatedCrashError, crashing_at
from tests.support.memory_log import LogRecord, MemoryConsumer, MemoryLog, MemoryWriter
from tests.support.record_batches import as_walked

T = TypeVar("T")
R = TypeVar("R")


class MemoryWorker(Generic[T]):
    """Owns every partition of a log. The arguments are those of the driver."""

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
        max_outbox_records: int = EngineSettings.max_outbox_records,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.log = log or MemoryLog(partitions)
        self.now_ms = now_ms
        self.changelog = "changelog"
        self.group_offsets: dict[tuple[str, int], int] = {}
        """Next offset by (topic, partition), as acknowledged after commits."""
        self.repairs: list[tuple[int, BaseException]] = []
        """Partitions that were loaded again, with the reasons."""
        self.partitions: dict[int, OpenPartition[T]] = {}
        self.settings = EngineSettings(
            broker="",
            app_id="driver",
            input_topics=tuple(inputs),
            chunk_records=chunk_records,
            due_per_tick=due_per_tick,
            max_outbox_records=max_outbox_records,
        )
        self._new_processor = new_processor
        self._observer = observer
        self._read: dict[str, int] = {}
        self._fetch: dict[tuple[str, int], int] = {}
        self._aside: set[tuple[object, object]] = set()
        self._faults = CommitFaults()
        self._choose = DefaultPartitioner()
        self._runner = asyncio.Runner()
        self.processor = new_processor()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the driver's resources; nothing is committed."""
        self.crash()
        self._runner.close()

    # The worker's life.

    def start(self) -> None:
        """A new process: it reads everything it knows from the log."""
        self.processor = self._new_processor()
        self._aside.clear()
        for number in range(self.log.partitions):
            self._run(self._open(number))

    def crash(self) -> None:
        """The memory is gone. A transaction in progress stays open in the log."""
        self.partitions.clear()
        self._faults.clear()
        self._run(_cancel_others())

    def restart(self) -> None:
        """Crash, and start again."""
        self.crash()
        self.start()

    @contextlib.contextmanager
    def crash_at(self, stage: str, step: str, count: int = 1) -> Iterator[None]:
        """The worker dies when it reaches a step the ``count``-th time (``engine/crashpoints``).

        It is an error if it does not reach it within the block.
        """

        try:
            with crashing_at(stage, step, count):
                yield
        except SimulatedCrashError:
            self.crash()
        else:
            raise AssertionError(f"{stage}:{step} was not reached")

    def reload(self, number: int) -> None:
        """Law 4: discard a partition's memory and load it from the changelog."""
        self._run(self.partitions.pop(number).close())
        self._run(self._open(number))

    def _feed(self, number: int, until: dict[str, int]) -> None:
        """Apply a partition's input up to these offsets, chunk by chunk."""
        for topic, end in until.items():
            while (start := self._fetch[topic, number]) < end:
                found, after = self.log.read_from(topic, number, start, self.settings.chunk_records)
                records = [record for record in found if record.offset < end]
                self._fetch[topic, number] = min(after, end)
                if not records:
                    continue
                chunk = Chunk(TP(topic, number), self._delivered(records), 0)
                ack = self._acknowledger(chunk)
                try:
                    while self.partitions[number].apply(chunk, ack):
                        self._run(self.partitions[number].make_room())
                except PoisonError as error:
                    self._set_aside(number, error)

    def _delivered(self, records: list[LogRecord]) -> Sequence[Any]:
        """Records as a worker's consumer delivers them."""
        is_native = getattr(self.processor, "is_native", False)
        return as_walked(records) if is_native else records

    def _acknowledger(self, chunk: Chunk) -> Callable[[], None]:
        calls = iter([True])

        def ack() -> None:
            assert next(calls, False), "a chunk was acknowledged twice"
            self.group_offsets[chunk.topic, chunk.partition] = chunk.offset + 1

        return ack

    def _set_aside(self, number: int, error: PoisonError) -> None:
        if (error.record, error.key) in self._aside:
            raise error  # it was skipped, but it failed again
        self._aside.add((error.record, error.key))
        self.processor.set_aside(error)
        self._repair(number, error)

    def _repair(self, number: int, why: BaseException) -> None:
        """Load a partition again, and apply again what was in memory."""
        self.repairs.append((number, why))
        reached = {topic: self._fetch[topic, number] for topic in self.settings.input_topics}
        self.reload(number)
        self._feed(number, reached)

    async def _open(self, number: int) -> None:
        writer = MemoryWriter(
            self.log, self.settings.app_id, number, lambda: self.now_ms, self._faults.pause
        )
        await writer.open()
        crashpoints.reached("open", "a")
        rows: Rows[T] = self.processor.new_rows()
        consumer = MemoryConsumer(self.log)
        progress, _ = await read_to_end(consumer, self.changelog, number, 0, rows, Progress())
        crashpoints.reached("open", "b")
        rows.loaded()
        crashpoints.reached("open", "c")
        self.partitions[number] = OpenPartition(
            number,
            rows,
            progress,
            writer,  # type: ignore[arg-type]
            self.processor,
            self.changelog,
            self.settings,
            observer=self._observer,
            opened_ms=self.now_ms,
        )
        for topic in self.settings.input_topics:
            self._fetch[topic, number] = self.partitions[number].start_offset(topic) or 0

    def _run(self, work: Coroutine[Any, Any, R]) -> R:
        return self._runner.run(work)


async def _cancel_others() -> None:
    """The process is dead: the events that it waited for never come."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
