"""What is written when a dead letter is sent again."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from kafka import TopicPartition

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.receipts import DeadLetter, ReminderRecord
from streamproc.core.instants import from_ms
from streamproc.dispatch import dead_letters
from streamproc.dispatch.dead_letters import FoundLetter, resend
from streamproc.dispatch.settings import DispatchSettings
from tests.support.scheduler import START_MS, reminder
from tests.unit.test_tracing_context import PARENT, STATE


def test_a_reminder_that_is_sent_again_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = [("traceparent", PARENT), ("resend", b"3-11"), ("tracestate", STATE)]
    record = SimpleNamespace(offset=7, value=encode_effect(reminder(1)), headers=headers)
    consumer, producer = mock.Mock(), mock.Mock()
    consumer.poll.return_value = {TopicPartition("reminders", 3): [record]}
    monkeypatch.setattr(dead_letters, "readable_partitions", lambda *_: [3])
    monkeypatch.setattr(dead_letters, "kafka_consumer", lambda *_, **__: consumer)
    monkeypatch.setattr(dead_letters, "open_producer", lambda *_, **__: producer)
    place = ReminderRecord("reminders", 3, 7)
    letter = DeadLetter("undelivered", "", from_ms(START_MS), place)
    found = FoundLetter("3-12", 3, letter, False)
    assert resend(DispatchSettings(mock.Mock()), [found], START_MS, 3_600_000) == 1
    sent = producer.send.call_args.kwargs
    assert sent["headers"] == [("resend", b"3-12"), ("traceparent", PARENT), ("tracestate", STATE)]
