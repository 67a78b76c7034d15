"""Producers of kafka-python whose records cannot be written are closed for good.

Their close raises as long as batches wait, and their thread would go on beside a new producer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from kafka.errors import KafkaTimeoutError

from streamproc.dispatch import reports_log
from streamproc.dispatch.partition_journal import PartitionJournal
from streamproc.dispatch.reports_log import ReportsWriter
from streamproc.kafka.packed import close_within
from streamproc.kafka.producer import BulkProducer


def stuck() -> Any:
    """A producer with a batch that nobody takes."""

    def close(timeout: float | None = None) -> None:
        if not producer._sender.force_close.called:
            raise KafkaTimeoutError("Timeout waiting for future")
        producer.is_closed = True

    producer = MagicMock(is_closed=False)
    producer.close = close
    return producer


def test_a_producer_that_can_write_is_closed_in_its_time() -> None:
    producer = MagicMock()

    close_within(producer, 2)

    producer.close.assert_called_once_with(timeout=2)
    producer._sender.force_close.assert_not_called()


def test_one_that_cannot_is_closed_at_once() -> None:
    producer = stuck()

    close_within(producer, 2)

    assert producer.is_closed


def test_the_log_of_reports_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = stuck()
    monkeypatch.setattr(reports_log, "kafka_producer", lambda *_, **__: producer)
    topics = SimpleNamespace(reports="reports")

    ReportsWriter(cast("Any", SimpleNamespace(broker="b:1", topics=topics))).close()

    assert producer.is_closed


def test_the_journal_of_a_partition_is_closed() -> None:
    journal = PartitionJournal.__new__(PartitionJournal)
    journal._producer = producer = stuck()

    journal.close()

    assert producer.is_closed
    assert journal._producer is None


def test_a_producer_of_whole_batches_is_closed() -> None:
    bulk = BulkProducer.__new__(BulkProducer)
    bulk.partitions, bulk._unsent_bytes, bulk._failure = 1, 0, None
    bulk.kafka = producer = stuck()

    bulk.close()

    assert producer.is_closed
