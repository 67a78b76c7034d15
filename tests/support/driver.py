"""Runs a topology without a broker: bytes in, bytes out; only the test moves time.

The processor, rows, partitions, outboxes and the commit protocol are the engine's own. Only Kafka
is replaced, by :class:`~tests.support.memory_log.MemoryLog`. The engine's work with Faust around
them (deliver chunks, tick, load a partition again after a failure) is done step by step, when the
test calls for it::

    with TopologyDriver(lambda: MyProcessor(...), inputs=["events"]) as driver:
        driver.pipe(b"key", b"value")
        driver.advance_wall_clock(60_000)
        assert [record.value for record in driver.output("alerts")] == [b"..."]
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from streamproc.engine.changelog import is_row
from streamproc.engine.processor import PoisonError
from tests.support.memory_log import Headers, LogRecord
from tests.support.memory_worker import MemoryWorker

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 20
"""After this many failures in a row a commit is abandoned."""


class TopologyDriver(MemoryWorker[T]):
    """One worker that owns every partition, and its log.

    ``new_processor`` creates the application's part at each start; ``now_ms`` is the wall clock.
    Input goes to the partition that Kafka's default partitioner chooses for its key. With the
    ``log`` of another driver, this one is its successor.
    """

    def stop(self) -> None:
        """An orderly end: everything applied is committed."""
        self.commit()
        self.crash()

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
        """The partition that a producer chooses for a key; 0 without a key."""
        numbers = list(range(self.log.partitions))
        return 0 if key is None else self._choose(key, numbers, numbers)

    def pipe(self, key: bytes | None, value: bytes | None, **place: Any) -> LogRecord:
        """Send a record, process it, commit."""
        record = self.send(key, value, **place)
        self.process()
        self.commit()
        return record

    def process(self, records: int | None = None) -> None:
        """Apply input that was not applied yet, at most this many records of each partition."""
        for number in range(self.log.partitions):
            for topic in self.settings.input_topics:
                start = self._fetch[topic, number]
                _, end = self.log.read_from(topic, number, start, records or 1 << 60)
                self._feed(number, {topic: end})

    def rewind(self, number: int, offset: int) -> None:
        """Fetch a partition's input again from an offset, as if only that had been committed."""
        for topic in self.settings.input_topics:
            self._fetch[topic, number] = offset

    # Time.

    def advance_wall_clock(self, by_ms: int, step_ms: int | None = None) -> None:
        """Let time pass, in one leap or in steps, and do the due work; commit after each step.

        A worker that was down, or could not be reached, sees one leap.
        """
        end_ms = self.now_ms + by_ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.now_ms + (step_ms or by_ms))
            if self.partitions:
                while self.tick():
                    self.commit()
                self.commit()

    def tick(self) -> bool:
        """One call of the worker's timer for each partition; returns whether it changed
        anything."""
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
                    failure = error
                    self._repair(number, error)
                else:
                    break
            else:
                raise AssertionError(f"partition {number} cannot be committed") from failure

    def begin_commits(self) -> None:
        """Start commits as the engine does, while processing continues."""

        async def begin() -> None:
            for partition in self.partitions.values():
                partition.commit_if_due(float("inf"))
            await asyncio.sleep(0)

        self._run(begin())

    def hold_commits_at(self, step: str) -> None:
        """Commits wait after this step until :meth:`release_commits`."""
        self._faults.hold_at(step)

    def release_commits(self) -> None:
        """Let the held commits continue, and wait for their end."""
        self._faults.release()

        async def settle() -> None:
            for partition in self.partitions.values():
                await partition.settle()

        self._run(settle())

    def fail_commit_at(self, step: str, error: BaseException, partition: int | None = None) -> None:
        """The next commit (of a partition) fails after a step; after step 6 it is committed
        anyway."""
        self._faults.fail_at(step, error, partition)

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
        """Every row in the changelog."""
        found = {record.key: record.value for record in self.output(self.changelog)}
        return {
            key: value
            for key, value in found.items()
            if key is not None and is_row(key) and value is not None
        }
