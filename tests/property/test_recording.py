"""Recordings keep every byte, pseudonyms never collide, slices are cut where records would be."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from streamproc.kafka.any_headers import HeaderName
from streamproc.kafka.recording import LogRecord
from streamproc.kafka.recording.record_lines import RecordLine, from_line, parse_lines, to_line
from streamproc.tools.replay.pace import ReplayPace
from streamproc.tools.replay.pseudonyms import Pseudonyms
from tests.property.budget import budget
from tests.unit.test_replay_selection import KEY

DIGITS = st.text("0123456789", min_size=5, max_size=15)


@budget(100)
@given(
    st.builds(
        LogRecord,
        st.none() | st.binary(),
        st.none() | st.binary() | st.text().map(str.encode),
        st.integers(0, 2**53),
        st.lists(
            st.tuples(st.text() | st.binary().map(HeaderName), st.none() | st.binary()), max_size=3
        ).map(tuple),
        st.none() | st.integers(0, 1000),
        st.none() | st.integers(0, 2**53),
        st.none() | st.text(),
    )
)
def test_a_line_keeps_every_byte(record: LogRecord) -> None:
    line = to_line(record)

    assert b"\n" not in line
    (parsed,) = parse_lines(line, Path("x"), 0)
    found = from_line(parsed)
    assert found == record
    assert [name.encode() for name, _ in found.headers] == [
        name.encode() for name, _ in record.headers
    ]


@budget(100)
@given(st.lists(DIGITS, unique=True, max_size=40))
def test_pseudonyms_are_of_the_same_form_stable_and_never_collide(numbers: list[str]) -> None:
    first, second = Pseudonyms(KEY), Pseudonyms(KEY)
    made = [first.of(number) for number in numbers]

    assert made == [second.of(number) for number in numbers]
    assert len(set(made)) == len(numbers)
    for number, pseudonym in zip(numbers, made, strict=True):
        assert len(pseudonym) == len(number)
        assert pseudonym.isdecimal()


def test_a_whole_range_is_permuted_and_another_key_permutes_otherwise() -> None:
    ours, theirs = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    made = [ours.of(f"{number:05d}") for number in range(500)]
    all_of_head = {ours.of(f"1{number:04d}") for number in range(10_000)}
    other = [theirs.of(f"{number:05d}") for number in range(500)]

    assert all_of_head == {f"1{number:04d}" for number in range(10_000)}
    assert len(set(made)) == 500
    assert sum(one == two for one, two in zip(made, other, strict=True)) < 5


@budget(100)
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_blocks_are_cut_where_records_one_by_one_would_be(sizes: list[int], limit: int) -> None:
    singly, blocks = ReplayPace(None, limit), ReplayPace(None, limit)
    ends = [singly.ends_slice(0) for _ in range(sum(sizes))]
    found: list[bool] = []
    for size in sizes:
        for part in blocks.slices([RecordLine()] * size):
            found += [part.begins] + [False] * (len(part.lines) - 1)

    assert found == ends
