"""The CloudEvents 1.0 Kafka binding in both modes, held against the specification and its SDK."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from tests.contract.contract import INPUTS
from tests.contract.strategies import instances
from tests.property.budget import budget

SUBSCRIBER = "8613800000001"
KEY = SUBSCRIBER.encode()
ENVELOPE = {
    "specversion": "1.0",
    "type": "streamproc.usage.recorded.v1",
    "source": "https://ocs.example.com/region/south",
    "id": "cdr-1",
    "subject": SUBSCRIBER,
    "time": "2026-01-05T08:30:00Z",
}
DATA = {"total_bytes": 1048576, "rating_group": 10}
PLAIN = {
    "type": "usage.recorded",
    "source": ENVELOPE["source"],
    "id": "cdr-1",
    "subscriber": SUBSCRIBER,
    "time": "2026-01-05T08:30:00Z",
    **DATA,
}
EVENT = decode_event(json.dumps(PLAIN).encode(), KEY)
HEADERS = {f"ce_{name}": text.encode() for name, text in ENVELOPE.items()}
JSON_TYPE = {"content-type": b"application/json"}
STRUCTURED = {"content-type": b"application/cloudevents+json"}

Message = tuple[bytes | None, dict[str, Any]]


def binary(data: Any = DATA, **headers: Any) -> Message:
    """A record in binary mode; ``...`` leaves a header out."""
    chosen = {"content_type": b"application/json", **HEADERS, **headers}
    named = {name.replace("content_type", "content-type"): one for name, one in chosen.items()}
    value = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    return value, {name: one for name, one in named.items() if one is not ...}


def structured(content_type: bytes = STRUCTURED["content-type"], **members: Any) -> Message:
    chosen = {**ENVELOPE, "data": DATA, **members}
    envelope = {name: one for name, one in chosen.items() if one is not ...}
    return json.dumps(envelope).encode(), {"content-type": content_type}


def decode(message: Message, key: bytes | None = KEY) -> Any:
    value, headers = message
    return decode_event(value, key, list(headers.items()))


def as_base64(data: Any) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


ACCEPTED = {
    "binary": binary(),
    "binary, data without content type": binary(content_type=...),
    "binary, content type with parameters": binary(
        content_type=b'Application/JSON ; Charset="UTF-8"; profile=x'
    ),
    "binary, content type with json suffix": binary(
        content_type=b"application/vnd.acme.usage+json"
    ),
    "binary, header names in capitals": (
        json.dumps(DATA).encode(),
        {name.upper(): one for name, one in {**HEADERS, **JSON_TYPE}.items()},
    ),
    "binary, unknown extensions": binary(
        ce_partitionkey=KEY, ce_traceparent=b"00-0af7651916cd43dd-01", ce_odd=b"\xff", odd=b"\xff"
    ),
    "binary, extension without value": binary(ce_dataschema=None),
    "binary, subscriber in the data": binary({**DATA, "subscriber": SUBSCRIBER}, ce_subject=...),
    "binary, time in the data": binary({**DATA, "time": ENVELOPE["time"]}, ce_time=...),
    "binary, the whole plain event as data": binary(PLAIN),
    "binary, the same instant otherwise": binary({**DATA, "time": "2026-01-05T16:30:00+08:00"}),
    "structured": structured(),
    "structured, media type in capitals, with charset": structured(
        b"APPLICATION/CloudEvents+JSON; charset=UTF-8"
    ),
    "structured, charset quoted": structured(b'application/cloudevents+json;charset="utf-8"'),
    "structured, data declared as JSON": structured(datacontenttype="application/json"),
    "structured, data declared as JSON by suffix": structured(
        datacontenttype="application/vnd.acme.usage+json; charset=utf-8"
    ),
    "structured, data in Base64": structured(
        data=..., data_base64=as_base64(DATA), datacontenttype="application/json"
    ),
    "structured, unset attributes as null": structured(
        datacontenttype=None, dataschema=None, data_base64=None
    ),
    "structured, unknown extensions": structured(partitionkey=SUBSCRIBER, odd=5, flag=True),
    "structured, subject null, subscriber in the data": structured(
        subject=None, data={**DATA, "subscriber": SUBSCRIBER}
    ),
    "structured, headers too": (
        structured()[0],
        {**STRUCTURED, **HEADERS, "ce_id": b"other"},
    ),
    "plain with foreign headers": (
        json.dumps(PLAIN).encode(),
        {"traceparent": b"00-0af7651916cd43dd-01", "ce_odd": b"1", "content-type": b"text/plain"},
    ),
}


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED)
def test_every_lawful_form_is_the_same_event(message: Message) -> None:
    assert decode(message) == EVENT


REFUSED = {
    "no id": ("bad_envelope", binary(ce_id=...)),
    "empty id": ("bad_envelope", binary(ce_id=b"")),
    "id without value": ("bad_envelope", binary(ce_id=None)),
    "no source": ("bad_envelope", binary(ce_source=...)),
    "no type": ("bad_envelope", binary(ce_type=...)),
    "no specversion": ("bad_envelope", binary(ce_specversion=...)),
    "other specversion": ("bad_envelope", binary(ce_specversion=b"0.3")),
    "header not UTF-8": ("bad_envelope", binary(ce_id=b"\xff\xfe")),
    "content type not UTF-8": ("bad_envelope", binary(content_type=b"application/json\xff")),
    "data not JSON by type": ("bad_envelope", binary(content_type=b"application/avro")),
    "data in another charset": (
        "bad_envelope",
        binary(content_type=b"application/json; charset=utf-16"),
    ),
    "subject and subscriber differ": (
        "bad_envelope",
        binary({**DATA, "subscriber": "8613800000002"}),
    ),
    "id differs": ("bad_envelope", binary({**DATA, "id": "cdr-2"})),
    "id of another sort": ("bad_envelope", binary({**DATA, "id": 1})),
    "source differs": ("bad_envelope", binary({**DATA, "source": "ocs-2"})),
    "type differs": ("bad_envelope", binary({**DATA, "type": "account.closed"})),
    "time differs": ("bad_envelope", binary({**DATA, "time": "2026-01-05T08:30:01Z"})),
    "time without offset differs": (
        "bad_envelope",
        binary({**DATA, "time": "2026-01-05T08:30:00"}),
    ),
    "foreign type": ("unknown_type", binary(ce_type=b"com.example.usage")),
    "type without version": ("unknown_type", binary(ce_type=b"streamproc.usage.recorded")),
    "type of a later version": ("unknown_type", binary(ce_type=b"streamproc.usage.recorded.v2")),
    "our form, no such event": ("unknown_type", binary(ce_type=b"streamproc.usage.imagined.v1")),
    "data not JSON": ("malformed_json", binary(b"<usage/>")),
    "data not an object": ("contract_violation", binary([1])),
    "data a JSON text in a string": ("contract_violation", structured(data=json.dumps(DATA))),
    "no data where it is needed": ("contract_violation", binary(None)),
    "no time at all": ("contract_violation", binary(ce_time=...)),
    "no subscriber at all": ("contract_violation", binary(ce_subject=...)),
    "integer beyond 64 bits": ("contract_violation", binary({"total_bytes": 2**70})),
    "integer written as a fraction": ("contract_violation", binary(b'{"total_bytes":1.0}')),
    "unknown field": ("contract_violation", binary({**DATA, "surprise": 1})),
    "other subject than the key": ("key_mismatch", binary(ce_subject=b"8613800000002")),
    "structured without value": ("tombstone", (None, STRUCTURED)),
    "structured with empty value": ("empty", (b"", STRUCTURED)),
    "structured, not JSON": ("malformed_json", (b"{", STRUCTURED)),
    "structured, no object": ("bad_envelope", (b"[]", STRUCTURED)),
    "structured, no envelope": ("bad_envelope", (json.dumps(PLAIN).encode(), STRUCTURED)),
    "structured, id a number": ("bad_envelope", structured(id=1)),
    "structured, type null": ("bad_envelope", structured(type=None)),
    "structured, data not JSON by type": ("bad_envelope", structured(datacontenttype="text/xml")),
    "structured, Avro": ("bad_envelope", structured(b"application/cloudevents+avro")),
    "structured, no format": ("bad_envelope", structured(b"application/cloudevents")),
    "batch": ("bad_envelope", structured(b"application/cloudevents-batch+json")),
    "structured in another charset": (
        "bad_envelope",
        structured(b"application/cloudevents+json; charset=latin1"),
    ),
    "data twice": (
        "bad_envelope",
        structured(data_base64=as_base64(DATA), datacontenttype="application/json"),
    ),
    "Base64 of what": ("bad_envelope", structured(data=..., data_base64=as_base64(DATA))),
    "not Base64": (
        "bad_envelope",
        structured(data=..., data_base64="é!", datacontenttype="application/json"),
    ),
    "Base64 with something else in it": (
        "bad_envelope",
        structured(
            data=...,
            data_base64=f"{as_base64(DATA)[:8]}\n!{as_base64(DATA)[8:]}",
            datacontenttype="application/json",
        ),
    ),
    "Base64 no string": (
        "bad_envelope",
        structured(data=..., data_base64=7, datacontenttype="application/json"),
    ),
    "Base64 of no JSON": (
        "malformed_json",
        structured(data=..., data_base64="AA==", datacontenttype="application/json"),
    ),
}


def _split(text: str, at: Iterable[str]) -> list[str]:
    """The parts of a text between others."""
    return re.split("|".join(map(re.escape, at)), text)


@pytest.mark.parametrize(("reason", "message"), REFUSED.values(), ids=REFUSED)
def test_every_fault_of_an_envelope_has_its_reason(reason: str, message: Message) -> None:
    with pytest.raises(DecodeFailure) as caught:
        decode(message)

    assert caught.value.reason == reason
    # A type may be named: it has neither digits nor an @.
    known = ("application/cloudevents+json", "no event type usage.imagined")
    for told in ("cdr", "8613", "imagined", "avro", "latin1"):
        assert not any(told in one for one in _split(caught.value.detail, known))


@pytest.mark.parametrize("name", ["ce_id", "content-type"])
def test_a_header_that_occurs_twice_is_refused(name: str) -> None:
    value, headers = binary()
    twice = [*headers.items(), (name.upper(), headers[name])]

    with pytest.raises(DecodeFailure, match="bad_envelope: a CloudEvents header occurs twice"):
        decode_event(value, KEY, twice)
    assert decode_event(value, KEY, [*headers.items(), ("odd", b""), ("odd", b"")]) == EVENT


def test_header_values_are_utf_8_and_nothing_is_unescaped() -> None:
    """Percent-encoding belongs to the HTTP binding, not to Kafka's."""
    key = b"acct%3A77"
    event = decode(binary(ce_subject=key, ce_source="上海-1".encode()), key)

    assert (event.subscriber, event.source) == ("acct%3A77", "上海-1")


@pytest.mark.parametrize("value", [None, b""])
def test_binary_mode_without_data_is_a_record_without_value(value: bytes | None) -> None:
    event = decode(binary(value, ce_type=b"streamproc.account.closed.v1"))

    assert event == decode(structured(type="streamproc.account.closed.v1", data=...))
    assert event.subscriber == SUBSCRIBER


def test_a_clock_belongs_to_no_subject() -> None:
    clock = b"streamproc.clock.advanced.v1"

    assert decode(binary(b"", ce_type=clock, ce_subject=...), None).id == "cdr-1"
    with pytest.raises(DecodeFailure, match="contract_violation"):
        decode(binary(b"", ce_type=clock), None)


# The project's own SDK writes, we read.


def cloud_event(event: Any, name: str, as_bytes: bool) -> CloudEvent:
    """An event as a producer would build it with the SDK."""
    fields = msgspec.to_builtins(event, builtin_types=(type(event.time),))
    for field in ("type", "id", "source", "time", "subscriber"):
        fields.pop(field, None)
    attributes = {
        "type": f"streamproc.{name}",
        "id": event.id,
        "source": event.source,
        "time": event.time,
        "datacontenttype": "application/json",
    }
    if hasattr(event, "subscriber"):
        attributes |= {"subject": event.subscriber, "partitionkey": event.subscriber}
    data = msgspec.json.encode(fields)
    return CloudEvent(attributes, data if as_bytes else json.loads(data))


@budget(15)
@given(st.sampled_from(sorted(INPUTS)).flatmap(lambda n: st.tuples(st.just(n), _events(n))))
def test_what_the_sdk_writes_is_read_as_the_same_event(drawn: tuple[str, Any]) -> None:
    name, event = drawn
    for write in (kafka.to_binary, kafka.to_structured):
        for as_bytes in (False, True):
            message = write(cloud_event(event, name, as_bytes), JSONFormat())
            key = message.key.encode() if isinstance(message.key, str) else message.key

            assert decode_event(message.value, key, list(message.headers.items())) == event


def _events(name: str) -> st.SearchStrategy[Any]:
    return instances(INPUTS[name])


# Where the SDK, as of 2.2, is stricter or looser than the specification.
SDK_DIFFERS = {
    # It looks for ce_ headers first; the content type is to decide.
    "structured, headers too",
    # It takes every media type but application/json for text or bytes.
    "plain with foreign headers",
    # It decodes every header, also those that are not CloudEvents'.
    "binary, unknown extensions",
    "binary, extension without value",
    # It refuses null attributes, which the JSON format says must be taken as unset.
    "structured, unset attributes as null",
    "structured, subject null, subscriber in the data",
}


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name not in SDK_DIFFERS])
def test_what_we_accept_the_sdk_reads_alike(name: str) -> None:
    value, headers = ACCEPTED[name]
    assert value is not None
    read = kafka.from_kafka(kafka.KafkaMessage(headers, None, value), JSONFormat())
    data = read.get_data()
    data = json.loads(data) if isinstance(data, bytes | str) else data

    assert isinstance(data, dict)
    assert (read.get_id(), read.get_source()) == (ENVELOPE["id"], ENVELOPE["source"])
    assert read.get_type() == ENVELOPE["type"]
    assert (read.get_subject() or data["subscriber"]) == SUBSCRIBER
    assert {field: data[field] for field in DATA} == DATA


CONFORMANCE = Path(__file__).parent / "data" / "cloudevents"


def conformance(name: str) -> dict[str, dict[str, Any]]:
    """The events of the official conformance suite, by the names of its tests."""
    found = json.loads((CONFORMANCE / f"{name}.json").read_text(encoding="utf-8"))
    return {one["id"]: one["event"] for one in found["tests"]}


INVALID = conformance("invalid-events")
VALID = conformance("valid-events")


def as_usage(event: dict[str, Any]) -> dict[str, Any]:
    """The event as one of ours, so that only its own fault can be a reason to refuse it."""
    ours = {**event}
    if ours.get("type"):
        ours["type"] = ENVELOPE["type"]
    ours.setdefault("subject", SUBSCRIBER)
    ours.setdefault("time", ENVELOPE["time"])
    if "data_base64" not in ours:
        ours["data"] = DATA
    return ours


@pytest.mark.parametrize("name", INVALID)
def test_every_invalid_event_of_the_conformance_suite_is_refused(name: str) -> None:
    for event in (INVALID[name], as_usage(INVALID[name])):
        with pytest.raises(DecodeFailure) as caught:
            decode((json.dumps(event).encode(), STRUCTURED))
        assert caught.value.reason == "bad_envelope"


@pytest.mark.parametrize(
    "name",
    [name for name, event in INVALID.items() if all(type(one) is str for one in event.values())],
)
def test_they_are_refused_in_binary_mode_too(name: str) -> None:
    event = as_usage(INVALID[name])
    if "data_base64" in event:
        return  # there is no such thing in binary mode
    headers = {f"ce_{key}": str(one).encode() for key, one in event.items() if key != "data"}
    content_type = headers.pop("ce_datacontenttype", b"application/json")
    lowered = any(key != key.lower() for key in headers)
    message = json.dumps(DATA).encode(), {**headers, "content-type": content_type}
    if lowered:
        assert decode(message).used_bytes == DATA["total_bytes"]  # header names have any case
        return
    with pytest.raises(DecodeFailure):
        decode(message)


@pytest.mark.parametrize("name", VALID)
def test_every_valid_event_is_read_if_it_is_one_of_ours(name: str) -> None:
    event = {key: one for key, one in as_usage(VALID[name]).items() if one is not None}
    event |= {"subject": SUBSCRIBER, "data": DATA, "datacontenttype": "application/json"}
    event.setdefault("time", ENVELOPE["time"])

    assert decode((json.dumps(event).encode(), STRUCTURED)).used_bytes == DATA["total_bytes"]
    foreign = {**VALID[name], "datacontenttype": "application/json", "data": {}}
    with pytest.raises(DecodeFailure, match="unknown_type: the type must have the form"):
        decode((json.dumps(foreign).encode(), STRUCTURED))
