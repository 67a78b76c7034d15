"""Faust's consumer thread: reads committed input by the batch, and seeks in step with fetches."""

from __future__ import annotations

from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamproc.engine.advice import FORBIDDEN
from streamproc.engine.lean import by_batch
from streamproc.engine.settings import FAUST_LOGGER

FETCH_MAX_WAIT_MS = 100


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, reading committed input only."""

    logger = FAUST_LOGGER

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # A billing system may write its events in transactions; what it aborts must not count.
        # Faust reads so only under its own exactly_once, which is not used here.
        consumer._isolation_level = "read_committed"
        consumer._key_deserializer = by_batch
        # Faust waits 1.5 s. A real broker answers as soon as there is a record, but the embedded
        # one lets the whole time pass first.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # aiokafka beats once this has returned. Partitions are opened in it: states that take
        # longer to load than a session lasts would cost the membership, and that again and again.
        self._ensure_consumer()._coordinator._start_heartbeat_task()
        await super().on_partitions_assigned(assigned, generation_id)

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
        state = self._state(tp)
        if state is None:
            return False
        end = state.highwater if state.lso is None else state.lso
        return bool(state.has_valid_position and end is not None and state.position >= end)

    def refusal(self) -> BaseException | None:
        """What the broker does not allow the group member, if anything."""
        coordinator = self._consumer and self._consumer._coordinator
        error: BaseException | None = coordinator and coordinator._pending_exception
        return error if isinstance(error, FORBIDDEN) else None
