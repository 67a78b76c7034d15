"""Faust's consumer thread: reads committed input in batches, and never seeks during a fetch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamproc.engine.faust.advice import FORBIDDEN, NO_MEMBER
from streamproc.engine.faust.group_watch import GroupWatch
from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.faust.whole_batches import ByBatch
from streamproc.supervision import start_task

Range = tuple[Any, int, int]
"""A topic partition and some of its offsets (first, next)."""

FETCH_MAX_WAIT_MS = 100
CRASH_CHECK_SECONDS = 0.2
CRASH_PATIENCE_SECONDS = 2.0


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which reads committed input only."""

    logger = FAUST_LOGGER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Filled in this thread, emptied in the main thread.
        self.passed: deque[Range] = deque()
        """Ranges at the end of fetches that have no record to deliver."""
        self.missing: deque[Range] = deque()
        """Offsets that are missing in the log."""
        self.mark = ByBatch(
            lambda *passed: self.passed.append(passed),
            lambda *missing: self.missing.append(missing),
            self.app.engine.settings.max_value_bytes,
            self.app.engine.walker,
        )
        self._group: GroupWatch | None = None
        self._unheard: BaseException | None = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # A billing system can write its events in transactions. Events of aborted transactions must
        # not count. Faust reads this way only with its own exactly_once, which is not used here.
        consumer._isolation_level = "read_committed"
        consumer._key_deserializer = self.mark
        # Faust waits 1.5 s. A real broker answers as soon as there is a record, but the embedded
        # broker always waits the whole time.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        # Nothing is subscribed yet, so this sees the first attempt to join, too.
        self._group = GroupWatch(self._ensure_consumer()._coordinator)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # aiokafka starts its heartbeats after this method returns, but partitions are opened in it.
        # If loading took longer than a session, the worker would lose its membership each time.
        self._ensure_consumer()._coordinator._start_heartbeat_task()
        await self._unless_crashed(super().on_partitions_assigned(assigned, generation_id))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self._unless_crashed(super().on_partitions_revoked(revoked))

    async def _unless_crashed(self, rebalance: Coroutine[Any, Any, None]) -> None:
        """Wait for the main thread's part of a rebalance, unless the worker has crashed.

        A crashed worker takes nothing from its queue any more, but aiokafka waits for the
        answer before it ends. Without an answer the member would stay in the group and hold
        its partitions.
        """
        answer = start_task(rebalance, "rebalance")
        while not answer.done() and not self.consumer._method_queue.crashed:
            await asyncio.wait({answer}, timeout=CRASH_CHECK_SECONDS)
        # The code that caused the crash still gets time to end.
        await asyncio.wait({answer}, timeout=CRASH_PATIENCE_SECONDS)
        if answer.done():
            answer.result()
        else:
            answer.cancel()

    def verify_event_path(self, now: float, tp: TP) -> None:
        # Faust's watchdog assumes that a position exists. A deleted topic has none: the worker
        # would end with an assertion that does not name the reason.
        if self.next_fetch_offset(tp) is not None:
            super().verify_event_path(now, tp)

    def _stopped_set(self) -> None:
        # After a crash the thread has ended before anyone stops it.
        if self.thread_loop.is_closed():
            self._stopped.set()
        else:
            super()._stopped_set()

    async def seek_in_thread(self, tp: TP, offset: int) -> None:
        """Seek only between fetches.

        Faust's own ``seek`` changes the client from another thread. A fetch that is
        delivered at that moment then sets the position behind its records, and the records
        in between are skipped.
        """
        consumer = self._ensure_consumer()

        async def seek() -> None:
            consumer.seek(tp, offset)

        await self.call_thread(seek)

    def next_fetch_offset(self, tp: TP) -> int | None:
        """The offset at which the client continues; None if the client has none (any more)."""
        state = self._state(tp)
        return state.position if state is not None and state.has_valid_position else None

    def _state(self, tp: TP) -> Any:
        subscription = self._consumer and self._consumer._subscription.subscription
        assignment = subscription and subscription.assignment
        return assignment.state_value(tp) if assignment and tp in assignment.tps else None

    async def heartbeat(self) -> bool:
        """Ask the group coordinator now whether this worker is a member of the present
        generation."""
        consumer = self._consumer
        if consumer is None:
            return False
        beat: bool = await self.call_thread(consumer._coordinator._do_heartbeat)
        return beat

    def is_read_out(self, tp: TP) -> bool:
        """Whether all records that the last answer offered have been delivered."""
        state, end = self._state(tp), self.end_offset(tp)
        if state is None or end is None:
            return False
        return bool(state.has_valid_position and state.position >= end)

    def end_offset(self, tp: TP) -> int | None:
        """The offset after the last readable record, by the last answer of the broker."""
        state = self._state(tp)
        if state is None:
            return None
        end: int | None = state.highwater if state.lso is None else state.lso
        return end

    def ends(self, tp: TP) -> tuple[int, int] | None:
        """The offset after the last readable record and after the last one, by the last answer of
        the broker."""
        state = self._state(tp)
        if state is None or state.lso is None or state.highwater is None:
            return None
        return state.lso, state.highwater

    def refusal(self) -> BaseException | None:
        """Why this member cannot be one, if it cannot: after that, aiokafka tries no more until
        somebody who fetches has heard of it. To be asked again and again."""
        seen: BaseException | None = self._group.error if self._group is not None else None
        if seen is not None:
            return seen
        coordinator = self._consumer and self._consumer._coordinator
        error: BaseException | None = coordinator and coordinator._pending_exception
        before, self._unheard = self._unheard, error
        # A worker with input hears of any other error. One that waits for its group never does.
        is_final = isinstance(error, (*FORBIDDEN, *NO_MEMBER)) or before is error
        return error if is_final else None
