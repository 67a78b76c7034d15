"""What the producer refuses, and how it says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import ToppedUp
from streamproc.producer import AccountActivated, InvalidEventError, build, usage
from streamproc.producing.events import checked, subscriber_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "subscriber": "8613800000001", "source": "ocs-1", "id": "c1", "time": NOON, "total_bytes": 5
}  # fmt: skip


def test_an_event_is_keyed_by_its_subscriber_and_is_what_the_worker_reads() -> None:
    event = usage(**GOOD)

    key, value = checked(event)

    assert key == b"8613800000001"
    assert decode_event(value, key) == event
    assert subscriber_of(value) == key


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"total_bytes": -1}, "total_bytes", "must be a whole number of at least 0"),
        ({"total_bytes": 2**53}, "total_bytes", "whole number of at most 9007199254740991"),
        ({"total_bytes": 1.5}, "total_bytes", "not a number with a fraction"),
        ({"total_bytes": "5"}, "total_bytes", "whole number, not text"),
        ({"total_bytes": None}, None, "needs either total_bytes or both"),
        ({"uplink_bytes": 1}, None, "needs either total_bytes or both"),
        ({"time": datetime(2026, 1, 5)}, "time", "time zone"),
        ({"subscriber": ""}, "subscriber", "3 to 64"),
        ({"subscriber": "x" * 65}, "subscriber", "3 to 64"),
        ({"subscriber": "_8613800000001"}, "subscriber", "a letter or digit"),
        ({"subscriber": 8613800000001}, "subscriber", "must be text"),
        ({"subscriber": "\0abc"}, "subscriber", "printable"),
        ({"source": ""}, "source", "must not be empty"),
        ({"id": "x" * 129}, "id", "at most 128 characters"),
        ({"rating_group": 2**32}, "rating_group", "at most 4294967295"),
    ],
)
def test_a_wrong_event_names_the_field_and_the_rule(
    change: dict[str, Any], field: str | None, says: str
) -> None:
    with pytest.raises(InvalidEventError, match=says) as caught:
        usage(**{**GOOD, **change})

    assert caught.value.field == field
    assert "8613800000001" not in str(caught.value)


def test_missing_and_unknown_fields_are_named() -> None:
    with pytest.raises(InvalidEventError, match="plan: is missing"):
        build(AccountActivated, subscriber="861", source="crm", time_zone="Asia/Shanghai")
    with pytest.raises(InvalidEventError, match="volume: UsageRecorded has no such field"):
        usage_with_unknown_field()
    with pytest.raises(InvalidEventError, match="either pack or granted_bytes"):
        build(ToppedUp, subscriber="861", source="crm")


def usage_with_unknown_field() -> None:
    from streamproc.core.state.events import UsageRecorded

    build(UsageRecorded, **GOOD, volume=3)


def test_ids_differ_when_none_is_given() -> None:
    first = usage("861380", source="s", total_bytes=1)
    second = usage("861380", source="s", total_bytes=1)

    assert first.id != second.id
    assert first.time.tzinfo is not None
