"""Record batches that unpack to too much are found, whatever packed them; usual ones are not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.engine.cluster import UnreadBatch
from streamproc.engine.faust.whole_batches import RecordsAndBytes, _Batches
from streamproc.engine.processor import Outbox
from streamproc.kafka.any_headers import AnyRecords
from streamproc.kafka.batch_bounds import MAX_BATCH_BYTES, fault_of, without_records
from streamproc.worker.processor import QuotaProcessor
from streamproc.worker.virtual import TOPICS

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(codec: str, values: list[bytes]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 1 << 30)
    for offset, value in enumerate(values):
        builder.append(offset, 1_000 + offset, b"k", value, [])
    return bytes(builder.build())


def usual() -> list[bytes]:
    random = Random(1)
    return [
        b'{"type":"usage.recorded","id":"%d","source":"ocs","total_bytes":%d}'
        % (random.getrandbits(60), random.getrandbits(30))
        for _ in range(3_000)
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_usual_batches_are_read(codec: str) -> None:
    assert fault_of(batch(codec, usual())) is None
    assert fault_of(batch(codec, [b"x" * 60_000])) is None


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_what_unpacks_to_much_more_is_found(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # With small bounds: a batch of 64 MiB takes long to make.
    monkeypatch.setattr("streamproc.kafka.batch_bounds.MAX_BATCH_BYTES", 1 << 20)
    fault = fault_of(batch(codec, [bytes(3 << 20)] * 2))
    assert fault is not None
    assert fault.startswith("a batch of 2 records unpacks to more than ")
    assert fault.endswith("; none of them is read")


def test_snappy_says_the_size_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.kafka.batch_bounds.MAX_BATCH_BYTES", 1 << 20)
    assert fault_of(batch("snappy", [bytes(3 << 20)])) is not None
    assert fault_of(batch("snappy", [bytes(900_000)])) is None


def test_a_small_batch_must_not_unpack_to_a_thousand_times_its_size() -> None:
    assert fault_of(batch("zstd", [bytes(4 << 20)])) is not None
    assert MAX_BATCH_BYTES > 4 << 20


def test_more_records_than_any_batch_has() -> None:
    many = bytearray(batch("none", [b"x"]))
    many[57:61] = (1_000_001).to_bytes(4, "big")
    assert fault_of(bytes(many)) == "a batch of 1000001 records; at most 1000000 are read"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_damaged_batches_are_left_to_the_library(codec: str) -> None:
    whole = batch(codec, usual())
    random = Random(2)
    for _ in range(50):
        damaged = bytearray(whole)
        for _ in range(4):
            damaged[random.randrange(61, len(damaged))] = random.randrange(256)
        fault_of(bytes(damaged[: random.randrange(61, len(damaged))]))


def test_one_record_stands_for_all() -> None:
    bomb = batch("zstd", [bytes(1 << 16)] * 70)
    for kind in (DefaultRecordBatch, _DefaultRecordBatchPy):
        (record,) = kind(bytearray(without_records(bomb)))
        assert (record.offset, record.key, record.value) == (69, None, None)


def test_both_readers_pass_it_over_and_read_what_follows() -> None:
    log = batch("zstd", [bytes(4 << 20)] * 3) + batch("gzip", usual()[:5])

    told: list[Any] = []
    batches = _Batches(RecordsAndBytes(log).data, 0, lambda *_: None)
    while batches.has_next():
        told += [one.records for one in batches.next_batch()]
    assert isinstance(told[0][0], UnreadBatch)
    assert (told[0][0].offset, told[0][0].timestamp) == (2, 1_002)
    assert [len(one) for one in told] == [1, 5]
    assert MemoryRecords(log).has_next()

    read = AnyRecords(log)
    found = []
    while read.has_next():
        one = read.next_batch()
        assert one.validate_crc()
        found += [(record.offset, record.value) for record in one]
    assert found[0] == (2, None)
    assert len(found) == 6


@pytest.mark.parametrize("native", ["off", "auto"])
def test_the_worker_rejects_it_and_continues(native: Any) -> None:
    processor, outbox = QuotaProcessor(default_rulebook(), TOPICS, "wall", native), Outbox()
    records = [UnreadBatch(7, 5, "a batch of 9 records ..."), UnreadBatch(9, 5, "another")]
    processor.apply("usage", 0, records, processor.new_rows(), outbox, 5)
    (first, second) = outbox.topics[TOPICS.rejects]
    assert b'"reason":"oversized","detail":"a batch of 9 records ..."' in (first[1] or b"")
    assert b'"offset":9' in (second[1] or b"")
