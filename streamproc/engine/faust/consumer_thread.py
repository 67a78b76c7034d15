"""Faust's consumer thread: reads committed input by the batch, and seeks in step with fetches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamproc.engine.faust.advice import FORBIDDEN
from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.faust.whole_batches import ByBatch

Range = tuple[Any, int, int]
"""A topic partition and some of its offsets (first, next)."""

FETCH_MAX_WAIT_MS = 100
CRASH_CHECK_SECONDS = 0.2
CRASH_PATIENCE_SECONDS = 2.0


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, reading committed input only."""

    logger = FAUST_LOGGER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Filled in this thread, emptied in the main one.
        self.passed: deque[Range] = deque()
        """Where fetches ended with offsets that have no record to deliver."""
        self.missing: deque[Range] = deque()
        """Offsets that the log leaves out."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # A billing system may write its events in transactions; what it aborts must not count.
        # Faust reads so only under its own exactly_once, which is not used here.
        consumer._isolation_level = "read_committed"
        consumer._key_deserializer = ByBatch(
            lambda *passed: self.passed.append(passed),
            lambda *missing: self.missing.append(missing),
        )
        # Faust waits 1.5 s. A real broker answers as soon as there is a record, but the embedded
        # one lets the whole time pass first.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # aiokafka starts its heartbeats when this has returned, and partitions are opened in it. If
        # loading took longer than a session, the worker would lose its membership each time.
        self._ensure_consumer()._coordinator._start_heartbeat_task()
        await self._unless_crashed(super().on_partitions_assigned(assigned, generation_id))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self._unless_crashed(super().on_partitions_revoked(revoked))

    async def _unless_crashed(self, rebalance: Coroutine[Any, Any, None]) -> None:
        """Wait for the main thread's part of a rebalance, unless the worker has crashed.

        A worker that has crashed takes nothing from its queue any more, but aiokafka's ending waits
        for the answer: without one the member would stay in the group and hold its partitions.
        """
        answer = asyncio.ensure_future(rebalance)
        while not answer.done() and not self.consumer._method_queue.crashed:
            await asyncio.wait({answer}, timeout=CRASH_CHECK_SECONDS)
        # What the crash has come out of still ends by itself.
        await asyncio.wait({answer}, timeout=CRASH_PATIENCE_SECONDS)
        if answer.done():
            answer.result()
        else:
            answer.cancel()

    def verify_event_path(self, now: float, tp: TP) -> None:
        # Faust's watchdog takes for granted that there is a position. A topic that has been deleted
        # has none: the worker would end by an assertion that says nothing of it.
        if self.next_fetch_offset(tp) is not None:
            super().verify_event_path(now, tp)

    def _stopped_set(self) -> None:
        # After a crash the thread has ended before it is told to.
        if self.thread_loop.is_closed():
            self._stopped.set()
        else:
            super()._stopped_set()

    async def seek_in_thread(self, tp: TP, offset: int) -> None:
        """Seek in step with the fetches.

        Faust's own ``seek`` reaches into the client from another thread: a fetch that is being
        handed on at that moment then sets the position behind its records, and what lies between
        is skipped.
        """
        consumer = self._ensure_consumer()

        async def seek() -> None:
            consumer.seek(tp, offset)

        await self.call_thread(seek)

    def next_fetch_offset(self, tp: TP) -> int | None:
        """Where the client goes on, None if it does not know (any more)."""
        state = self._state(tp)
        return state.position if state is not None and state.has_valid_position else None

    def _state(self, tp: TP) -> Any:
        subscription = self._consumer and self._consumer._subscription.subscription
        assignment = subscription and subscription.assignment
        return assignment.state_value(tp) if assignment and tp in assignment.tps else None

    async def heartbeat(self) -> bool:
        """Ask the group coordinator now whether this worker is a member of the generation."""
        consumer = self._consumer
        if consumer is None:
            return False
        beat: bool = await self.call_thread(consumer._coordinator._do_heartbeat)
        return beat

    def is_read_out(self, tp: TP) -> bool:
        """Whether all that the last answer said was readable has been handed on."""
        state, end = self._state(tp), self.end_offset(tp)
        if state is None or end is None:
            return False
        return bool(state.has_valid_position and state.position >= end)

    def end_offset(self, tp: TP) -> int | None:
        """The offset after the last readable record, as the last answer said it."""
        state = self._state(tp)
        if state is None:
            return None
        end: int | None = state.highwater if state.lso is None else state.lso
        return end

    def refusal(self) -> BaseException | None:
        """What the broker does not allow the group member, if anything."""
        coordinator = self._consumer and self._consumer._coordinator
        error: BaseException | None = coordinator and coordinator._pending_exception
        return error if isinstance(error, FORBIDDEN) else None
