"""The input that flows while faults happen: a seeded workload at a steady rate."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, Producer

from tests.support.cluster import PARTITIONS, Record

Place = Callable[[bytes | None, bytes | None], int]
"""The partition of a record, by its key and value."""
TICK_SECONDS = 0.02
REMEMBERED = 5_000


class Load:
    """A thread that produces; everything it takes from the workload is written, in order.

    Writes are idempotent and tried for ever, so a record is in the log once unless a fault says
    otherwise. What is in the log is asked of the log alone (``observer``).
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        records: Iterator[Record],
        rate: int,
        place: Place | None = None,
    ) -> None:
        """``rate``: records per second. ``place`` chooses the partition of a record; by default
        as Java clients do."""
        self.ends = dict.fromkeys(range(PARTITIONS), 0)
        """Next offset by partition, as acknowledged."""
        self.failure: str | None = None
        self.is_over = False
        """The workload has no more records."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._records = records
        self._rate = rate
        self._place = place or java_place
        self._recent: deque[Record] = deque(maxlen=REMEMBERED)
        self._again: deque[Record] = deque()
        self._producer = self._new_producer()
        self._flowing = threading.Event()
        self._idle = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="load")

    def start(self) -> Load:
        self._thread.start()
        self._flowing.set()
        return self

    def resume(self) -> None:
        """Let records flow."""
        self._idle.clear()
        self._flowing.set()

    def pause(self, timeout_seconds: float = 120) -> None:
        """Return when everything is written and nothing more comes."""
        self._flowing.clear()
        if not self._idle.wait(timeout_seconds):
            raise RuntimeError("the load does not come to rest")
        if self._producer.flush(timeout_seconds) or self.failure:
            raise RuntimeError(f"the load could not be written: {self.failure}")

    def stop(self) -> None:
        self._ending = True
        self._flowing.set()
        self._thread.join(10)

    def repeat(self, count: int) -> None:
        """Write the last records again, as a producer does that did not hear of its success."""
        self._again.extend(list(self._recent)[-count:])

    def write_aborted(self, count: int) -> None:
        """Write records in a transaction and take it back: they must never count."""
        settings = {
            "bootstrap.servers": self._bootstrap,
            "transactional.id": f"in-{self._topic}",
            "log_level": 0,
        }
        producer = Producer(settings)
        producer.init_transactions(60)
        producer.begin_transaction()
        for key, value, timestamp_ms in list(self._recent)[-count:]:
            forged = None if value is None else value.replace(b'"id":"', b'"id":"aborted-')
            producer.produce(
                self._topic, forged, key, self._place(key, value), timestamp=timestamp_ms
            )
        producer.flush(60)
        producer.abort_transaction(60)

    def write(self, placed: list[tuple[int, Record]]) -> None:
        """Write records to the partitions named, and wait. Only while paused."""
        for partition, record in placed:
            self._send(record, partition)
        self._producer.flush(60)

    def _run(self) -> None:
        try:
            self._produce()
        except Exception as error:  # told to who pauses: a thread would die in silence
            self.failure = repr(error)
            self._idle.set()

    def _produce(self) -> None:
        while not self._ending:
            began = time.monotonic()
            if not self._flowing.is_set():
                self._idle.set()
                self._producer.poll(0)
                self._flowing.wait(0.1)
                continue
            wanted = max(int(self._rate * TICK_SECONDS), 1)
            batch = list(islice(self._records, wanted))
            self.is_over = self.is_over or len(batch) < wanted
            while self._again and len(batch) < 2 * wanted:
                batch.append(self._again.popleft())
            for record in batch:
                self._recent.append(record)
                self._send(record, self._place(record[0], record[1]))
            self._producer.poll(0)
            # The rate of the load.
            time.sleep(max(TICK_SECONDS - (time.monotonic() - began), 0.001))

    def _send(self, record: Record, partition: int) -> None:
        key, value, timestamp_ms = record
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value,
                    key,
                    partition,
                    timestamp=timestamp_ms,
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failure = str(error)
            return
        place, offset = message.partition(), message.offset()
        if offset is not None:  # unknown where a broker answers that it had the batch already
            self.ends[place] = max(self.ends[place], offset + 1)

    def _new_producer(self) -> Any:
        return Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 20,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )


def librdkafka_place(key: bytes | None, value: bytes | None) -> int:
    """As librdkafka chooses it by default (``consistent_random``); without key by the length."""
    return len(value or b"") % PARTITIONS if key is None else zlib.crc32(key) % PARTITIONS


def java_place(key: bytes | None, value: bytes | None) -> int:
    """As Java clients choose it; a record without key is placed by its length."""
    if key is None:
        return len(value or b"") % PARTITIONS
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS
