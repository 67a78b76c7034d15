"""Batches of the compiled part in aiokafka's producer (docs/hooks.md)."""

from __future__ import annotations

import inspect
import re
from typing import Any
from unittest import mock

import pytest
from aiokafka.producer import message_accumulator
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streamproc.engine.faust.brokers import Brokers
from streamproc.engine.faust.finished_batches import SealedLater
from streamproc.engine.faust.producer import TransactionalProducer
from streamproc.engine.settings import EngineSettings
from streamproc.worker.native_bridge.loading import packer

streamproc_native = pytest.importorskip("streamproc_native")

AT_MS = 1_800_000_000_250
RECORDS: list[tuple[bytes | None, bytes | None]] = [
    (b"k", None),
    (None, b"v"),
    (b"", b""),
    *((b"k%d" % number, b"v" * (number % 90)) for number in range(300)),
    (b"k", b"v" * 5000),
    (b"after", b"it"),
]


def test_finished_batches_have_the_bytes_of_aiokafkas() -> None:
    """The same records in the same batches, for whoever sends them; a batch takes its first record
    whatever its size."""
    for most_bytes in (200, 1000, 1 << 20):
        wanted = [BatchBuilder(most_bytes, 0, is_transactional=1)]
        for key, value in RECORDS:
            if wanted[-1].append(timestamp=AT_MS, key=key, value=value) is None:
                wanted.append(BatchBuilder(most_bytes, 0, is_transactional=1))
                wanted[-1].append(timestamp=AT_MS, key=key, value=value)
        found = [
            SealedLater(one) for one in streamproc_native.pack_records(RECORDS, AT_MS, most_bytes)
        ]
        assert [one.record_count() for one in found] == [one.record_count() for one in wanted]
        for number, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
            for one in (ours, theirs):
                one._set_producer_state(1 << 40, 9, number * 7)
            assert ours._build() == bytes(theirs._build())
            assert ours.size() == theirs.size()
    assert streamproc_native.pack_records([], 0, 1000) == []


async def test_finished_batches_are_sent_as_aiokafkas_are() -> None:
    """In one message batch of aiokafka: its state is set once, and each repetition is the same."""
    sent: list[Any] = []

    async def send_batch(batch: Any, topic: str, *, partition: int) -> Any:
        assert (topic, partition) == ("t", 3)
        sent.append(MessageBatch(TopicPartition(topic, partition), batch, 60, 0))
        return sent[-1].future

    writer = TransactionalProducer("127.0.0.1:1", "app", 3, streamproc_native.pack_records)
    writer._producer = mock.Mock(send_batch=send_batch)
    futures = await writer.append("t", iter(RECORDS))
    assert len(futures) == len(sent) == 1
    batch = sent[0]
    assert batch.remaining_linger() is None
    assert batch.record_count == len(RECORDS)
    assert not batch.is_empty()
    batch.set_producer_state(7, 3, 11)
    batch.drain_ready()
    data = batch.get_data_buffer()
    assert batch.get_data_buffer() is data, "a repeated request sends the same"
    read = MemoryRecords(bytes(data)).next_batch()
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == (7, 3, 11)
    assert [(one.key, one.value) for one in read] == RECORDS
    batch.done(42)
    assert futures[0].result().offset == 42


def test_finished_batches_have_all_that_aiokafka_asks_of_a_builder() -> None:
    """``MessageBatch`` and the accumulator call nothing else; ``append`` only for their own."""
    source = inspect.getsource(message_accumulator)
    asked = set(re.findall(r"self\._builder\.(\w+)", inspect.getsource(MessageBatch)))
    asked |= set(re.findall(r"\bbuilder\.(\w+)", source))
    assert {"_build", "record_count", "closed"} <= asked
    assert {one for one in asked if not hasattr(SealedLater, one)} == {"append"}


async def test_a_worker_makes_them_if_it_has_the_compiled_part() -> None:
    settings = EngineSettings("127.0.0.1:1", "app", ("events",))
    for is_native, pack in ((True, streamproc_native.pack_records), (False, None)):
        producer = Brokers(settings, packer(is_native)).producer(3)
        assert producer._pack is pack
