"""Whatever comes in: an event or a DecodeFailure, and the failure repeats nothing of it."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import pickle
import re
import zlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from streamproc.contracts.records.codec import (
    MAX_RECORD_BYTES,
    DecodeFailure,
    decode_event,
    decode_reminder,
    encode_event,
)
from streamproc.core.privacy import conceal, mask
from streamproc.core.state.account import Account, Held, pack, unpack
from streamproc.core.state.effects import Rejected, rejected
from streamproc.core.state.events import AccountClosed, Arrival, InputEvent, ToppedUp
from tests.contract.contract import EXAMPLES, INPUTS
from tests.contract.strategies import JSON, faulty, instances
from tests.property.budget import budget
from tests.support.line import SUBSCRIBER as LINE
from tests.support.line import Line, day, rulebook

SUBSCRIBER = "8613812345678"
KEY = SUBSCRIBER.encode()
PLAIN: dict[str, Any] = {
    "type": "usage.recorded",
    "id": "cdr-1",
    "source": "ocs-1",
    "subscriber": SUBSCRIBER,
    "time": "2026-01-05T08:30:00Z",
    "total_bytes": 1,
}


def plain(**changes: Any) -> bytes:
    return json.dumps(PLAIN | changes).encode()


def failure(value: bytes | None, key: bytes | None = KEY, headers: Any = ()) -> DecodeFailure:
    with pytest.raises(DecodeFailure) as caught:
        decode_event(value, key, headers)
    return caught.value


# What is read.


@pytest.mark.parametrize("name", INPUTS)
def test_every_event_is_read_as_it_was_written(name: str) -> None:
    @budget(6)
    @given(instances(INPUTS[name]))
    def check(event: Any) -> None:
        key = None if name == "clock.advanced.v1" else event.subscriber.encode()

        assert decode_event(encode_event(event), key) == event

    check()


def test_an_instant_without_a_utc_date_is_cut_and_can_be_held() -> None:
    """Past the last or before the first UTC date no state record could hold it."""
    for text, cut in (
        ("9999-12-31T23:59:59-12:00", datetime.max),
        ("0001-01-01T00:00:00+14:00", datetime.min),
    ):
        value = plain(type="account.topped_up", expires_time=text, granted_bytes=1)
        value = value.replace(b', "total_bytes": 1', b"")
        event = decode_event(value, KEY)

        assert isinstance(event, ToppedUp)
        assert event.expires_time == cut.replace(tzinfo=UTC)
        held = Account(held=[Held(event, Arrival(0, "events", 0, 0))])
        assert unpack(pack(held)).held == held.held


# What is refused, and how.


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "empty"),
        (b" ", "malformed_json"),
        (b"{", "malformed_json"),
        (b"<usage/>", "malformed_json"),
        (plain() + b"{}", "malformed_json"),
        (b"\xef\xbb\xbf" + plain(), "malformed_json"),
        (plain().decode().encode("utf-16"), "malformed_json"),
        (plain(id="\ud800"), "malformed_json"),
        (plain(id="x").replace(b'"x"', b'"\xff\xfe"'), "malformed_json"),
        (plain(total_bytes=float("nan")), "malformed_json"),
        (b'{"x":' * 200_000, "malformed_json"),
        (b"[" * 200_000, "contract_violation"),
        (b"[]", "contract_violation"),
        (b"null", "contract_violation"),
        (plain(type="usage.imagined"), "unknown_type"),
        (plain(type=7), "contract_violation"),
        (plain(total_bytes=-1), "contract_violation"),
        (plain(total_bytes="1"), "contract_violation"),
        (plain(total_bytes=0.5), "contract_violation"),
        (plain(total_bytes=2**64), "contract_violation"),
        (plain().replace(b" 1}", b" " + b"9" * 5000 + b"}"), "contract_violation"),
        (plain(surprise=1), "contract_violation"),
        (plain(subscriber=f"{SUBSCRIBER}\n"), "contract_violation"),
        (plain(time="2026-01-05T08:30:00"), "contract_violation"),
        (b" " * (MAX_RECORD_BYTES + 1), "oversized"),
    ],
)
def test_each_fault_has_its_reason(value: bytes | None, reason: str) -> None:
    assert failure(value).reason == reason


@pytest.mark.parametrize("key", [None, b"", b"8613812345679", KEY + b" ", b"\xff\xfe"])
def test_the_key_must_be_the_subscriber(key: bytes | None) -> None:
    assert failure(plain(), key).reason == "key_mismatch"
    assert failure(plain(), key).event_id == "cdr-1"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (b"\0\0\0\0\7" + KEY, "begins with the frame of a schema registry"),
        (b"\3\0" + bytes(range(16)) + KEY, "begins with the frame of a schema registry"),
        (b'"' + KEY + b'"', "is in quotes"),
        (KEY + b"\r", "has white space around it"),
        (KEY + b"\0\0", "has zero bytes at its end"),
        (int(KEY).to_bytes(8, "big"), "is a binary number"),
        (KEY.decode().encode("utf-16"), "is UTF-16; write UTF-8"),
        (b"\xef\xbb\xbf" + KEY, "begins with a byte order mark"),
        (KEY.decode().encode("cp037"), "is not text in ASCII"),
        (b"+" + KEY, "is not the event's subscriber"),
    ],
)
def test_a_key_in_another_form_is_told_as_such(key: bytes, says: str) -> None:
    found = failure(plain(), key)
    assert found.reason == "key_mismatch"
    assert found.detail.startswith(f"the key {says}")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (zlib.compress(plain()), "is compressed with zlib"),
        (bz2.compress(plain()), "is compressed with bzip2"),
        (lzma.compress(plain()), "is compressed with xz"),
        (b"\x04\x22\x4d\x18" + plain(), "is compressed with lz4"),
        (base64.b64encode(plain().replace(b" ", b"")), "is in base64"),
        (plain().decode().encode("cp037"), "is EBCDIC"),
        (msgspec.msgpack.encode(json.loads(plain())), "is MessagePack"),
        (b"\xa6\x64type", "is CBOR"),
        (b"\x92\xff", "is binary data"),
        (pickle.dumps({"type": "usage.recorded"}), "is a pickled Python object"),
        (b"\3\5" + bytes(range(16)) + plain(), "begins with the frame of a schema registry"),
        (b"\1" + bytes(range(16)) + plain(), "begins with the frame of a schema registry"),
        (plain() + b"\n" + plain(), "has several JSON objects"),
        (plain() + b"\0\0", "has zero bytes behind the JSON"),
        (plain().replace(b'"', b"'"), "has single quotes"),
        (plain(source="X").replace(b"X", b"caf\xe9"), "is not UTF-8 text"),
        (b"type: usage.recorded", "is not valid JSON"),
    ],
)
def test_a_value_in_another_form_is_told_as_such(value: bytes, says: str) -> None:
    found = failure(value)
    assert found.reason == "malformed_json"
    assert found.detail.startswith(f"the value {says}")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b'{"schema": {}, "payload": ' + plain() + b"}", "envelope of Kafka Connect"),
        (b'{"before": null, "after": {}, "op": "c"}', "change record of Debezium"),
        (b'{"payload": 1}', "type is missing"),
    ],
)
def test_an_envelope_of_another_program_is_told_as_such(value: bytes, says: str) -> None:
    found = failure(value)
    assert found.reason == "contract_violation"
    assert says in found.detail


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (
            plain(type="usage.recored"),
            "there is no event type usage.recored; did you mean usage.recorded?",
        ),
        (
            plain(type="streamproc.usage.recorded.v1"),
            "there is no event type streamproc.usage.recorded.v1; did you mean usage.recorded?",
        ),
        (plain(type="nothing"), "there is no event type nothing"),
        (plain(type="a@example.com"), "there is no such event type"),
        (plain()[:-1] + b', "type": "account.closed"}', "the event has two types"),
        (plain(total_bytes=-1), "total_bytes must be a whole number of at least 0"),
        (plain(surprise=1), "the event has a field surprise that is not in the contract"),
        (plain(**{SUBSCRIBER: 1}), "the event has an unknown field"),
        (plain(**{"a@example.com": 1}), "the event has an unknown field"),
        (plain(type=SUBSCRIBER), "there is no such event type"),
        (
            plain(type="account.plan_changed", effective=SUBSCRIBER, plan="a").replace(
                b', "total_bytes": 1', b""
            ),
            "effective is none of the words that it can be",
        ),
        (
            plain(type="account.plan_changed", effective=f" - at {SUBSCRIBER}", plan="a").replace(
                b', "total_bytes": 1', b""
            ),
            "effective is none of the words that it can be",
        ),
        (
            plain(uplink_bytes=1),
            "the event needs either total_bytes or both uplink_bytes and downlink_bytes",
        ),
    ],
)
def test_the_detail_tells_the_place_and_never_the_value(value: bytes, detail: str) -> None:
    assert failure(value).detail == detail


# Nothing else ever comes out.

HEADER_NAMES = st.sampled_from(
    (
        *("content-type", "Content-Type", "traceparent", "", "ce_specversion", "CE_ID"),
        *("ce_source", "ce_type", "ce_time", "ce_subject", "ce_extension"),
    )
) | st.text(max_size=8)
HEADER_VALUES = (
    st.none()
    | st.binary(max_size=30)
    | st.sampled_from(
        [
            b"1.0",
            b"application/cloudevents+json",
            b"APPLICATION/CloudEvents+JSON; charset=utf-8",
            b"application/cloudevents+avro",
            b"application/json",
            b"text/plain",
            b"streamproc.usage.recorded.v1",
            b"streamproc..v1",
            KEY,
        ]
    )
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=6)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.sampled_from(["1.0", "0.3"]) | JSON,
        "id": st.text(max_size=5) | JSON,
        "source": st.text(max_size=5) | JSON,
        "type": st.sampled_from(["streamproc.usage.recorded.v1", "streamproc.x.v1", "x"]) | JSON,
        "subject": st.just(SUBSCRIBER) | JSON,
        "time": st.just("2026-01-05T08:30:00Z") | JSON,
        "datacontenttype": st.sampled_from(["application/json", "text/xml"]) | JSON,
        "data": st.just({"total_bytes": 1}) | JSON,
        "data_base64": st.sampled_from(["e30=", "!", "é", "bnVsbA=="]) | JSON,
    },
)
DEEP = st.sampled_from([b"[" * 50_000, b'{"data":' * 50_000, b'{"a":' + b"[" * 3000 + b"]" * 3000])
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    DEEP,
    JSON.map(lambda one: json.dumps(one).encode()),
    ENVELOPES.map(lambda one: json.dumps(one).encode()),
    ENVELOPES.map(lambda one: json.dumps(one, ensure_ascii=False).encode(errors="surrogatepass")),
    st.tuples(st.sampled_from([plain(), plain(id="\ud800", total_bytes=2**200)]), st.binary()).map(
        lambda two: two[0][: -len(two[1]) or None] + two[1]
    ),
)
KEYS = st.none() | st.just(KEY) | st.binary(max_size=20)


def outcome(value: bytes | None, key: bytes | None, headers: Any) -> InputEvent | DecodeFailure:
    """Any other exception is the test's failure."""
    try:
        return decode_event(value, key, headers)
    except DecodeFailure as found:
        return found


@budget(100)
@given(VALUES, KEYS, HEADERS)
def test_only_events_and_failures_come_out(value: Any, key: Any, headers: Any) -> None:
    found = outcome(value, key, headers)

    if isinstance(found, DecodeFailure):
        assert re.fullmatch("[a-z_]+", found.reason)
        assert found.detail
        assert found.event_id is UNSET or found.event_id


@budget(30)
@given(st.sampled_from(sorted(INPUTS)).flatmap(lambda name: faulty(INPUTS[name])), KEYS, HEADERS)
def test_a_failure_repeats_no_value_of_the_input(document: Any, key: Any, headers: Any) -> None:
    found = outcome(json.dumps(document).encode(), key, headers)

    if isinstance(found, DecodeFailure):
        # What we say ourselves may be a word of the input, too.
        repeated = [text for text in _texts(document) if len(text) > 5 and text in found.detail]
        assert set(repeated) <= OUR_WORDS


OUR_WORDS = {
    word
    for path in EXAMPLES.rglob("*.json")
    for word in (*json.loads(path.read_bytes()), path.parts[-3].removesuffix(".v1"))
}


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for inner in document.values() for text in _texts(inner)]
    if isinstance(document, list):
        return [text for inner in document for text in _texts(inner)]
    return [str(document)]


# Privacy (law 21).


@pytest.mark.parametrize(
    ("event_id", "shown"),
    [
        (f"{SUBSCRIBER}-20260105-7", "861********78-20260105-7"),
        ("cdr/13812345678/7", "cdr/138******78/7"),
        ("cdr-20260105-7", "cdr-20260105-7"),
        (SUBSCRIBER * 2, "861********78" * 2),
        # Numbers of others, in any form.
        ("to-8613900000009/7", "to-861********09/7"),
        ("x8613900000009y", "x861********09y"),
        ("139 0000 0009", "139********09"),
        ("from 139-0000-0009", "from 139********09"),
        ("861390000000920260105", "861****************05"),
        ("550e8400-e29b-41d4-a716-44665544000a", "550e8400-e29b-41d4-a716-44665544000a"),
        ("2026-01-05/7", "2026-01-05/7"),
    ],
)
def test_a_reject_conceals_the_number_in_an_id(event_id: str, shown: str) -> None:
    arrival = Arrival(0, "events", 0, 0)
    event = AccountClosed(event_id, event_id, SUBSCRIBER, datetime(2026, 1, 5, tzinfo=UTC))

    reject = rejected("account_closed", "the account was closed", event, arrival)

    assert (reject.event_id, reject.source) == (shown, shown)
    assert failure(plain(id=event_id), None).event_id == shown
    assert failure(plain(id=event_id, subscriber="acct:7"), KEY).event_id == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("8613812345678", "861********78"),
        ("4791234567", "47******67"),
        ("91234567", "9******7"),
        ("1234567", "1******"),
    ],
)
def test_a_mask_hides_so_many_digits_that_many_subscribers_are_left(
    number: str, shown: str
) -> None:
    assert mask(number) == shown
    assert shown.count("*") >= 6


@budget(50)
@given(st.from_regex("[A-Za-z0-9][!-~]{2,63}", fullmatch=True))
def test_no_subscriber_is_shown_whole(subscriber: str) -> None:
    assert subscriber not in mask(subscriber)
    assert len(mask(subscriber)) == len(subscriber)
    assert subscriber not in conceal(f"a{subscriber}b{subscriber}", subscriber)


def test_no_reject_of_the_core_repeats_a_value() -> None:
    """Each of these events carries another subscriber's number where it does not belong."""
    other = "8613900000009"
    line = Line(rulebook(history_cycles=1))
    effects = line.activate(plan=other) + line.activate(zone=other)
    line.activate()
    effects += line.activate(plan=other)
    effects += line.change_plan(other, at=1) + line.change_plan(other, at=1, effective="next_cycle")
    effects += line.top_up(at=1, pack=other)
    effects += line.top_up(at=1, granted_bytes=1, expires_time=day(0))
    effects += line.use(1, at=1, arrives=60) + line.use(1, at=90, arrives=60)
    effects += line.use(2**53 - 1, at=60, service=other)
    line.close(at=61)
    effects += line.use(1, at=62) + line.top_up(at=62, pack=other)
    found = [one for one in effects if isinstance(one, Rejected)]

    assert {one.reason for one in found} >= {
        *("unknown_plan", "unknown_time_zone", "unknown_pack", "already_active"),
        *("already_expired", "time_in_past", "time_in_future", "absurd_bytes", "account_closed"),
    }
    for one in found:
        assert other not in msgspec.json.encode(one).decode()
        assert LINE not in msgspec.json.encode(one).decode()


# Outputs.


def test_a_reader_takes_its_own_records_only() -> None:
    audit = (EXAMPLES / "audit.recorded.v1" / "valid" / "duplicate.json").read_bytes()

    with pytest.raises(ValueError, match="not a reminder"):
        decode_reminder(audit)
