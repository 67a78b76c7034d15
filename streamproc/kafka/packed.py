"""Record batches that are built outside kafka-python and sent by it.

kafka-python appends record by record in Python: about 40,000 records/s. But its sender, retries,
sequence numbers and transactions work on complete batches. So aiokafka's compiled builder (about 3
million records/s) builds the batches, behind the interface of kafka-python's
``MemoryRecordsBuilder``. docs/replay.md lists the private names of kafka-python that this uses, and
tests/contract/test_kafka_python_hooks.py checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder,
    _DefaultRecordBatchBuilderPy,
)
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.producer.producer_batch import ProducerBatch

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
Headers = list[tuple[str, bytes | None]]


class PackedRecords:
    """The records of one batch. To kafka-python's sender it looks like a
    ``MemoryRecordsBuilder``."""

    __slots__ = ("_buffer", "_builder", "_count", "_plain_bytes", "_state", "any_names", "append")

    def __init__(
        self, codec: int, batch_bytes: int, transactional: bool, any_names: bool = False
    ) -> None:
        """``any_names``: header names can be ``HeaderName``, which the compiled builder refuses."""
        builder = _DefaultRecordBatchBuilderPy if any_names else DefaultRecordBatchBuilder
        self._builder: Any = builder(2, codec, int(transactional), -1, -1, -1, batch_bytes)
        self.any_names = any_names
        #: append(offset, timestamp_ms, key, value, headers); None: the batch is full.
        self.append: Callable[[int, int, bytes | None, bytes | None, Headers], Any]
        self.append = self._builder.append
        self._count = 0
        self._buffer: bytearray | None = None
        self._plain_bytes = 0
        self._state = (-1, -1, -1)

    def seal(self, count: int) -> None:
        """No more records will be appended; there are ``count``."""
        self._count = count

    def next_offset(self) -> int:
        return self._count

    @property
    def producer_id(self) -> int:
        return self._state[0]

    @property
    def producer_epoch(self) -> int:
        return self._state[1]

    @property
    def base_sequence(self) -> int:
        return self._state[2]

    def set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int, is_transactional: bool
    ) -> None:
        self._builder.set_producer_state(producer_id, producer_epoch, base_sequence)
        self._state = (producer_id, producer_epoch, base_sequence)

    def close(self) -> None:
        """Compress and add the checksum, once. The sender's thread calls it."""
        if self._buffer is None:
            self._plain_bytes = self._builder.size()
            self._buffer = self._builder.build()
            self._builder = self.append = None  # type: ignore[assignment]  # frees the memory

    def buffer(self) -> bytearray:
        assert self._buffer is not None
        return self._buffer

    def size_in_bytes(self) -> int:
        return len(self._buffer) if self._buffer is not None else self._builder.size()

    def compression_rate(self) -> float:
        return self.size_in_bytes() / self._plain_bytes

    def is_full(self) -> bool:
        return True


class _WholeBatch(ProducerBatch):  # type: ignore[misc]
    """A batch that is never split, so waiting for it means waiting for all its records."""

    @property
    def record_count(self) -> int:
        return 1


Outcome = Callable[[BaseException | None], None]


def hand_over(
    producer: Any, place: TopicPartition, records: PackedRecords, outcome: Outcome
) -> None:
    """Queue a sealed batch; ``outcome`` is called once, in the sender's thread."""
    batch = _WholeBatch(place, records)
    batch.produce_future.add_callback(_report, outcome)
    batch.produce_future.add_errback(outcome)
    manager = producer._transaction_manager
    if manager is not None and manager.is_transactional():
        manager.maybe_add_partition_to_transaction(place)
    accumulator = producer._accumulator
    with accumulator._tp_lock(place):
        accumulator._batches[place].append(batch)
        accumulator._incomplete.add(batch)
    producer._sender.wakeup()


def _report(
    outcome: Outcome, result: tuple[int, int, Callable[[int], BaseException] | None]
) -> None:
    failed = result[2]
    outcome(None if failed is None else failed(0))


def force_close(producer: Any, timeout_seconds: float = 10.0) -> None:
    """Close at once; records that are not written fail. (close(timeout=0) raises while batches
    wait.)"""
    producer._sender.force_close()
    producer._sender.join(timeout_seconds)
    producer.close()


def close_within(producer: Any, timeout_seconds: float) -> None:
    """Close; records that are not written by then fail. (The library raises then, and its thread
    would continue for ever.)"""
    try:
        producer.close(timeout=timeout_seconds)
    except KafkaTimeoutError:
        force_close(producer)
