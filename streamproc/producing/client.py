"""The billing systems' producer."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamproc.contracts.numbers import Numbering
from streamproc.contracts.topics import EVENTS
from streamproc.core.state.events import SubscriberEvent
from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.fixed_partitions import FixedPartitions
from streamproc.kafka.open_producer import open_producer
from streamproc.kafka.outstanding import OutstandingRecords, send_now
from streamproc.kafka.packed import force_close
from streamproc.kafka.settings import Broker
from streamproc.kafka.topic_watch import watch
from streamproc.producing.event_results import (
    Delivery,
    DeliveryFailedError,
    NotAcceptedError,
    Placed,
)
from streamproc.producing.events import ANY_NUMBERS, checked, with_keys
from streamproc.producing.forwarder import Forwarder
from streamproc.producing.spool import Spool

RECORD_OVERHEAD_BYTES = 200
"""Memory of a waiting record besides its key and value."""
FORCED_SECONDS = 10.0
"""How long close waits for the results of events that it abandoned."""

DEFAULTS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 20,
    "batch_size": 131_072,
    "metrics_enabled": False,
}


class UsageProducer:
    """Sends events of billing systems to Kafka. Any number of threads can use it.

    Each event is checked as the worker will check it. Its key is the subscriber, and its partition
    the one that Java clients choose, so the events of a subscriber keep their order. Writing is
    idempotent (retries do not duplicate), acknowledged by all in-sync replicas, and compressed.

    Without a spool, events wait in memory, at most ``max_unsent_bytes``. If that is full,
    :meth:`send` blocks, and raises NotAcceptedError after ``block_seconds``. An event that cannot
    be delivered within ``delivery_seconds`` fails: its :class:`Delivery` reports it, ``on_failure``
    is called with it, and :meth:`flush` and the end of the context raise DeliveryFailedError with
    all failed events. No event is lost silently.

    With ``spool``, a directory, each event is first written there. A background thread sends the
    events to Kafka in their order. So a broker may be away until ``spool_bytes`` are used up, also
    while the producer starts, and the process may be killed. After a crash, events whose
    acknowledgement was not noted are sent again, in order; the worker recognises them by their ids.

    A broker that does not answer is logged within ten seconds, then each minute, and once more when
    it is back.
    """

    def __init__(
        self,
        bootstrap: Broker,
        topic: str = EVENTS.default,
        *,
        compression: str | None = "zstd",
        max_unsent_bytes: int = 32 << 20,
        block_seconds: float = 60.0,
        delivery_seconds: float = 120.0,
        spool: Path | None = None,
        spool_bytes: int = 1 << 30,
        sync_seconds: float = 0.2,
        on_failure: Callable[[Delivery], None] | None = None,
        numbering: Numbering = ANY_NUMBERS,
        **settings: Any,
    ) -> None:
        """``bootstrap`` is an address, or settings with TLS and login (``kafka_settings``).
        ``settings`` are passed to kafka-python's ``KafkaProducer``.

        Phone numbers of events are converted to the form of keys. ``numbering`` names the region of
        numbers without country code, or says that subscribers are ids.

        Raises TopicError if no broker answers (without spool), SpoolBusyError, SpoolDamagedError.
        """
        self.topic = topic
        self._max_unsent_bytes = max_unsent_bytes
        self._block_seconds = block_seconds
        self._on_failure = on_failure
        self._numbering = numbering
        self._unsent_bytes = 0
        self._failed: list[tuple[SubscriberEvent, BaseException]] = []
        self._outstanding = OutstandingRecords()
        self._changed = self._outstanding.changed
        config = {
            **DEFAULTS,
            "compression_type": compression,
            "delivery_timeout_ms": int(delivery_seconds * 1000),
            "request_timeout_ms": int(min(delivery_seconds / 2, 30) * 1000),
            **settings,
        }
        self._forwarder: Forwarder | None = None
        if spool is not None:
            held = Spool(spool, spool_bytes, sync_seconds)
            config.setdefault("bootstrap_timeout_ms", 5_000)
            config.setdefault("max_block_ms", 5_000)
            self._forwarder = Forwarder(held, topic, partial(kafka_producer, bootstrap, **config))
        self._end_watch = watch(bootstrap)
        weakref.finalize(self, self._end_watch)  # also if nobody closes it
        if spool is not None:
            return
        try:
            self._kafka = open_producer(topic, bootstrap, **config)
            self._partitions = FixedPartitions(self._kafka, topic)
        except BaseException:
            self._end_watch()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an exception the events are still sent, because they were accepted.
        try:
            self.close()
        except DeliveryFailedError as failed:
            if error is None:
                raise
            error.add_note(str(failed))

    @property
    def waiting(self) -> int:
        """How many accepted events are not in Kafka yet."""
        return self._outstanding.count if self._forwarder is None else self._forwarder.spool.waiting

    def send(self, event: SubscriberEvent, timestamp_ms: int | None = None) -> Delivery:
        """Accept an event; ``timestamp_ms`` is when it was handed over (default: now).

        Raises InvalidEventError, NotAcceptedError (SpoolFullError with a spool), and
        PartitionsChangedError once partitions were added to the topic: nothing more is sent then.
        """
        event = with_keys(event, self._numbering)
        key, value = checked(event, self._numbering.kind)
        at_ms = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        delivery = Delivery(event)
        if self._forwarder is not None:
            self._forwarder.take(delivery, at_ms, key, value, self._block_seconds)
            return delivery
        size = len(key) + len(value) + RECORD_OVERHEAD_BYTES
        with self._changed:
            if not self._changed.wait_for(lambda: self._fits(size), self._block_seconds):
                raise NotAcceptedError(event, self._block_seconds)
            # Counted before ``send``, because its callbacks can run before it returns.
            self._unsent_bytes += size
            taken = self._outstanding.take()
        try:
            self._partitions.check(self._kafka)
            future = self._kafka.send(self.topic, value, key, timestamp_ms=at_ms)
        except BaseException:
            self._free(size)
            self._outstanding.settle(taken)
            raise
        future.add_callback(self._delivered, delivery, size, taken)
        future.add_errback(self._not_delivered, delivery, size, taken)
        return delivery

    def flush(self, timeout_seconds: float = 120.0) -> None:
        """Return when all events accepted so far are in Kafka.

        Raises DeliveryFailedError with all events that failed since the last call, and TimeoutError
        if some are still waiting.
        """
        if self._forwarder is not None:
            self._forwarder.flush(timeout_seconds)
            return
        left = self._await_taken(timeout_seconds)
        self._raise_failures()
        if left:
            raise TimeoutError(f"{left} events still wait after {timeout_seconds:g} s")

    def close(self, timeout_seconds: float | None = None) -> None:
        """Flush (120 s at most) and disconnect. Raises DeliveryFailedError with all events that
        failed since the last flush. An event that still waits then is abandoned and is one of them.

        With a spool, events that are not in Kafka after 5 s stay in the spool for its
        next producer.
        """
        try:
            self._close(timeout_seconds)
        finally:
            self._end_watch()

    def _close(self, timeout_seconds: float | None) -> None:
        if self._forwarder is not None:
            self._forwarder.close(5.0 if timeout_seconds is None else timeout_seconds)
            return
        try:
            self._await_taken(120.0 if timeout_seconds is None else timeout_seconds)
        finally:
            # Waiting any longer would exceed the time of the caller. A forced close makes all
            # other records fail.
            if self._outstanding.count:
                force_close(self._kafka)
            else:
                self._kafka.close()
        left = self._outstanding.wait(self._outstanding.end_round(), FORCED_SECONDS)
        self._raise_failures(left)
        if left:
            raise TimeoutError(f"the result of {left} events is unknown; send them again")

    def _fits(self, size: int) -> bool:
        # A single event that is larger than the limit is accepted if nothing else waits.
        return not self._unsent_bytes or self._unsent_bytes + size <= self._max_unsent_bytes

    def _await_taken(self, timeout_seconds: float) -> int:
        """Wait for all events accepted so far; returns how many still wait."""
        deadline = time.monotonic() + timeout_seconds
        last_round = self._outstanding.end_round()
        send_now(self._kafka, timeout_seconds)
        return self._outstanding.wait(last_round, max(deadline - time.monotonic(), 0.0))

    def _free(self, size: int) -> None:
        with self._changed:
            self._unsent_bytes -= size
            self._changed.notify_all()

    def _delivered(self, delivery: Delivery, size: int, taken: int, metadata: Any) -> None:
        delivery.succeed(Placed(metadata.topic, metadata.partition, metadata.offset))
        self._free(size)
        self._outstanding.settle(taken)

    def _not_delivered(
        self, delivery: Delivery, size: int, taken: int, error: BaseException
    ) -> None:
        delivery.fail(error)
        with self._changed:
            self._failed.append((delivery.event, error))
        self._free(size)
        try:
            if self._on_failure is not None:
                self._on_failure(delivery)
        finally:
            # This is the last step: flush and close return only after on_failure was called for
            # every failure.
            self._outstanding.settle(taken)

    def _raise_failures(self, unknown: int = 0) -> None:
        with self._changed:
            failed, self._failed = self._failed, []
        if failed:
            error = DeliveryFailedError(failed)
            if unknown:
                error.add_note(f"nothing is known of {unknown} more events; send them again")
            raise error
