"""A producer for many records at once: this module builds batches, kafka-python sends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import TopicPartition

from streamproc.kafka.any_headers import HeaderName
from streamproc.kafka.errors import BackpressureError, DeliveryError
from streamproc.kafka.flushed import Flushed
from streamproc.kafka.open_producer import open_producer
from streamproc.kafka.packed import (
    CODECS,
    Headers,
    PackedRecords,
    close_within,
    force_close,
    hand_over,
)
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import BATCH_BYTES
from streamproc.partitioner import partition_of

MAX_UNSENT_BYTES = 64 << 20
REMEMBERED_KEYS = 1_000_000
_NO_HEADERS: Headers = []


class BulkProducer(Flushed):
    """Writes records to one topic, idempotent and in order per partition. For one thread.

    Each partition collects records in a batch, which is sent when it is full or on :meth:`release`.
    At most ``max_unsent_bytes`` wait for the broker. Beyond that :meth:`append` blocks, and raises
    :class:`BackpressureError` after ``block_seconds``. After the first batch that cannot be
    written, every call raises :class:`DeliveryError`: no record is lost silently. The end of the
    context waits for everything; after an exception it abandons what is not written.
    """

    def __init__(
        self,
        bootstrap: Broker,
        topic: str,
        *,
        partitions: int,
        compression: str = "zstd",
        batch_bytes: int = BATCH_BYTES,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
        block_seconds: float = 60.0,
        transactional_id: str | None = None,
        before_sending: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> None:
        """``settings`` are passed to kafka-python's ``KafkaProducer``; ``before_sending`` is called
        before each batch is sent."""
        self.topic = topic
        self.partitions = partitions
        self.appended = 0
        """Records accepted so far."""
        self._codec = CODECS[compression]
        self._batch_bytes = batch_bytes
        self._max_unsent_bytes = max_unsent_bytes
        self._block_seconds = block_seconds
        self._before_sending = before_sending
        self._transactional = transactional_id is not None
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._open: list[PackedRecords | None] = [None] * partitions
        self._counts = [0] * partitions
        self._unsent_bytes = 0
        self._failure: BaseException | None = None
        self._settled = threading.Condition()
        self._partition_of: dict[bytes, int] = {}
        defaults = {
            "acks": "all",
            "enable_idempotence": True,
            "transactional_id": transactional_id,
            "max_request_size": 8 << 20,
            "metrics_enabled": False,
        }
        self.kafka = open_producer(topic, bootstrap, **{**defaults, **settings})

    def partition_for(self, key: bytes) -> int:
        """The partition of a key, as Java clients choose it."""
        number = self._partition_of.get(key)
        if number is None:
            # The cache has a limit, because keys are subscribers.
            if len(self._partition_of) >= REMEMBERED_KEYS:
                self._partition_of.clear()
            number = self._partition_of[key] = partition_of(key, self.partitions)
        return number

    def append(
        self,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = _NO_HEADERS,
    ) -> None:
        """Accept a record. Raises :class:`DeliveryError`, :class:`BackpressureError`."""
        records = self._open[partition]
        count = self._counts[partition]
        any_names = bool(headers) and any(isinstance(name, HeaderName) for name, _ in headers)
        # The compiled builder refuses such names, so the batch must be of the other kind.
        if records is not None and any_names and not records.any_names:
            self._release(partition)
            records = None
        if records is None or records.append(count, timestamp_ms, key, value, headers) is None:
            if records is not None:
                self._release(partition)
            count = 0
            records = PackedRecords(self._codec, self._batch_bytes, self._transactional, any_names)
            self._open[partition] = records
            # A batch accepts its first record whatever its size.
            records.append(0, timestamp_ms, key, value, headers)
        self._counts[partition] = count + 1
        self.appended += 1

    def append_keyed(self, key: bytes, value: bytes, timestamp_ms: int) -> None:
        """:meth:`append` to the key's partition; written out, because it must be fast."""
        partition = self._partition_of.get(key)
        if partition is None:
            partition = self.partition_for(key)
        records, count = self._open[partition], self._counts[partition]
        if records is None or records.append(count, timestamp_ms, key, value, _NO_HEADERS) is None:
            self.append(partition, key, value, timestamp_ms)
            return
        self._counts[partition] = count + 1
        self.appended += 1

    def release(self) -> None:
        """Send the collected records; does not wait."""
        for partition, records in enumerate(self._open):
            if records is not None:
                self._release(partition)

    def flush(self, timeout_seconds: float = 120.0) -> None:
        """Return when every accepted record is durable. Raises :class:`DeliveryError` if one is
        not."""
        self.release()
        self.await_sent(timeout_seconds)

    def await_sent(self, timeout_seconds: float = 120.0) -> None:
        """Like :meth:`flush`, for what was released before."""
        self._await(0, timeout_seconds)

    def close(self, abandon: bool = False) -> None:
        """Abandon what is not written (or an open transaction), and disconnect."""
        self._open = [None] * self.partitions
        if abandon or self._unsent_bytes or self._failure is not None:
            force_close(self.kafka)
        else:
            close_within(self.kafka, 10)

    def _release(self, partition: int) -> None:
        records = self._open[partition]
        assert records is not None
        self._open[partition] = None
        size = records.size_in_bytes()
        # It waits until there is room for this batch, which limits the memory.
        self._await(self._max_unsent_bytes - size, self._block_seconds)
        self._before_sending()
        records.seal(self._counts[partition])
        with self._settled:
            self._unsent_bytes += size

        def outcome(error: BaseException | None) -> None:
            with self._settled:
                self._unsent_bytes -= size
                if error is not None and self._failure is None:
                    self._failure = error
                self._settled.notify_all()

        hand_over(self.kafka, self._places[partition], records, outcome)

    def _await(self, limit_bytes: int, timeout_seconds: float) -> None:
        """Wait until at most ``limit_bytes`` are unsent (or nothing is)."""
        deadline = time.monotonic() + timeout_seconds
        with self._settled:
            while self._failure is None and self._unsent_bytes > max(limit_bytes, 0):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BackpressureError(
                        f"the broker took nothing for {timeout_seconds:g} s: "
                        f"{self._unsent_bytes:,} bytes for {self.topic} wait; look at the broker"
                    )
                self._settled.wait(left)
            if self._failure is not None:
                raise DeliveryError(_advice(self.topic, self._failure)) from self._failure


def _advice(topic: str, error: BaseException) -> str:
    text = f"records for {topic} were not written: {type(error).__name__}: {error}"
    name = type(error).__name__
    if name in {"MessageSizeTooLargeError", "RecordListTooLargeError"}:
        text += "; raise the topic's max.message.bytes"
    elif name in {"ProducerFencedError", "InvalidProducerEpochError"}:
        text += "; another run under the same id took over"
    elif name == "InvalidTimestampError":
        text += (
            "; a record timestamp lies too far from now for this topic: set its "
            "message.timestamp.after.max.ms and .before.max.ms, or shift the time"
        )
    return text
