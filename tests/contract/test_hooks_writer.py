"""Hooks of aiokafka's producer (docs/hooks.md)."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import Sender

from streamproc.engine.cluster import Headers
from streamproc.engine.faust import producer as hooks
from streamproc.engine.faust.producer import BATCH_BYTES, TransactionalProducer

ROOT = Path(__file__).parents[2]


def test_a_full_batch_says_so_by_none() -> None:
    batch = BatchBuilder(1000, 0)
    sizes = 0
    while batch.append(timestamp=None, key=b"k", value=b"x" * 100) is not None:
        sizes += 1
    assert sizes == batch.record_count() == 8
    assert batch.append(timestamp=None, key=b"k", value=b"x") is None, "and stays full"


def test_a_batch_takes_its_first_record_whatever_its_size() -> None:
    """So a record beyond BATCH_BYTES is not refused here, but by the broker."""
    batch = BatchBuilder(1000, 0)
    assert batch.append(timestamp=None, key=b"k", value=b"x" * 5000) is not None


def test_a_batch_takes_tombstones_and_records_without_key() -> None:
    batch = BatchBuilder(BATCH_BYTES, 0)
    assert batch.append(timestamp=None, key=b"k", value=None) is not None
    assert batch.append(timestamp=None, key=None, value=b"v") is not None


@pytest.mark.parametrize(
    "headers", [{}, {0: (("traceparent", b"1"),), 7: (("a", b"2"), ("b", b"3")), 61: [("c", b"")]}]
)
async def test_records_appended_past_the_batch_are_what_the_batch_would_append(
    headers: dict[int, Headers],
) -> None:
    """``_builder.append`` and ``_relative_offset``: the same bytes, the same count, full alike."""
    records: list[tuple[bytes | None, bytes | None]] = [(b"k", None), (None, b"v")]
    records += [(b"k%d" % number, b"v" * (number % 90)) for number in range(60)]
    sent: list[Any] = []

    async def send_batch(batch: Any, topic: str, *, partition: int) -> Any:
        assert (topic, partition) == ("t", 3)
        sent.append(batch)
        return asyncio.get_running_loop().create_future()

    def create_batch() -> Any:
        return BatchBuilder(1000, 0, is_transactional=1)

    writer = TransactionalProducer("127.0.0.1:1", "app", 3)
    writer._producer = mock.Mock(create_batch=create_batch, send_batch=send_batch)
    with mock.patch.object(time, "time", return_value=1_800_000_000.25):
        futures = await writer.append("t", records, headers)
    assert len(futures) == len(sent) > 2
    wanted = [create_batch()]
    for number, (key, value) in enumerate(records):
        all_of_it = {
            "timestamp": 1_800_000_000_250,
            "key": key,
            "value": value,
            "headers": list(headers.get(number, ())),
        }
        if wanted[-1].append(**all_of_it) is None:
            wanted.append(create_batch())
            wanted[-1].append(**all_of_it)
    assert [one.record_count() for one in sent] == [one.record_count() for one in wanted]
    assert [bytes(one._build()) for one in sent] == [bytes(one._build()) for one in wanted]


async def test_a_writer_lets_go_at_once_whatever_its_sender_does() -> None:
    """``_closed``, ``_sender``, ``client``; the sender's tasks by their coroutines' ``self``."""
    writer = TransactionalProducer("127.0.0.1:1", "app", 3)
    producer = writer._producer
    assert producer._txn_manager.transactional_id == "app-3"
    assert isinstance(producer._sender, Sender)
    assert producer._closed is False
    stuck = asyncio.Event()

    async def forever(sender: Any) -> None:
        self = sender  # noqa: F841  # as in a method of the sender
        await stuck.wait()

    routine = asyncio.create_task(forever(producer._sender))
    other = asyncio.create_task(stuck.wait())
    await asyncio.sleep(0)
    assert hooks._tasks_of(producer._sender) == [routine]
    producer.client.close = mock.AsyncMock()
    await asyncio.wait_for(writer.close(), 5)
    assert routine.cancelled()
    assert not other.done()
    assert producer._closed is True
    assert producer.client.close.await_count == 1
    other.cancel()


def test_the_senders_tasks_are_coroutines_of_its_methods() -> None:
    """What :func:`_tasks_of` finds them by."""
    source = inspect.getsource(Sender)
    started = re.findall(r"create_task\(([\w.]+)\(", source)
    assert started
    assert all(name.startswith("self._") for name in started), started
    assert all(inspect.iscoroutinefunction(getattr(Sender, name[5:])) for name in started)


def test_a_producer_has_what_a_transaction_needs() -> None:
    for name in ("begin_transaction", "commit_transaction", "send_batch", "start"):
        assert inspect.iscoroutinefunction(getattr(AIOKafkaProducer, name)), name
    assert list(inspect.signature(AIOKafkaProducer.send_batch).parameters) == [
        *("self", "batch", "topic", "partition")
    ]
