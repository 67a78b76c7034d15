"""CloudEvents in both modes of the Kafka binding mean what the same plain JSON means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from streamproc.contracts.records.codec import encode_event
from streamproc.core.state.events import AccountActivated, SubscriberEvent, ToppedUp
from tests.support.quota_driver import HOUR, MINUTE, Everything, QuotaDriver

NewDriver = Callable[..., QuotaDriver]
Record = tuple[bytes | None, list[tuple[str, bytes]]]

ALICE = "8613800000001"


def plain(event: SubscriberEvent) -> Record:
    return encode_event(event), []


def binary(event: SubscriberEvent) -> Record:
    """Attributes in headers, the rest as data."""
    fields = msgspec.json.decode(encode_event(event), type=dict[str, Any])
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", f"streamproc.{fields.pop('type')}.v1".encode()),
        ("ce_id", fields.pop("id").encode()),
        ("ce_source", fields.pop("source").encode()),
        ("ce_time", fields.pop("time").encode()),
        ("ce_subject", fields.pop("subscriber").encode()),
        ("content-type", b"application/json"),
        ("ce_traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ]
    return msgspec.json.encode(fields) if fields else None, headers


def structured(event: SubscriberEvent) -> Record:
    """One JSON envelope."""
    fields = msgspec.json.decode(encode_event(event), type=dict[str, Any])
    envelope = {
        "specversion": "1.0",
        "type": f"streamproc.{fields.pop('type')}.v1",
        "id": fields.pop("id"),
        "source": fields.pop("source"),
        "time": fields.pop("time"),
        "subject": fields.pop("subscriber"),
        "datacontenttype": "application/json",
        "data": fields,
    }
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    return msgspec.json.encode(envelope), headers


def mixed(event: SubscriberEvent) -> Record:
    """Each event in another form."""
    return (plain, binary, structured)[len(event.id) % 3](event)


def play(driver: QuotaDriver, form: Callable[[SubscriberEvent], Record]) -> Everything:
    def pipe(event: SubscriberEvent) -> None:
        value, headers = form(event)
        driver.pipe(ALICE.encode(), value, headers=headers)

    pipe(AccountActivated("a", "crm", ALICE, driver.now, "basic", "UTC", 1))
    driver.advance_wall_clock(MINUTE)
    pipe(driver.usage(ALICE, 600_000, "u1"))
    pipe(driver.usage(ALICE, 600_000, "u1"))
    pipe(ToppedUp("t", "shop", ALICE, driver.now, pack="day"))
    pipe(driver.usage(ALICE, 1_100_000, "u22"))
    driver.advance_wall_clock(10 * HOUR, step_ms=HOUR)
    return driver.everything()


@pytest.mark.parametrize("form", [binary, structured, mixed])
def test_the_form_makes_no_difference(
    new_driver: NewDriver, form: Callable[[SubscriberEvent], Record]
) -> None:
    expected_driver, driver = new_driver(), new_driver()
    expected = play(expected_driver, plain)
    texts = [one.text for one in expected_driver.reminders()]
    # The pack and the plan are used up at once: a message about each.
    assert texts == ["60% used", "100% used", "100% used", "1.5 MB used"]
    assert "duplicate" in expected_driver.decisions()
    assert play(driver, form) == expected


def test_an_event_and_its_duplicate_in_another_form_count_once(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(MINUTE)
    event = driver.usage(ALICE, 600_000, "u")
    for form in (plain, binary, structured):
        value, headers = form(event)
        driver.pipe(ALICE.encode(), value, headers=headers)
    assert driver.decisions() == ["activated", "duplicate", "duplicate"]
    assert driver.account(ALICE).charged_bytes == 600_000  # type: ignore[union-attr]


def test_headers_that_are_no_cloudevents_change_nothing(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    value, _ = plain(driver.usage(ALICE, 600_000, "u"))
    driver.pipe(ALICE.encode(), value, headers=[("trace", b"\xff"), ("empty", None)])
    assert [one.text for one in driver.reminders()] == ["60% used"]
    assert driver.rejects() == []
