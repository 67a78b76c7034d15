"""One struct for the fields of a usage event: senders, readers and the oracle follow it."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from streamproc.cli import main
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.core.state.events import InputEvent, UsageRecorded
from streamproc.lab.oracle import reading
from streamproc.producer import InvalidEventError, usage
from streamproc.producing.readers.mapping import parse_mapping
from tests.support.line import SUBSCRIBER, Line, day, rulebook

COMMON = {"id", "source", "subscriber", "time"}
NOTHING_IS_DECIDED_BY = {
    name for name, says in UsageRecorded.SAYS.items() if says.endswith("nothing is decided by it.")
}
"""Fields that the core does not read. They are for other readers of the log."""
MAPPING = """
source: gsn-7
fields:
  subscriber: {column: msisdn}
  time: {column: at}
  total_bytes: {column: bytes}
  member: {column: who}
  rating_group: {column: rg}
"""
ROW = {"msisdn": "pool-17", "at": "2026-01-05T12:00:00Z", "bytes": "7", "who": "8613800000001"}


def test_every_field_is_told_what_it_is() -> None:
    assert [one.name for one in USAGE_FIELDS] == list(UsageRecorded.SAYS)
    assert set(UsageRecorded.SAYS) == set(UsageRecorded.__struct_fields__) - COMMON


def test_the_core_reads_every_field_but_those_that_nothing_is_decided_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: set[str] = set()

    def reading_of(event: UsageRecorded, name: str) -> Any:
        read.add(name)
        return object.__getattribute__(event, name)

    line = Line(rulebook())
    line.activate()
    events = (
        UsageRecorded("1", "s", SUBSCRIBER, day(1), total_bytes=5),
        UsageRecorded("2", "s", SUBSCRIBER, day(1), uplink_bytes=5, downlink_bytes=2),
    )
    monkeypatch.setattr(UsageRecorded, "__getattribute__", reading_of)
    for event in events:
        line.feed(event)

    assert set(UsageRecorded.SAYS) - read == NOTHING_IS_DECIDED_BY


def test_the_producers_function_takes_every_field_with_its_default() -> None:
    taken = {
        name: one.default
        for name, one in inspect.signature(usage).parameters.items()
        if name not in {*COMMON, "numbering"}
    }

    assert taken == {one.name: one.default for one in USAGE_FIELDS}


def test_send_has_an_option_for_every_field() -> None:
    defaults = {one.name: one.default for one in main.commands["send"].params}

    assert [defaults[one.name] for one in USAGE_FIELDS] == [one.default for one in USAGE_FIELDS]


def test_a_mapping_takes_every_field() -> None:
    event = parse_mapping(MAPPING, "m.yaml").event({**ROW, "rg": " 20 "}, "1")
    assert event is not None

    assert b'"member":"8613800000001"' in event.value
    assert b'"rating_group":20' in event.value
    with pytest.raises(InvalidEventError, match="rating_group: is not a number"):
        parse_mapping(MAPPING, "m.yaml").event({**ROW, "rg": "video"}, "1")


@pytest.mark.parametrize("kind", get_args(InputEvent), ids=lambda one: one.__struct_config__.tag)
def test_the_oracle_reads_the_fields_of_every_event(kind: Any) -> None:
    required, optional = reading._EVENTS[kind.__struct_config__.tag]
    declared = {one.name: one.default is NODEFAULT for one in fields(kind)}

    assert dict.fromkeys(required, True) | dict.fromkeys(optional, False) == declared
