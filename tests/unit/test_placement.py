"""Records in the wrong partition: warned of once per source and hour, copied as they are."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.origin import origin_header, origin_of
from streamproc.core.state.events import Arrival
from streamproc.partitioner import partition_of
from streamproc.worker import placement
from streamproc.worker.hourly import WARN_SECONDS
from streamproc.worker.placement import MAX_FORWARDED_BYTES, Placement
from streamproc.worker.virtual import InputRecord

KEY = b"8613800000003"
RIGHT = 2  # of 4
ARRIVAL = Arrival(1_000, "events", 1, 7)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def warned(clock: Clock, *warnings: tuple[float, str]) -> list[tuple[Any, Any]]:
    """Source and number of records of each warning."""
    placed = Placement(4, "refuse", "forwarded", clock)
    with capture_logs() as logs:
        for at, source in warnings:
            clock.now = at
            placed.warn(source, ARRIVAL, RIGHT, is_forwarded=False)
    return [(one["source"], one["records"]) for one in logs]


def test_a_source_is_warned_of_once_an_hour_with_its_records_since() -> None:
    hour = WARN_SECONDS
    assert warned(
        Clock(), (0, "ocs"), (1, "ocs"), (2, "crm"), (hour - 1, "ocs"), (hour, "ocs")
    ) == [("ocs", 1), ("crm", 1), ("ocs", 3)]


def test_very_many_sources_share_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "WARNED_SOURCES", 2)
    assert warned(Clock(), *((at, f"s{at}") for at in range(5))) == [
        ("s0", 1),
        ("s1", 1),
        ("(others)", 1),
    ]
    assert warned(Clock(), (0, "a"), (0, "b"), (WARN_SECONDS, "c"))[-1] == ("c", 1)


def test_a_warning_says_where_what_and_how_to_mend_it() -> None:
    with capture_logs() as logs:
        Placement(4, "forward", "forwarded").warn("ocs", ARRIVAL, RIGHT, is_forwarded=True)
    (one,) = logs
    assert one["event"] == "records are in the wrong partition and are forwarded"
    assert one["log_level"] == "warning"
    assert (one["topic"], one["partition"], one["belongs_in"]) == ("events", 1, RIGHT)
    assert "partitioner=murmur2_random" in one["advice"]


def test_a_place_is_right_or_names_the_right_one() -> None:
    placed = Placement(4)
    assert [placed.elsewhere(KEY, number) for number in range(4)] == [2, 2, None, 2]
    assert Placement().elsewhere(KEY, 1) is None, "nobody knows how many partitions there are"
    assert placed.elsewhere(KEY, None) is None, "nor in which one it lies"


def test_forgetting_keys_changes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "REMEMBERED_KEYS", 3)
    placed = Placement(4)
    keys = [f"86138{number:08}".encode() for number in range(20)]
    for _ in range(2):
        assert [placed.elsewhere(key, -1) for key in keys] == [partition_of(key, 4) for key in keys]


def record(value: bytes, **more: Any) -> InputRecord:
    return InputRecord("events", 1, 7, KEY, value, 1_000, **more)


def test_a_copy_is_the_record_and_names_its_origin() -> None:
    copy = Placement(4, "forward", "forwarded").copy_of(
        record(b"{}", headers=(("ce_id", b"7"), ("trace", None))), ARRIVAL
    )
    assert copy is not None
    assert (copy.key, copy.value, copy.timestamp_ms) == (KEY, b"{}", 1_000)
    assert list(copy.headers) == [
        ("ce_id", b"7"),
        ("trace", None),
        ("streamproc-origin", b"events/1/7"),
    ]
    assert origin_of(copy.headers) == ("events", 1, 7)


def test_nothing_is_forwarded_twice_or_beyond_what_the_broker_takes() -> None:
    placed = Placement(4, "forward", "forwarded")
    assert placed.copy_of(record(b"{}"), Arrival(1_000, "forwarded", 1, 7)) is None
    assert placed.copy_of(record(b"x" * (MAX_FORWARDED_BYTES - 100)), ARRIVAL) is not None
    assert placed.copy_of(record(b"x" * MAX_FORWARDED_BYTES), ARRIVAL) is None
    assert placed.copy_of(record(b"{}", headers=(("h", b"x" * 900_000),)), ARRIVAL) is None
    assert Placement(4).copy_of(record(b"{}"), ARRIVAL) is None, "refusing is the default"


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        (b"a/b/1/2", ("a/b", 1, 2)),
        (b"events/1", None),
        (b"events/one/2", None),
        (b"\xff/1/2", ("\ufffd", 1, 2)),
        (None, None),
    ],
)
def test_an_origin_is_read_back_or_is_none(content: bytes | None, origin: Any) -> None:
    assert origin_of([("other", b"x/1/2"), ("streamproc-origin", content)]) == origin
    name, written = origin_header("events", 3, 4)
    assert origin_of([(name, written)]) == ("events", 3, 4)
