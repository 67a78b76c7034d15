"""Two readers of the same contract: the worker's decoder and the oracle's checks by hand."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.contracts.numbers import NumberError, Numbering, subscriber_key
from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.events import ClockAdvanced
from streamproc.core.subscribers import SubscriberKind, foreign_form
from streamproc.lab.oracle.reading import NotAnEventError, read, spells_a_number
from tests.property.budget import budget

KEY = b"861380000001"
COMMON = {
    "id": "e1",
    "source": "crm",
    "subscriber": KEY.decode(),
    "time": "2026-01-05T11:22:33.456Z",
}
EVENTS: list[dict[str, Any]] = [
    {"type": "usage.recorded", **COMMON, "total_bytes": 1, "rating_group": 3},
    {"type": "usage.recorded", **COMMON, "uplink_bytes": 1, "downlink_bytes": 2, "service": "x"},
    {
        "type": "account.activated",
        **COMMON,
        "plan": "p",
        "time_zone": "UTC",
        "billing_anchor_day": 31,
    },
    {"type": "account.plan_changed", **COMMON, "plan": "p", "effective": "next_cycle"},
    {"type": "account.topped_up", **COMMON, "pack": "p"},
    {
        "type": "account.topped_up",
        **COMMON,
        "granted_bytes": 1,
        "expires_time": "2026-02-05T00:00:00+08:00",
    },
    {"type": "account.opted_out", **COMMON, "category": "c"},
    {"type": "account.closed", **COMMON},
    {"type": "usage.recorded", **COMMON, "total_bytes": 1, "member": "861380000002"},
    {"type": "account.plan_changed", **COMMON, "plan": "p", "prorated": True},
    {
        "type": "usage.refunded",
        **COMMON,
        "refunded_bytes": 1,
        "of_source": "ocs",
        "of_id": "u1",
        "notify": False,
    },
    {"type": "account.cost_cap_lifted", **COMMON, "tariff": "roaming", "until": "revoked"},
    {"type": "account.cost_cap_restored", **COMMON, "tariff": ""},
    {"type": "account.member_joined", **COMMON, "member": "kid", "role": "owner", "cap_bytes": 0},
    {"type": "account.member_left", **COMMON, "member": "kid"},
    {"type": "clock.advanced", "id": "1", "source": "s", "time": COMMON["time"]},
]
NAMES = sorted({name for event in EVENTS for name in event} | {"surprise", "locale"})
INSTANTS = st.sampled_from(
    [
        "2026-01-05T11:22:33Z",
        "2026-01-05t11:22:33z",
        "2026-01-05 11:22:33Z",
        "2026-01-05T11:22:33.1234567+08:00",
        "2026-01-05T11:22:33.9999996-03:30",
        "2026-01-05T11:22:33.000999Z",
        "2026-01-05T11:22:33",
        "2026-01-05T11:22:60Z",
        "2026-01-05T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2024-02-29T23:59:59.999999Z",
        "2026-01-05T11:22:33+24:00",
        "2026-01-05T11:22:33.Z",
        "2026-01-05",
        "",
    ]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 31, 32, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 10**30, 1.0, 1e30])
    | st.sampled_from(["", "x", "x" * 64, "x" * 65, "x" * 128, "x" * 256, "x" * 257, "\0", "中"])
    | st.sampled_from([KEY.decode(), "86", "+8613800", "now", "next_cycle", "usage.recorded"])
    | INSTANTS
    | st.sampled_from([[], {}, {"a": 1}])
    | st.text(max_size=5)
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A valid event with up to three fields changed, left out, or added."""
    event = dict(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(NAMES))
        if name in event and draw(st.booleans()):
            del event[name]
        else:
            event[name] = draw(INSTANTS if name.endswith("time") else VALUES)
    return event


def both(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]
) -> tuple[Any, Any]:
    """What the worker and what the oracle make of a record: a dict of fields, or a reason."""
    found: Any
    wanted: Any
    try:
        event = decode_event(value, key, headers)
        found = {
            name: to_ms(content) if isinstance(content, datetime) else content
            for name in event.__struct_fields__
            if isinstance(content := getattr(event, name), str | int | datetime)
        }
        if not isinstance(event, ClockAdvanced):
            assert found["subscriber"].encode() == key
    except DecodeFailure as failure:
        found = failure.reason
    try:
        wanted = read(value, key, headers)
        wanted.pop("type")
    except NotAnEventError as refused:
        wanted = str(refused)
    return found, wanted


def with_defaults(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    defaults = {
        "rating_group": 0,
        "roaming_zone": "home",
        "effective": "now",
        "prorated": False,
        "until": "cycle_end",
        "notify": True,
        "tariff": "",
        "role": "member",
    }
    return {name: content for name, content in fields.items() if defaults.get(name) != content}


@budget(600)
@given(event=events())
def test_both_take_and_refuse_the_same_events_for_the_same_reasons(event: dict[str, Any]) -> None:
    found, wanted = both(json.dumps(event).encode(), KEY, [])
    assert with_defaults(found) == with_defaults(wanted)


@budget(300)
@given(event=events(), ascii_only=st.booleans(), key=st.none() | st.sampled_from([b"", b"86", KEY]))
def test_both_read_the_same_in_other_spellings(
    event: dict[str, Any], ascii_only: bool, key: bytes | None
) -> None:
    text = json.dumps(event, ensure_ascii=ascii_only, indent=1)
    found, wanted = both(text.encode(errors="surrogatepass"), key, [])
    assert with_defaults(found) == with_defaults(wanted)


@budget(300)
@given(event=events(), cut=st.integers(0, 250), junk=st.binary(max_size=3))
def test_both_refuse_what_is_no_json(event: dict[str, Any], cut: int, junk: bytes) -> None:
    value = json.dumps(event).encode()[:cut] + junk
    found, wanted = both(value, KEY, [])
    # A decoder that reads on the way may see a wrong field before the broken end.
    assert isinstance(found, str) == isinstance(wanted, str)
    if with_defaults(found) != with_defaults(wanted):
        assert {found, wanted} <= {"malformed_json", "contract_violation", "unknown_type"}


@budget(300)
@given(event=events(), structured=st.booleans(), drop=st.sampled_from(["", "id", "specversion"]))
def test_both_unwrap_the_same_cloudevents(
    event: dict[str, Any], structured: bool, drop: str
) -> None:
    kind = f"streamproc.{event.get('type', 'none')}.v1"
    attributes = {"specversion": "1.0", "id": "e1", "source": "crm", "type": kind}
    attributes.pop(drop, None)
    data = {name: event[name] for name in event if name not in ("id", "source", "type")}
    if structured:
        headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
        value = json.dumps({**attributes, "data": data}).encode()
    else:
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        value = json.dumps(data).encode()
    found, wanted = both(value, KEY, headers)
    assert with_defaults(found) == with_defaults(wanted)


@budget(300)
@given(
    st.one_of(st.text(max_size=30), st.text("0123456789+-. ()/eEtel:", max_size=20)),
    st.sampled_from([None, "CN", "DE", "US", "GB", "ES", "IT"]),
)
def test_a_key_is_its_own_key_and_never_of_a_foreign_form(text: str, region: str | None) -> None:
    try:
        key = subscriber_key(text, Numbering(region))
    except NumberError:
        return
    assert subscriber_key(key, Numbering(region)) == key
    assert foreign_form(key.strip()) is None


@budget(400)
@given(
    st.one_of(
        st.text("0123456789+-. ()/,'eEtel:ab", max_size=20),
        st.from_regex(
            r"(sips?:|msisdn[-:=]|sms:|smsto:|callto:)?\+?[0-9]{0,16}[fF]?(@h)?(;user=phone)?",
            fullmatch=True,
        ),
    ),
    st.sampled_from(["any", "numbers", "ids"]),
)
def test_core_and_oracle_know_the_same_numbers_in_another_form(
    text: str, kind: SubscriberKind
) -> None:
    if not text or not text[0].isalnum():
        return  # the contract refuses it before
    assert (foreign_form(text, kind) is not None) == spells_a_number(text, kind), text
