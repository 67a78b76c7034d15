"""The producer of the billing side: keyed by subscriber, in order, durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.flushed import Flushed
from streamproc.kafka.outstanding import OutstandingRecords, send_now
from streamproc.kafka.settings import Broker


class BillingProducer(Flushed):
    """Sends input records. The records of one subscriber keep their order.

    ``settings`` are passed to kafka-python's ``KafkaProducer``. The end of the context waits for
    everything sent. If a record could not be written it raises an error that says how many failed.
    """

    def __init__(self, bootstrap: Broker, topic: str, **settings: Any) -> None:
        self.topic = topic
        self.sent = 0
        self._failures: list[BaseException] = []
        self._outstanding = OutstandingRecords()
        defaults = {"acks": "all", "linger_ms": 20, "batch_size": 131_072}
        self._producer = kafka_producer(bootstrap, **{**defaults, **settings})

    def close(self) -> None:
        """Disconnect."""
        self._producer.close()

    def partitions(self) -> list[int]:
        """The partition numbers of the topic."""
        return sorted(self._producer.partitions_for(self.topic))

    def send(
        self,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        partition: int | None = None,
        on_written: Callable[[int, int], object] | None = None,
    ) -> None:
        """Queue a record; ``timestamp_ms`` is when the billing system hands it over.

        ``on_written`` gets partition and offset when the record is durable, in the thread of the
        Kafka client. Records of one partition are reported in their order.
        """
        taken = self._outstanding.take()
        try:
            future = self._producer.send(
                self.topic, key=key, value=value, timestamp_ms=timestamp_ms, partition=partition
            )
        except BaseException:
            self._outstanding.settle(taken)
            raise
        future.add_callback(self._written, on_written, taken)
        future.add_errback(self._not_written, taken)
        self.sent += 1

    def flush(self) -> None:
        """Wait until all records are durable and reported. Raises RuntimeError if one is not."""
        last_round = self._outstanding.end_round()
        send_now(self._producer)
        self._outstanding.wait(last_round)
        if self._failures:
            raise RuntimeError(
                f"{len(self._failures)} of {self.sent} records were not written to {self.topic}"
            ) from self._failures[0]

    def _written(
        self, on_written: Callable[[int, int], object] | None, taken: int, metadata: Any
    ) -> None:
        try:
            if on_written is not None:
                on_written(metadata.partition, metadata.offset)
        finally:
            self._outstanding.settle(taken)

    def _not_written(self, taken: int, error: BaseException) -> None:
        self._failures.append(error)
        self._outstanding.settle(taken)
