"""Fetched batches that the compiled part walks: the same records as aiokafka's reader gives."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.fetched import (
    WalkedRecords,
    Walker,
    count_before,
    ends_of_chunks,
    header_count,
    joined,
    most_value_bytes,
)
from streamproc.kafka.any_headers import HeaderName
from tests.property.budget import budget
from tests.support.compiled import IS_NATIVE
from tests.support.record_batches import (
    NO_PRODUCER,
    Fetch,
    Written,
    batch_of,
    fetched,
    fields,
    marker,
    sealed,
    walkers,
)

pytestmark = pytest.mark.skipif(not IS_NATIVE, reason="the compiled part is not installed")

STAMP_MS = 1_767_225_600_000
some_bytes = st.none() | st.binary(max_size=40) | st.just(b"v" * 300)
names = st.text(max_size=5) | st.just(HeaderName(b"gr\xfcn"))
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=9)), max_size=3)
stamps = st.integers(STAMP_MS - 9, STAMP_MS + 9) | st.sampled_from([-1, 0, (1 << 62) - 1])


@st.composite
def some_records(draw: Any) -> list[Written]:
    deltas = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True).map(sorted))
    return [
        Written(delta, draw(stamps), draw(some_bytes), draw(some_bytes), draw(headers))
        for delta in deltas
    ]


@st.composite
def logs(draw: Any) -> tuple[bytes, list[tuple[int, int]]]:
    """The bytes of a fetch, and its aborted transactions."""
    data, offset = b"", 0
    aborted: list[tuple[int, int]] = []
    open_at: dict[int, int] = {}
    """The first offsets of transactions, by producer."""
    for _ in range(draw(st.integers(1, 6))):
        offset += draw(st.sampled_from([0, 0, 0, 3]))  # compaction takes whole batches, too
        if open_at and draw(st.booleans()):
            producer = draw(st.sampled_from(sorted(open_at)))
            is_commit = draw(st.booleans())
            if not is_commit:
                aborted.append((producer, open_at[producer]))
            del open_at[producer]
            data += marker(offset, producer, is_commit=is_commit)
            offset += 1
            continue
        records = draw(some_records())
        producer = draw(st.sampled_from([NO_PRODUCER, NO_PRODUCER, 7, 8]))
        last = records[-1].delta + draw(st.sampled_from([0, 0, 2]))
        data += batch_of(
            records,
            offset,
            draw(st.integers(0, 4)),
            last_delta=last,
            has_append_time=draw(st.booleans()),
            producer=producer,
        )
        if producer != NO_PRODUCER:
            open_at.setdefault(producer, offset)
        offset += last + 1
    return data, aborted


def told(fetch: Fetch) -> Any:
    """Everything that a worker hears of a fetch."""
    batches = [
        (one.asked_offset, one.weight, [fields(record) for record in one.records])
        for one in fetch.batches
    ]
    return batches, fetch.passed, fetch.missing, fetch.next_offset


@budget(150)
@given(logs(), st.integers(0, 12), st.sampled_from([None, 5, 100]))
def test_both_readers_tell_the_same_of_any_log(
    log: tuple[bytes, list[tuple[int, int]]], first: int, max_value_bytes: int | None
) -> None:
    data, aborted = log
    # A broker begins with the batch that has the offset.
    first = min(first, int.from_bytes(data[:8]) + int.from_bytes(data[23:27]))
    listed, walked = (
        fetched(data, first, walker, aborted, max_value_bytes) for walker in walkers()
    )
    assert told(walked) == told(listed)
    assert not any(isinstance(one, WalkedRecords) for one in listed.parts)
    if max_value_bytes is None:
        assert all(isinstance(one, WalkedRecords) for one in walked.parts), "it declined"


@budget(100)
@given(logs(), st.integers(1, 7), st.integers(0, 40), st.data())
def test_parts_of_a_fetch_are_the_same_parts(
    log: tuple[bytes, list[tuple[int, int]]], size: int, offset: int, data: Any
) -> None:
    listed, walked = (joined(fetched(log[0], 0, one).parts or [[]]) for one in walkers())
    count = len(listed)
    assert len(walked) == count
    assert count_before(walked, offset) == count_before(listed, offset)
    assert header_count(walked) == header_count(listed)
    if not count:
        return
    assert most_value_bytes(walked) == most_value_bytes(listed)
    for weight in (0, 1 << 30):
        assert ends_of_chunks(walked, size, weight) == ends_of_chunks(listed, size, weight)
    start, end = (data.draw(st.integers(-count - 1, count + 1)) for _ in range(2))
    part, same = walked[start:end], listed[start:end]
    assert [fields(one) for one in part] == [fields(one) for one in same]
    for index in range(-len(same), len(same)):
        assert fields(part[index]) == fields(same[index])
    for index in (len(same), -len(same) - 1):
        with pytest.raises(IndexError):
            part[index]
    inner = part[1:][:2]
    assert [one.offset for one in inner] == [one.offset for one in same[1:][:2]]


def test_chunks_of_large_records_end_where_those_of_objects_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamproc.engine.fetched.MAX_CHUNK_BYTES", 1_000)
    sizes = [0, 10, 2_000, 5, 5, 900, 900, 0, *[1] * 20]
    records = [
        Written(at, STAMP_MS, b"k", b"v" * size, [("h", b"")] * (at % 5))
        for at, size in enumerate(sizes)
    ]
    listed, walked = (joined(fetched(batch_of(records), 0, one).parts) for one in walkers())
    ends = ends_of_chunks(listed, 4, 1 << 30)
    assert ends_of_chunks(walked, 4, 1 << 30) == ends
    assert len(ends) > len(ends_of_chunks(listed, 4, 0))


def outcome(data: bytes, walker: Walker | None) -> Any:
    try:
        return told(fetched(data, 0, walker))
    except Exception as error:  # each codec has errors of its own
        return type(error), str(error)


def damaged(data: bytes, random: Random, is_sealed: bool) -> bytes:
    broken = bytearray(data)
    for _ in range(random.randint(1, 3)):
        broken[random.randrange(61, len(broken))] = random.randrange(256)
    return sealed(broken) if is_sealed else bytes(broken)


@budget(150)
@given(some_records(), st.integers(0, 4), st.integers(0, 1 << 30), st.booleans())
def test_a_damaged_batch_is_read_or_refused_as_by_aiokafka(
    records: list[Written], codec: int, seed: int, is_sealed: bool
) -> None:
    """With a right checksum its sender wrote it so; else it changed on its way."""
    data = damaged(batch_of(records, 5, codec), Random(seed), is_sealed)
    listed, walked = (outcome(data, one) for one in walkers())
    assert walked == listed


@pytest.mark.parametrize("codec", range(5))
def test_a_wrong_checksum_stops_both(codec: int) -> None:
    data = bytearray(batch_of([Written(0, STAMP_MS, b"k", b"v" * 100)], 5, codec))
    data[18] ^= 1
    for walker in walkers():
        with pytest.raises(CorruptRecordException, match="CRC"):
            fetched(bytes(data), 0, walker)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.__setitem__(
            slice(57, 61), (2).to_bytes(4)
        ),  # one record more than it has
        lambda data: data.__setitem__(slice(57, 61), (0).to_bytes(4)),
        lambda data: data.extend(b"\x00"),
        lambda data: data.__setitem__(22, 6),  # a codec that nobody knows
    ],
)
def test_a_batch_that_contradicts_itself_is_left_to_aiokafka(
    change: Callable[[bytearray], object],
) -> None:
    data = bytearray(batch_of([Written(0, STAMP_MS, b"k", b"v")]))
    change(data)
    data[8:12] = (len(data) - 12).to_bytes(4)
    listed, walked = (outcome(sealed(data), one) for one in walkers())
    assert walked == listed
