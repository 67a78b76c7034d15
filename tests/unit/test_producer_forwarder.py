"""The spool's way to Kafka, with a broker that fails where the test says."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future

from streamproc.core.state.events import UsageRecorded
from streamproc.kafka.topic_watch import PartitionsChangedError
from streamproc.producing import forwarder as forwarder_module
from streamproc.producing.event_results import Delivery, DeliveryFailedError
from streamproc.producing.events import checked, usage
from streamproc.producing.forwarder import Forwarder
from streamproc.producing.spool import Spool


def event(who: int, number: int) -> UsageRecorded:
    return usage(f"86138{who}", source="s", id=f"{who}-{number}", total_bytes=number,
                 time=datetime(2026, 1, 5, tzinfo=UTC))  # fmt: skip


class FakeKafka:
    """Sends in order on flush(), as the sender's thread does; fails what ``failing`` says."""

    def __init__(self, log: list[tuple[str, int]], failing: Callable[[str], Exception | None]):
        self._log = log
        self._failing = failing
        self._waiting: list[tuple[Future, bytes]] = []
        self._closed = False
        self._sender = SimpleNamespace(force_close=self._force_close, join=lambda timeout: None)

    partitions = 4

    def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions))

    def send(self, topic: str, value: bytes, key: bytes, timestamp_ms: int) -> Future:
        future = Future()
        self._waiting.append((future, value))
        return future

    def flush(self, timeout: float | None = None) -> None:
        for future, value in self._waiting:
            held = json.loads(value)
            error = KafkaTimeoutError("closed") if self._closed else self._failing(held["id"])
            if error is not None:
                future.failure(error)
                continue
            who, _, number = held["id"].partition("-")
            self._log.append((who, int(number)))
            future.success(SimpleNamespace(topic="t", partition=0, offset=1))
        self._waiting = []

    def close(self) -> None:
        self._closed = True

    def _force_close(self) -> None:
        self._closed = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(forwarder_module, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(forwarder_module, "LAST_DELAY_SECONDS", 0.02)


def forward(
    directory: Path, connect: Callable[[], Any], subscribers: int, count: int
) -> tuple[Forwarder, list[Delivery]]:
    forwarder = Forwarder(Spool(directory), "t", connect)
    deliveries = []
    for number in range(count):
        for who in range(subscribers):
            delivery = Delivery(event(who, number))
            forwarder.take(delivery, 1, *checked(delivery.event), 1.0)
            deliveries.append(delivery)
    return forwarder, deliveries


def test_nothing_overtakes_an_event_that_failed(tmp_path: Path) -> None:
    log: list[tuple[str, int]] = []
    left = Counter({"1-30": 2, "0-77": 1, "2-0": 3})

    def failing(id: str) -> Exception | None:
        if left[id] > 0:
            left[id] -= 1
            error: Exception = KafkaTimeoutError("no answer")
            return error
        return None

    forwarder, deliveries = forward(tmp_path, lambda: FakeKafka(log, failing), 3, 100)
    forwarder.flush(10)
    forwarder.close(1)

    first: dict[str, list[int]] = defaultdict(list)
    for who, number in log:
        if number not in first[who]:
            first[who].append(number)
    assert first == {str(who): list(range(100)) for who in range(3)}
    assert all(one.wait(0) for one in deliveries)
    assert +left == Counter()


def test_partitions_that_are_added_end_the_sending(tmp_path: Path) -> None:
    """Also if the client that learns of them is another one than at first."""
    log: list[tuple[str, int]] = []
    before, after = FakeKafka(log, lambda _: None), FakeKafka(log, lambda _: None)
    after.partitions = 6
    clients = iter([before, after])
    forwarder, _ = forward(tmp_path, lambda: next(clients), 1, 3)
    forwarder.flush(10)
    before.partitions = 6
    forwarder.take(Delivery(event(0, 3)), 1, *checked(event(0, 3)), 1.0)
    began = time.monotonic()
    with pytest.raises(PartitionsChangedError, match="the topic t had 4 partitions"):
        forwarder.flush(60)
    assert time.monotonic() - began < 50, "nobody waits for what is not sent any more"
    with pytest.raises(PartitionsChangedError):
        forwarder.take(Delivery(event(0, 4)), 1, *checked(event(0, 4)), 1.0)
    forwarder.close(0)
    assert log == [("0", 0), ("0", 1), ("0", 2)], "the fourth stays in the spool"


def test_no_connection_is_tried_again(tmp_path: Path) -> None:
    log: list[tuple[str, int]] = []
    refusals = [KafkaConnectionError("down")] * 3

    def connect() -> FakeKafka:
        if refusals:
            raise refusals.pop()
        return FakeKafka(log, lambda id: None)

    forwarder, _ = forward(tmp_path, connect, 1, 5)
    forwarder.flush(10)
    forwarder.close(1)

    assert log == [("0", number) for number in range(5)]


def test_what_the_topic_refuses_is_set_aside_alone_and_reported(tmp_path: Path) -> None:
    log: list[tuple[str, int]] = []

    def failing(id: str) -> Exception | None:
        return MessageSizeTooLargeError("too large") if id == "0-3" else None

    forwarder, deliveries = forward(tmp_path, lambda: FakeKafka(log, failing), 1, 8)
    with pytest.raises(DeliveryFailedError) as caught:
        forwarder.flush(10)
    forwarder.close(1)

    assert [one.id for one, _ in caught.value.failures] == ["0-3"]
    assert [number for _, number in dict.fromkeys(log)] == [0, 1, 2, 4, 5, 6, 7]
    assert [one.error is not None for one in deliveries] == [n == 3 for n in range(8)]
    (line,) = (tmp_path / "refused.ndjson").read_text().splitlines()
    assert json.loads(json.loads(line)["value"])["id"] == "0-3"
