"""Flush and close wait for every outcome, also where the client returns before it told all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, UnknownError
from kafka.future import Future
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata

from streamproc.core.state.events import UsageRecorded
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.partition_journal import PartitionJournal
from streamproc.dispatch.settings import DispatchSettings
from streamproc.kafka.topic_watch import PartitionsChangedError
from streamproc.producing import BillingProducer, billing, client
from streamproc.producing.client import UsageProducer
from streamproc.producing.event_results import Delivery, DeliveryFailedError
from streamproc.producing.events import usage

LATE_SECONDS = 0.05
"""Long enough for a caller that does not wait to go on with what it knows."""
PLACED = SimpleNamespace(topic="t", partition=0, offset=7)
LOST = KafkaTimeoutError("no answer")


class LateKafka:
    """Its flush returns when one record has its outcome. The sender's thread tells the rest later.

    ``outcome`` is told of each record; None: it stays without one until the producer is closed by
    force.
    """

    def __init__(self, outcome: Callable[[Future], object] | None) -> None:
        self._outcome = outcome
        self._waiting: list[Future] = []
        self._threads: list[threading.Thread] = []
        self._sender = SimpleNamespace(force_close=self._force_close, join=lambda timeout: None)
        self.flush_error: Exception | None = None
        self.told = 0
        self.partitions = 1

    def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions))

    def send(self, topic: str, *_: object, **__: object) -> Future:
        future = Future()
        self._waiting.append(future)
        return future

    def flush(self, timeout: float | None = None) -> None:
        waiting, self._waiting = self._waiting, []
        if self._outcome is None:
            self._waiting = waiting
            return
        self._tell(self._outcome, waiting[:1])
        if waiting[1:]:
            rest = threading.Thread(target=self._tell_late, args=(self._outcome, waiting[1:]))
            rest.start()
            self._threads.append(rest)
        if self.flush_error is not None:
            raise self.flush_error

    def close(self, timeout: float | None = None) -> None:
        for thread in self._threads:
            thread.join()

    def _force_close(self) -> None:
        self._tell_late(lambda future: future.failure(LOST), self._waiting)

    def _tell_late(self, outcome: Callable[[Future], object], futures: list[Future]) -> None:
        time.sleep(LATE_SECONDS)  # a thread that the scheduler holds up
        self._tell(outcome, futures)

    def _tell(self, outcome: Callable[[Future], object], futures: list[Future]) -> None:
        for future in futures:
            outcome(future)
            self.told += 1


def lose(future: Future) -> None:
    future.failure(LOST)


def place(future: Future) -> None:
    future.success(PLACED)


def event(number: int) -> UsageRecorded:
    return usage("8613800000001", source="s", id=f"e-{number}", total_bytes=number,
                 time=datetime(2026, 1, 5, tzinfo=UTC))  # fmt: skip


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., UsageProducer]]:
    kafkas: list[LateKafka] = []
    producers: list[UsageProducer] = []

    def open_with(kafka: LateKafka, **options: Any) -> UsageProducer:
        kafkas.append(kafka)
        monkeypatch.setattr(client, "open_producer", lambda *_, **__: kafka)
        producers.append(UsageProducer("nowhere", "t", **options))
        return producers[-1]

    yield open_with
    for producer in producers:  # else its watch would report a silent broker in other tests
        with suppress(DeliveryFailedError):
            producer.close(0.01)
    for kafka in kafkas:
        kafka.close()


def failed_ids(caught: pytest.ExceptionInfo[DeliveryFailedError]) -> list[str | None]:
    return [one.id for one, _ in caught.value.failures]


@pytest.mark.parametrize("how", ["flush", "close"])
def test_every_lost_event_is_told_though_the_client_s_flush_returned_after_one(
    opened: Callable[..., UsageProducer], how: str
) -> None:
    producer = opened(LateKafka(lose))
    for number in range(7):
        producer.send(event(number))

    with pytest.raises(DeliveryFailedError) as caught:
        getattr(producer, how)()

    assert failed_ids(caught) == [f"e-{number}" for number in range(7)]
    assert producer.waiting == 0


def test_a_flush_of_the_client_that_meets_a_split_batch_is_no_outcome(
    opened: Callable[..., UsageProducer],
) -> None:
    kafka = LateKafka(place)
    kafka.flush_error = UnknownError("Future not done")
    producer = opened(kafka)
    deliveries = [producer.send(event(number)) for number in range(3)]

    producer.flush()

    assert [one.wait(0).offset for one in deliveries] == [7, 7, 7]


def test_close_returns_after_on_failure_was_told_of_the_last_event(
    opened: Callable[..., UsageProducer],
) -> None:
    told: list[str | None] = []

    def on_failure(delivery: Delivery) -> None:
        time.sleep(LATE_SECONDS / 4)  # a slow callback
        told.append(delivery.event.id)

    producer = opened(LateKafka(lose), on_failure=on_failure)
    for number in range(3):
        producer.send(event(number))
    with pytest.raises(DeliveryFailedError):
        producer.flush()

    assert told == ["e-0", "e-1", "e-2"]


def test_on_failure_may_send_again_what_alone_fills_the_buffer(
    opened: Callable[..., UsageProducer],
) -> None:
    again: list[Delivery] = []

    def on_failure(delivery: Delivery) -> None:
        if not again:
            again.append(producer.send(event(100)))

    producer = opened(LateKafka(lose), on_failure=on_failure, max_unsent_bytes=1, block_seconds=1.0)
    producer.send(event(0))
    with pytest.raises(DeliveryFailedError) as first:
        producer.flush()
    with pytest.raises(DeliveryFailedError) as second:
        producer.close()

    assert failed_ids(first) == ["e-0"]
    assert failed_ids(second) == ["e-100"]


def test_close_tells_which_events_it_gave_up(opened: Callable[..., UsageProducer]) -> None:
    producer = opened(LateKafka(None))
    for number in range(4):
        producer.send(event(number))

    with pytest.raises(TimeoutError, match="4 events still wait"):
        producer.flush(0.01)
    with pytest.raises(DeliveryFailedError) as caught:
        producer.close(0.01)

    assert failed_ids(caught) == ["e-0", "e-1", "e-2", "e-3"]


def test_flush_does_not_wait_for_what_is_taken_meanwhile(
    opened: Callable[..., UsageProducer],
) -> None:
    producer = opened(LateKafka(place))
    mine = [producer.send(event(number)) for number in range(3)]
    meanwhile = threading.Timer(LATE_SECONDS / 2, producer.send, [event(100)])
    meanwhile.start()

    producer.flush(2.0)

    meanwhile.join()
    assert all(one.done for one in mine)
    assert producer.waiting == 1
    producer.close()


@pytest.mark.parametrize("flush_error", [None, UnknownError("Future not done")])
def test_the_billing_producer_waits_for_reports_and_tells_of_every_lost_record(
    monkeypatch: pytest.MonkeyPatch, flush_error: Exception | None
) -> None:
    written: list[int] = []
    kafka = LateKafka(place)
    kafka.flush_error = flush_error
    monkeypatch.setattr(billing, "kafka_producer", lambda *_, **__: kafka)
    with BillingProducer("nowhere", "t") as producer:
        for _ in range(5):
            producer.send(b"k", b"v", 1, on_written=lambda _, offset: written.append(offset))
        producer.flush()
        assert written == [7] * 5

    losing = LateKafka(lose)
    monkeypatch.setattr(billing, "kafka_producer", lambda *_, **__: losing)
    producer = BillingProducer("nowhere", "t")
    for _ in range(5):
        producer.send(b"k", b"v", 1)
    with pytest.raises(RuntimeError, match="5 of 5 records were not written"):
        producer.flush()
    losing.close()


class SplittingKafka(LateKafka):
    """The library's futures: flush gives up because their batch is split; the halves come later."""

    def send(self, topic: str, *_: object, **__: object) -> Future:
        batch = FutureProduceResult(("t", 0))
        future = FutureRecordMetadata(batch, 0, 1, None, 1, 1, -1)
        self._waiting.append(future)
        return future

    def flush(self, timeout: float | None = None) -> None:
        for future in self._waiting:
            future.rebind(FutureProduceResult(("t", 0)), 0)
        super().flush(timeout)
        raise UnknownError("Future not done")


@pytest.mark.parametrize("error", [None, MessageSizeTooLargeError("too large")])
def test_a_split_batch_of_the_journal_is_committed_once_all_its_records_are_known(
    error: Exception | None,
) -> None:
    def outcome(future: Future) -> None:
        future._produce_future.success((7, -1, None if error is None else lambda _: error))

    done: list[str] = []
    kafka: Any = SplittingKafka(outcome)
    for name in ("begin_transaction", "commit_transaction", "abort_transaction"):
        setattr(kafka, name, lambda name=name: done.append(f"{name} after {kafka.told}"))
    journal = PartitionJournal(DispatchSettings("nowhere"), ("urgent",), 0)
    journal._producer = kafka
    batch = JournalTransaction(entries={f"m{number}": b"v" for number in range(3)})

    if error is None:
        journal.commit(batch)
    else:
        with pytest.raises(MessageSizeTooLargeError):
            journal.commit(batch)

    begun, ended = done
    assert begun == "begin_transaction after 0"
    assert ended == "commit_transaction after 3" if error is None else ended.startswith("abort")
    kafka.close()


def test_nothing_is_sent_once_partitions_were_added(opened: Callable[..., UsageProducer]) -> None:
    kafka = LateKafka(place)
    producer = opened(kafka)
    producer.send(event(1))
    kafka.partitions = 2
    with pytest.raises(PartitionsChangedError, match="the topic t had 1 partitions"):
        producer.send(event(2))
    producer.close()
    assert (kafka.told, producer.waiting) == (1, 0)
