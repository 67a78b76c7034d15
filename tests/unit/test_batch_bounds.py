"""Record batches that unpack to too much are found, whatever packed them; usual ones are not."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import SubscriptionState as KafkaSubscriptions
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import OffsetAndMetadata

from streamproc.contracts.records.codec import MAX_RECORD_BYTES, DecodeFailure, decode_event
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.engine.cluster import FetchedBatch, Place, UnreadBatch
from streamproc.engine.faust.whole_batches import (
    BatchedPartition,
    BoundedFetch,
    ByBatch,
    RecordsAndBytes,
    _Batches,
)
from streamproc.engine.intake import Intake
from streamproc.engine.processor import Outbox
from streamproc.kafka.any_headers import AnyRecords, BoundedPartition, read_any_records
from streamproc.kafka.batch_bounds import MAX_BATCH_BYTES, fault_of, without_records
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.virtual import TOPICS
from tests.support.record_batches import walkers

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


BOUNDS = "streamproc.kafka.batch_bounds"


def batch(
    codec: str, values: list[bytes], headers: list[tuple[str, bytes | None]] | None = None
) -> bytes:
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 1 << 30)
    for offset, value in enumerate(values):
        builder.append(offset, 1_000 + offset, b"k", value, headers or [])
    return bytes(builder.build())


def log_of(*batches: bytes) -> bytes:
    """Batches one after the other, each of two records."""
    return b"".join((2 * number).to_bytes(8, "big") + one[8:] for number, one in enumerate(batches))


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
    monkeypatch.setattr(f"{BOUNDS}.MAX_BATCH_BYTES", 1 << 20)
    fault = fault_of(batch(codec, [bytes(3 << 20)] * 2))
    assert fault is not None
    assert fault.startswith("a batch of 2 records unpacks to more than ")
    assert fault.endswith("; none of them is read")


def test_snappy_says_the_size_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{BOUNDS}.MAX_BATCH_BYTES", 1 << 20)
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
        (record,) = kind(bytearray(without_records(bytes(bomb))))
        assert (record.offset, record.key, record.value) == (69, None, None)


def test_one_record_stands_for_those_of_a_batch_with_a_negative_length() -> None:
    bomb = bytearray(batch("zstd", [bytes(1 << 16)] * 70))
    bomb[23:27] = b"\xff\xff\xff\xff"
    (record,) = DefaultRecordBatch(bytearray(without_records(bytes(bomb))))
    assert (record.offset, record.key) == (0, None)


@pytest.mark.parametrize("walker", walkers())
def test_both_readers_pass_it_over_and_read_what_follows(walker: Any) -> None:
    log = batch("zstd", [bytes(4 << 20)] * 3) + batch("gzip", usual()[:5])

    told: list[Any] = []
    batches = _Batches(RecordsAndBytes(log).data, 0, lambda *_: None, walker)
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


@pytest.mark.parametrize("codec", CODECS)
def test_headers_by_the_million_are_found(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers: list[tuple[str, bytes | None]] = [("", None), ("h", b"1")] * 500
    values = [b"x" * 3_000, *usual()[:9]]
    assert fault_of(batch(codec, values, headers)) is None
    monkeypatch.setattr(f"{BOUNDS}.COUNTED_BYTES", 10_000)
    assert fault_of(batch(codec, values, headers)) is None
    monkeypatch.setattr(f"{BOUNDS}.MAX_BATCH_HEADERS", 9_999)
    assert fault_of(batch(codec, values, headers)) == (
        "a batch of 10 records has more than 9999 headers; none of them is read"
    )
    monkeypatch.setattr(f"{BOUNDS}.MAX_BATCH_HEADERS", 0)
    assert fault_of(batch(codec, usual())) is None


async def polls(log: bytes, mark: ByBatch) -> list[list[FetchedBatch]]:
    """What a worker's consumer gets of one answer, poll by poll."""
    place, subscriptions = TopicPartition("t", 0), SubscriptionState()
    subscriptions.assign_from_user([place])
    assignment = subscriptions.subscription.assignment
    assignment.state_value(place).seek(0)
    records = BatchedPartition(place, RecordsAndBytes(log), [], 0, mark, None, True, 0)
    fetch = BoundedFetch(place, assignment=assignment, partition_records=records, backoff=0)
    found = []
    while fetch.has_more():
        found.append(fetch.getall(20_000))
        mark.begin_poll()
    return found


@pytest.mark.parametrize("walker", walkers())
async def test_a_poll_of_a_worker_takes_no_more_than_it_has_room_for(walker: Any) -> None:
    large, small = batch("zstd", [bytes(30_000)] * 2), batch("gzip", [b"x"] * 2)
    mark = ByBatch(walker=walker)
    log = log_of(large, large, large, small, large)
    (whole,) = await polls(log, mark)
    mark.room = 50_000
    (first, second) = await polls(log, mark)
    assert [len(first), len(second)] == [1, 4]
    offsets = [one.offset for each in (first, second) for part in each for one in part.records]
    assert offsets == [one.offset for part in whole for one in part.records] == list(range(10))
    mark.room = 0
    assert [len(one) for one in await polls(log, mark)] == [0, 5]


@pytest.mark.parametrize("walker", walkers())
async def test_a_value_that_no_event_can_have_is_not_kept(walker: Any) -> None:
    large = Random(3).randbytes(MAX_RECORD_BYTES + 1)
    log = log_of(batch("zstd", [large, large[1:]]), batch("none", [b"x", large]))
    ((first, second),) = await polls(log, ByBatch(max_value_bytes=MAX_RECORD_BYTES, walker=walker))
    with pytest.raises(DecodeFailure) as refused:
        decode_event(large, b"k")
    for unread in (first.records[0], second.records[1]):
        assert isinstance(unread, UnreadBatch)
        assert (unread.fault, refused.value.reason) == (refused.value.detail, "oversized")
    assert [len(one.value) for one in (first.records[1], second.records[0])] == [10**6, 1]
    ((first, _),) = await polls(log, ByBatch(walker=walker))
    assert first.records[0].value == large


def test_chunks_of_large_records_have_fewer_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.engine.fetched.MAX_CHUNK_BYTES", 10_000)
    large = bytes(9_000)
    records = [
        SimpleNamespace(
            offset=offset,
            value=large if 100 <= offset < 120 else None,
            headers=(),
            timestamp=0,
            timestamp_type=0,
        )
        for offset in range(300)
    ]
    intake = Intake(Place("t", 0))
    chunks = intake.chunks(records, 40, weight=10**6)
    assert [record for one in chunks for record in one.records] == records
    assert max(len(one.records) for one in chunks) == 40
    assert max(sum(bool(record.value) for record in one.records) for one in chunks) == 2
    assert [one.follows for one in chunks[1:]] == [one.offset + 1 for one in chunks[:-1]]
    assert len(Intake(Place("t", 0)).chunks(records, 40, weight=10_000)) == 8


def test_a_poll_of_kafka_python_takes_no_more_than_it_has_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_any_records()
    monkeypatch.setattr("streamproc.kafka.any_headers.MAX_POLL_BYTES", 50_000)
    place, other = KafkaPartition("t", 0), KafkaPartition("t", 1)
    subscriptions = KafkaSubscriptions()
    subscriptions.assign_from_user([place, other])
    for one in (place, other):
        subscriptions.seek(one, OffsetAndMetadata(0, "", -1))
    large, small = batch("zstd", [bytes(30_000)] * 2), batch("none", [b"x"] * 2)
    reader = Fetcher.__new__(Fetcher)
    reader._subscriptions, reader._sensors = subscriptions, None
    reader._completed_fetches, reader._next_in_line_exception_metadata = [], None
    reader._paused_completed_fetches, reader._paused_partition_records = {}, {}
    logs = {place: log_of(small, large, small, large), other: log_of(large)}
    found: dict[Any, list[int]] = {place: [], other: []}
    sizes = []
    for at, log in logs.items():
        reader._next_partition_records = BoundedPartition(0, at, AnyRecords(log))
        for _ in range(4):
            polled, _ = reader.fetched_records(500)
            sizes.append(sum(len(one) for one in polled.values()))
            for one in polled.get(at, []):
                found[at].append(one.offset)
    assert found == {place: list(range(8)), other: [0, 1]}
    assert sizes == [4, 4, 0, 0, 2, 0, 0, 0]
