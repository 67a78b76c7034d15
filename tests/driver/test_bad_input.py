"""Bad input end to end: each record is rejected with reason and origin, and changes nothing else.

Every case is run twice: with the bad record, and with nothing at its offset. Rows, reminders and
audit must be the same bytes in both, timers and a restart afterwards included.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from streamproc.contracts.records.codec import MAX_RECORD_BYTES
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.privacy import conceal
from streamproc.core.state.effects import Rejected
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    OptedOut,
    SubscriberEvent,
    ToppedUp,
)
from streamproc.core.step.account_events import MAX_PARTS
from streamproc.worker.settings import Clock
from tests.driver.conftest import RULES
from tests.support.quota_driver import DAY, HOUR, MINUTE, START, Everything, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
BOB = "8613800000004"
CAROL = "8613800000002"
NOW = START + timedelta(minutes=1)
GOOD = {
    "type": "usage.recorded",
    "id": "bad-1",
    "source": "ocs",
    "subscriber": ALICE,
    "time": NOW.isoformat(),
    "total_bytes": 1000,
}


@dataclass(frozen=True)
class Bad:
    """A record that must be rejected. ``key`` None is no key."""

    reason: str
    value: bytes | None
    key: bytes | None = ALICE.encode()
    place: dict[str, Any] = field(default_factory=dict)
    event_id: str | None = None
    detail: str = ""


def usage(**changes: Any) -> bytes:
    """A usage event with other fields; ``...`` leaves one out."""
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return msgspec.json.encode(fields)


def bad(reason: str, **changes: Any) -> Bad:
    return Bad(reason, usage(**changes))


def rejected_by_core(reason: str, **changes: Any) -> Bad:
    """Well-formed, so the reject names the event's id."""
    return Bad(reason, usage(**changes), event_id="bad-1")


CASES = {
    "malformed JSON": Bad("malformed_json", usage()[:-1]),
    "text after the JSON": Bad("malformed_json", usage() + b"x"),
    "two JSON values": Bad("malformed_json", usage() + usage()),
    "no JSON": Bad("malformed_json", b"\x00\x01\x02\xff"),
    "not UTF-8": Bad("malformed_json", usage(source="caf\u00e9").decode().encode("latin-1")),
    "UTF-16": Bad("malformed_json", usage().decode().encode("utf-16"), detail="is UTF-16"),
    "UTF-16 without mark": Bad(
        "malformed_json", usage().decode().encode("utf-16-le"), detail="is UTF-16"
    ),
    "byte order mark": Bad("malformed_json", b"\xef\xbb\xbf" + usage(), detail="byte order mark"),
    "frame of a schema registry": Bad(
        "malformed_json", b"\x00\x00\x00\x00\x07" + usage(), detail="schema registry"
    ),
    "compressed": Bad("malformed_json", gzip.compress(usage()), detail="compressed with gzip"),
    "encoded twice": Bad(
        "contract_violation", msgspec.json.encode(usage().decode()), detail="encoded twice"
    ),
    "half a surrogate pair": Bad("malformed_json", usage(service="X").replace(b"X", b"\\ud800")),
    "nesting without end": Bad("malformed_json", b'{"type":' + b"[" * 200_000),
    "NaN": Bad("malformed_json", usage().replace(b":1000", b":NaN")),
    "a list": Bad("contract_violation", b"[" + usage() + b"]"),
    "a number": Bad("contract_violation", b"5"),
    "null": Bad("contract_violation", b"null"),
    "an empty object": Bad("contract_violation", b"{}"),
    "no type": bad("contract_violation", type=...),
    "type of another kind": bad("contract_violation", type=5),
    "unknown type": bad("unknown_type", type="usage.recordedd"),
    "an output's type": bad("unknown_type", type="reminder.requested"),
    "no id": bad("contract_violation", id=...),
    "empty id": bad("contract_violation", id=""),
    "long id": bad("contract_violation", id="x" * 129),
    "bytes as text": bad("contract_violation", total_bytes="1000"),
    "bytes as a fraction": Bad("contract_violation", usage().replace(b":1000", b":1000.5")),
    "bytes as an exponent": Bad("contract_violation", usage().replace(b":1000", b":1e30")),
    "bytes as null": bad("contract_violation", total_bytes=None),
    "bytes as true": bad("contract_violation", total_bytes=True),
    "no bytes": bad("contract_violation", total_bytes=...),
    "one direction only": bad("contract_violation", total_bytes=..., uplink_bytes=5),
    "total and directions": bad("contract_violation", uplink_bytes=5, downlink_bytes=5),
    "negative bytes": bad("contract_violation", total_bytes=-1),
    "negative uplink": bad(
        "contract_violation", total_bytes=..., uplink_bytes=-5, downlink_bytes=9
    ),
    "bytes beyond exact numbers": bad("contract_violation", total_bytes=2**53),
    "bytes of thirty digits": Bad(
        "contract_violation", usage().replace(b":1000", b":" + b"9" * 30)
    ),
    **{
        f"subscriber {form}": Bad(
            "subscriber_form",
            usage(subscriber=form),
            form.encode(),
            event_id="bad-1",
            detail="write phone numbers as digits",
        )
        for form in (
            "tel:+8613800000001",
            "008613800000004",
            "86-138-0000-0004",
            "8.6137E+12",
            "8,6134E+12",
            "8,613,800,000,005",
            "msisdn-8613800000006",
            "msisdn:8613800000006",
            "sms:+8613800000008",
            "sip:+8613800000006@ims.example.com",
            "8613800000005F",
            "011-86-138-0000-0005",
            "8613800000001.0",
        )
    },
    "member in another form": rejected_by_core("subscriber_form", member="86-138-0000-0001"),
    "absurd bytes": rejected_by_core("absurd_bytes", total_bytes=1_000_000_001),
    "absurd sum of directions": rejected_by_core(
        "absurd_bytes", total_bytes=..., uplink_bytes=2**53 - 1, downlink_bytes=2**53 - 1
    ),
    "rating group out of range": bad("contract_violation", rating_group=2**32),
    "unknown field": bad("contract_violation", apn="internet"),
    "no time": bad("contract_violation", time=...),
    "time in words": bad("contract_violation", time="yesterday"),
    "time as a number": bad("contract_violation", time=1_767_571_260),
    "time without zone": bad("contract_violation", time="2026-01-05T00:01:00"),
    "no such day": bad("contract_violation", time="2026-02-30T00:00:00Z"),
    "five years ahead": rejected_by_core("time_in_future", time="2031-01-05T00:01:00Z"),
    "an hour ahead": rejected_by_core("time_in_future", time="2026-01-05T01:01:00Z"),
    "the last year there is": rejected_by_core("time_in_future", time="9999-12-31T23:59:59Z"),
    "five years ago": rejected_by_core("time_in_past", time="2021-01-05T00:01:00Z"),
    "1970": rejected_by_core("time_in_past", time="1970-01-01T00:00:00Z"),
    "the first year there is": rejected_by_core("time_in_past", time="0001-01-01T00:00:00Z"),
    "before the activation": rejected_by_core("before_activation", time="2026-01-01T00:00:00Z"),
    "empty": Bad("empty", b""),
    "tombstone": Bad("tombstone", None),
    "tombstone without key": Bad("tombstone", None, key=None),
    "oversized": Bad("oversized", usage(service="x" * MAX_RECORD_BYTES)),
    "no key": Bad("key_mismatch", usage(), key=None, event_id="bad-1"),
    "empty key": Bad("key_mismatch", usage(), key=b"", event_id="bad-1"),
    "another's key": Bad("key_mismatch", usage(), key=BOB.encode(), event_id="bad-1"),
    "key in quotes": Bad("key_mismatch", usage(), key=b'"8613800000001"', event_id="bad-1"),
    "key not UTF-8": Bad("key_mismatch", usage(), key=b"\xff\xfe", event_id="bad-1"),
    "the progress record's key": Bad(
        "contract_violation", usage(subscriber="\0progress"), key=b"\0progress"
    ),
    "subscriber with a line end": Bad(
        "contract_violation", usage(subscriber="8613800000001\n"), key=b"8613800000001\n"
    ),
    "CloudEvent, binary, cut short": Bad(
        "bad_envelope",
        usage(),
        place={"headers": [("ce_specversion", b"1.0"), ("ce_id", b"x")]},
    ),
    "CloudEvent, structured, no JSON": Bad(
        "malformed_json",
        b"{",
        place={"headers": [("content-type", b"application/cloudevents+json")]},
    ),
    "CloudEvent of another family": Bad(
        "unknown_type",
        usage(),
        place={
            "headers": [
                ("ce_specversion", b"1.0"),
                ("ce_id", b"x"),
                ("ce_source", b"s"),
                ("ce_type", b"com.example.other"),
            ]
        },
    ),
}


def play(driver: QuotaDriver, case: Bad | None) -> tuple[Everything, int]:
    """A day of three subscribers with, or without, a bad record in the middle of a chunk.

    Returns what it left behind and the offset of the bad record.
    """
    partition = driver.partition_of(ALICE.encode())
    assert partition == driver.partition_of(BOB.encode()) != driver.partition_of(CAROL.encode())
    driver.activate(ALICE)
    driver.activate(BOB)
    driver.activate(CAROL)
    driver.advance_wall_clock(MINUTE)
    driver.send_event(driver.usage(ALICE, 400_000, "1"))
    driver.send_event(driver.usage(BOB, 450_000, "2"))
    offset = driver.log.end("events", partition)
    if case is None:
        driver.log.skip("events", partition)
    else:
        driver.send(case.key, case.value, partition=partition, **case.place)
    driver.send_event(driver.usage(CAROL, 700_000, "6"))
    driver.send_event(driver.usage(ALICE, 150_000, "3"))
    driver.send_event(driver.usage(BOB, 60_000, "4"))
    driver.process()
    driver.commit()
    driver.restart()
    driver.advance_wall_clock(DAY, step_ms=HOUR)
    driver.use(ALICE, 300_000, "5")
    return driver.everything(), offset


def without_rejects(everything: Everything) -> Everything:
    outputs = {place: found for place, found in everything.outputs.items() if place[0] != "rejects"}
    return Everything(everything.rows, outputs)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_rejected_with_its_origin_and_changes_nothing_else(
    new_driver: NewDriver, case: Bad
) -> None:
    with_it, without_it = new_driver(), new_driver()
    (observed, offset), (expected, _) = play(with_it, case), play(without_it, None)
    assert expected.outputs["reminders", 0]
    assert expected.outputs["reminders", 1]
    assert without_rejects(observed) == without_rejects(expected)
    assert with_it.group_offsets == without_it.group_offsets
    assert without_it.rejects() == []
    (reject,) = with_it.rejects()
    assert isinstance(reject, Rejected)
    partition = with_it.partition_of(ALICE.encode())
    assert reject.reason == case.reason, reject.detail
    assert case.detail in reject.detail
    assert (reject.topic, reject.partition, reject.offset) == ("events", partition, offset)
    assert reject.received_time == NOW
    if case.event_id is not None:
        assert reject.event_id == case.event_id
    assert with_it.counts["rejects"] == 0, "the restart must not have rejected it again"


def test_a_reject_repeats_nothing_of_the_subscriber_or_the_payload(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(MINUTE)
    partition = driver.partition_of(ALICE.encode())
    for case in CASES.values():
        driver.pipe(case.key, case.value, partition=partition, **case.place)
    records = driver.output("rejects")
    assert len(records) == len(CASES)
    for record in records:
        assert record.key is None
        assert ALICE.encode() not in (record.value or b"")
        assert b"internet" not in (record.value or b"")


@pytest.mark.parametrize("clock", ["wall", "event"])
@pytest.mark.parametrize("unit", ["microseconds", "nanoseconds", "beyond everything"])
def test_a_record_timestamp_beyond_the_calendar_stops_nothing(
    new_driver: NewDriver, clock: Clock, unit: str
) -> None:
    driver = new_driver(clock=clock)
    driver.activate(ALICE)
    driver.advance_wall_clock(MINUTE)
    now_ms = driver.now_ms
    timestamp_ms = {"microseconds": now_ms * 10**3, "nanoseconds": now_ms * 10**6}.get(unit, 2**62)
    before = driver.stored()
    records = [
        driver.event(driver.usage(ALICE, 1000, "x"), timestamp_ms=timestamp_ms),
        driver.pipe(ALICE.encode(), b"{", timestamp_ms=timestamp_ms),
        driver.pipe(None, None, timestamp_ms=timestamp_ms, partition=1),
    ]
    assert [one.offset for one in driver.rejects()] == [record.offset for record in records]
    assert {one.reason for one in driver.rejects()} == {"time_in_future"}
    assert driver.stored() == before
    driver.use(ALICE, 600_000)
    driver.advance_wall_clock(MINUTE)
    assert [one.text for one in driver.reminders()] == ["60% used"]
    assert driver.repairs == []


@pytest.mark.parametrize("timestamp_ms", [-(2**62), -1, 0])
def test_a_record_without_a_timestamp_is_judged_by_it(
    driver: QuotaDriver, timestamp_ms: int
) -> None:
    driver.activate(ALICE)
    driver.event(driver.usage(ALICE, 1000), timestamp_ms=timestamp_ms)
    assert [one.reason for one in driver.rejects()] == ["time_in_future"]
    assert driver.repairs == []


@pytest.mark.both_ways
def test_rejects_lie_in_the_partition_of_their_input(driver: QuotaDriver) -> None:
    for number in range(2):
        driver.pipe(b"x", b"{", partition=number)
    assert [one.partition for one in driver.output("rejects")] == [0, 1]
    assert [one.partition for one in driver.rejects()] == [0, 1]


def test_nothing_but_bad_input_leaves_no_rows_and_moves_on(driver: QuotaDriver) -> None:
    for case in CASES.values():
        driver.send(case.key, case.value, partition=1, **case.place)
    driver.process()
    driver.commit()
    # What is held for an unknown subscriber is no bad input: without its activation some of the
    # cases, whose events are well-formed, are held.
    held = {one.reason for one in driver.rejects()} ^ {case.reason for case in CASES.values()}
    assert held == {"absurd_bytes", "before_activation"}
    assert driver.group_offsets == {("events", 1): len(CASES)}
    driver.restart()
    driver.process()
    assert driver.counts["events"] == 0


def test_usage_of_a_closed_account_is_rejected(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(MINUTE)
    driver.event(AccountClosed("c", "crm", ALICE, driver.now))
    driver.advance_wall_clock(MINUTE)
    before = driver.stored()
    driver.use(ALICE, 5)
    assert [one.reason for one in driver.rejects()] == ["account_closed"]
    assert driver.stored() == before


@pytest.mark.parametrize("kind", ["top-ups", "categories"])
def test_a_feed_that_repeats_itself_cannot_grow_a_row_beyond_a_message(
    driver: QuotaDriver, kind: str
) -> None:
    """A row that no Kafka message holds could never be committed, nor its partition go on."""
    driver.activate(ALICE)
    driver.activate(BOB)
    driver.advance_wall_clock(MINUTE)
    for number in range(MAX_PARTS + 50):
        event: SubscriberEvent = (
            ToppedUp(
                *(f"t{number}", "shop", ALICE, driver.now),
                granted_bytes=1,
                expires_time=driver.now + timedelta(days=1, seconds=number),
            )
            if kind == "top-ups"
            else OptedOut(f"t{number}", "shop", ALICE, driver.now, f"{number:\U0001f4f5>64}")
        )
        driver.send_event(event)
    driver.process()
    driver.use(ALICE, 1000)
    driver.use(BOB, 600_000)
    driver.restart()
    reasons = [one.reason for one in driver.rejects()]
    assert reasons == ["account_full"] * 51  # the plan's allowance is one, too
    assert len(driver.stored()[ALICE.encode()]) < 150_000
    assert driver.account(ALICE).charged_bytes == 1000  # type: ignore[union-attr]
    assert [one.subscriber for one in driver.reminders()] == [BOB]
    assert driver.repairs == []
    driver.event(AccountClosed("c", "crm", ALICE, driver.now))
    assert "closed" in driver.decisions()


def test_an_unknown_plan_pack_and_zone_are_rejected(driver: QuotaDriver) -> None:
    driver.activate(ALICE, plan="gold")
    driver.activate(ALICE, zone="Mars/Olympus")
    driver.activate(ALICE)
    driver.top_up(ALICE, pack="week")
    assert [one.reason for one in driver.rejects()] == [
        *("unknown_plan", "unknown_time_zone", "unknown_pack")
    ]


@pytest.mark.parametrize("hold_seconds", [0, 3600])
def test_usage_of_an_unknown_subscriber_follows_the_policy(
    new_driver: NewDriver, hold_seconds: int
) -> None:
    text = RULES.replace("hold_unknown_seconds: 3600", f"hold_unknown_seconds: {hold_seconds}")
    driver = new_driver(rules=load_rulebook(text, "rules.yaml"))
    record = driver.use(ALICE, 600_000)
    if hold_seconds:
        assert driver.decisions() == ["held"]
        assert driver.rejects() == []
        driver.restart()
        driver.advance_wall_clock(hold_seconds * 1000 - 1)
        assert driver.rejects() == []
        driver.advance_wall_clock(1)
    (reject,) = driver.rejects()
    assert (reject.reason, reject.offset) == ("unknown_subscriber", record.offset)
    assert driver.stored() == driver.committed() == {}
    driver.restart()
    driver.advance_wall_clock(DAY)
    assert len(driver.rejects()) == 1


def test_held_usage_counts_when_the_activation_comes(driver: QuotaDriver) -> None:
    activated = driver.usage(ALICE, 1).time
    driver.advance_wall_clock(MINUTE)
    driver.use(ALICE, 600_000)
    driver.restart()
    driver.event(AccountActivated("a", "crm", ALICE, activated, "basic", "UTC", 1))
    assert driver.rejects() == []
    assert [one.text for one in driver.reminders()] == ["60% used"]


@pytest.mark.parametrize(
    ("kind", "rejected"),
    [
        ("any", {"tel:+8613800000009"}),
        ("numbers", {"tel:+8613800000009", "sub-001"}),
        ("ids", set()),
    ],
)
def test_rules_say_what_subscribers_are(
    new_driver: NewDriver, kind: str, rejected: set[str]
) -> None:
    lax = load_rulebook(RULES.replace("limits: {", "limits: {subscribers: ids, "), "rules.yaml")
    told = load_rulebook(
        RULES.replace("limits: {", f"limits: {{subscribers: {kind}, "), "rules.yaml"
    )
    driver = new_driver(rules=lax)
    names = (ALICE, "sub-001", "tel:+8613800000009")
    for name in names:  # accounts that are there already
        driver.activate(name)
    driver.take_rules(told)
    driver.advance_wall_clock(MINUTE)

    for name in names:
        driver.pipe(name.encode(), usage(subscriber=name, id=f"u-{name}"))

    rejects = driver.rejects()
    assert {one.reason for one in rejects} <= {"subscriber_form"}
    assert {one.event_id for one in rejects} == {f"u-{conceal(one, one)}" for one in rejected}
