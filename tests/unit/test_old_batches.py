"""Batches of the formats before Kafka 0.11, as old logs have them: bounded, and read otherwise."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from streamproc.engine.cluster import UnreadBatch
from streamproc.engine.faust.whole_batches import RecordsAndBytes, _Batches
from streamproc.kafka.any_headers import AnyRecords
from streamproc.kafka.batch_bounds import fault_of, without_records

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3}
PACKED = [
    *((form, codec) for form in (0, 1) for codec in ("gzip", "snappy")),
    (1, "lz4"),  # format 0 has another kind of lz4, which no client reads
]
BOUNDS = "streamproc.kafka.batch_bounds"
STAMP_MS = 1_000


def old(form: Any, codec: str, values: list[bytes], first: int = 0) -> bytes:
    """A log of these records; packed, they are one message with the offset of the last one."""
    builder = LegacyRecordBatchBuilder(form, CODECS[codec], 1 << 30)
    for offset, value in enumerate(values, first):
        builder.append(offset, STAMP_MS + offset if form else None, b"k", value)
    built = bytearray(builder.build())
    if codec != "none":
        # As brokers write it: the message has offset and timestamp of its last record.
        last = first + len(values) - 1
        built[:8] = last.to_bytes(8, "big")
        if form:
            built[18:26] = (STAMP_MS + last).to_bytes(8, "big")
        built[12:16] = zlib.crc32(built[16:]).to_bytes(4, "big")
    return bytes(built)


def read_by_a_worker(log: bytes) -> list[Any]:
    batches = _Batches(RecordsAndBytes(log).data, 0, lambda *_: None)
    found: list[Any] = []
    while batches.has_next():
        for one in batches.next_batch():
            found += one.records
    return found


def read_by_a_tool(log: bytes) -> list[Any]:
    batches = AnyRecords(log)
    found: list[Any] = []
    while batches.has_next():
        one = batches.next_batch()
        assert one.validate_crc()
        found += one
    return found


@pytest.mark.parametrize(("form", "codec"), [(0, "none"), (1, "none"), *PACKED])
def test_usual_ones_are_read_by_all(form: int, codec: str) -> None:
    log = old(form, codec, [b"a", b"b"]) + old(form, codec, [b"c"], 2)
    for read in (read_by_a_worker, read_by_a_tool):
        found = read(log)
        assert [(one.offset, one.key, one.value) for one in found] == [
            (0, b"k", b"a"),
            (1, b"k", b"b"),
            (2, b"k", b"c"),
        ]
        # Format 0 has no timestamps; -1 says so, as in later formats.
        assert [one.timestamp for one in found] == ([1_000, 1_001, 1_002] if form else [-1] * 3)
        assert not any(one.headers for one in found)


@pytest.mark.parametrize(("form", "codec"), PACKED)
def test_a_bomb_is_passed_by_all_and_what_follows_is_read(form: int, codec: str) -> None:
    # Others than gzip pack less tightly, so only the bound of the whole content is exceeded.
    size, more = (3 << 20, "500 times its size") if codec == "gzip" else (17 << 20, "16 MiB")
    bomb = old(form, codec, [bytes(size)])
    fault = fault_of(bomb)
    assert fault == f"a batch of a format before 0.11 unpacks to more than {more}; it is not read"
    log = bomb + old(form, codec, [b"after"], 1)
    first, second = read_by_a_worker(log)
    assert isinstance(first, UnreadBatch)
    assert (first.offset, first.fault, first.timestamp) == (0, fault, STAMP_MS if form else -1)
    assert (second.offset, second.value) == (1, b"after")
    first, second = read_by_a_tool(log)
    assert (first.offset, first.key, first.value) == (0, None, None)
    assert first.timestamp == (STAMP_MS if form else -1)
    assert (second.offset, second.value) == (1, b"after")


@pytest.mark.parametrize("form", [0, 1])
def test_damaged_ones_are_left_to_the_library(form: int) -> None:
    whole = old(form, "gzip", [b"x" * 100])
    for end in range(18, len(whole)):
        fault_of(whole[:end])
    lengths = whole[:18] + b"\x7f\xff\xff\xff" * 8
    fault_of(lengths)
    assert len(without_records(whole)) < len(whole)
