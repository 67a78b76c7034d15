"""The trace context of records: where it is found, and what is not passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamproc.tracing.context import MAX_STATE_BYTES, NO_TRACE, trace_of

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"
STATE = b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=utf-8")


def envelope(**attributes: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "data": {"traceparent": "x"}, **attributes}).encode()


def test_a_context_is_passed_on_as_it_is() -> None:
    headers = [("other", b"1"), ("traceparent", PARENT), ("tracestate", STATE), ("baggage", b"a=1")]
    assert trace_of(headers) == (("traceparent", PARENT), ("tracestate", STATE))
    assert trace_of([("traceparent", b" " + PARENT + b"\t")]) == (("traceparent", PARENT),)
    assert trace_of([("Traceparent", PARENT)]) == (("traceparent", PARENT),)


@pytest.mark.parametrize("headers", [None, (), [("tracestate", STATE)], [("traceparent", None)]])
def test_without_a_parent_there_is_no_context(headers: Any) -> None:
    assert trace_of(headers) == NO_TRACE


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + b"-more",
        PARENT + b"\n",
        PARENT + b"\r\nx-other: 1",
        b"ff" + PARENT[2:],
        b"00-" + b"0" * 32 + PARENT[35:],
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"cc" + PARENT[2:] + b"-a b",
        b"cc" + PARENT[2:] + b"-" + b"a" * 201,
        "٠٠".encode() + PARENT[2:],
    ],
)
def test_what_has_not_the_form_is_not_passed_on(parent: bytes) -> None:
    assert trace_of([("traceparent", parent), ("tracestate", STATE)]) == NO_TRACE


@pytest.mark.parametrize("more", [b"", b"-", b"-what-the-future-will-be-like"])
def test_a_later_version_may_say_more(more: bytes) -> None:
    parent = b"cc" + PARENT[2:] + more
    assert trace_of([("traceparent", parent)]) == (("traceparent", parent),)


def test_of_two_parents_none_is_taken() -> None:
    assert trace_of([("traceparent", PARENT), ("traceparent", OTHER)]) == NO_TRACE


def test_a_state_in_parts_is_one_list() -> None:
    headers = [("traceparent", PARENT), ("tracestate", b"a=1"), ("tracestate", b" b=2 ")]
    assert trace_of(headers)[1] == ("tracestate", b"a=1,b=2")


@pytest.mark.parametrize(
    "state", [b"", b"a=1\r\nx: 1", "a=é".encode(), b"a=" + b"1" * (MAX_STATE_BYTES - 1)]
)
def test_the_trace_goes_on_without_a_state_of_another_form(state: bytes) -> None:
    assert trace_of([("traceparent", PARENT), ("tracestate", state)]) == (("traceparent", PARENT),)


def test_a_cloud_event_has_the_context_in_its_attributes() -> None:
    both = (("traceparent", PARENT), ("tracestate", STATE))
    assert trace_of([("ce_traceparent", PARENT), ("ce_tracestate", STATE)]) == both
    value = envelope(traceparent=PARENT.decode(), tracestate=STATE.decode())
    assert trace_of([STRUCTURED], value) == both
    assert trace_of([STRUCTURED], envelope(traceparent=PARENT.decode())) == both[:1]


def test_the_header_of_the_last_hop_comes_first() -> None:
    value = envelope(traceparent=OTHER.decode())
    for others in ([("ce_traceparent", OTHER)], [STRUCTURED]):
        assert trace_of([*others, ("traceparent", PARENT)], value) == (("traceparent", PARENT),)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        envelope(),
        envelope(traceparent=7),
        envelope(traceparent=PARENT.decode() + "\r\n"),
        envelope(traceparent="\udfff"),
        b'{"traceparent"',
        b'{"traceparent": "\xff"}',
        b'["traceparent"]',
    ],
)
def test_an_envelope_without_a_right_context_has_none(value: bytes | None) -> None:
    assert trace_of([STRUCTURED], value) == NO_TRACE


def test_the_value_of_a_plain_record_is_not_searched() -> None:
    assert trace_of([("other", b"1")], envelope(traceparent=PARENT.decode())) == NO_TRACE
