"""The trace context of an event is in the headers of those reminders that it caused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from streamproc.contracts.records.codec import decode_reminder, encode_event
from streamproc.contracts.rules_file.load import load_rulebook
from tests.driver.conftest import RULES
from tests.support.quota_driver import HOUR, MINUTE, QuotaDriver
from tests.support.rules import edited
from tests.unit.test_tracing_context import OTHER, PARENT, STATE

NewDriver = Callable[..., QuotaDriver]
Trace = tuple[tuple[str, bytes | None], ...]

ALICE = "8613800000001"
BOB = "8613800000002"
FULL: Trace = (("traceparent", PARENT), ("tracestate", STATE))


def traces(driver: QuotaDriver) -> list[tuple[str, Trace]]:
    """Rule and headers of each reminder."""
    return [
        (decode_reminder(one.value or b"").rule, tuple(one.headers))
        for one in driver.output("reminders")
    ]


def use(driver: QuotaDriver, used_bytes: int, headers: Trace, subscriber: str = ALICE) -> None:
    driver.event(driver.usage(subscriber, used_bytes), headers=headers)


@pytest.mark.both_ways
def test_a_reminder_has_the_trace_of_its_event(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    use(driver, 500_000, (("x-other", b"1"), *FULL))
    use(driver, 300_000, ())
    use(driver, 200_000, (("traceparent", b"none"), ("tracestate", STATE)))
    assert traces(driver) == [("low", FULL), ("low", ()), ("low", ())]


@pytest.mark.both_ways
def test_each_of_one_commit_has_its_own(driver: QuotaDriver) -> None:
    """Reminders with and without a trace are written by one transaction."""
    for name in (ALICE, BOB):
        driver.activate(name)
    wanted = []
    for number in range(6):
        trace: Trace = (("traceparent", (PARENT, OTHER)[number % 2]),) if number % 3 else ()
        name = (ALICE, BOB)[number % 2]
        used = driver.usage(name, (500_000, 300_000, 200_000)[number // 2], f"u{number}")
        driver.send_event(used, headers=trace)
        wanted.append((name, trace))
    driver.process()
    driver.commit()
    found = [
        (decode_reminder(one.value or b"").subscriber, tuple(one.headers))
        for one in driver.output("reminders")
    ]
    for name in (ALICE, BOB):
        assert [one for one in found if one[0] == name] == [one for one in wanted if one[0] == name]


def test_the_bytes_are_those_of_an_event_without_trace(new_driver: NewDriver) -> None:
    with_trace, without = new_driver(), new_driver()
    for driver, trace in ((with_trace, FULL), (without, ())):
        driver.activate(ALICE)
        for _ in range(3):
            use(driver, 300_000, trace)
    assert with_trace.everything() == without.everything()
    assert traces(with_trace) != traces(without)


def test_what_was_due_before_an_event_has_no_trace(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.now_ms += 9 * HOUR + MINUTE  # no tick: the summary is sent with the event
    use(driver, 500_000, FULL)
    assert traces(driver) == [("morning", ()), ("low", FULL)]


@pytest.mark.parametrize("by", ["a timer", "another event"])
def test_what_was_held_has_no_trace(new_driver: NewDriver, by: str) -> None:
    hours = ("plans:", 'alerts: {quiet_hours: {start: "00:00", end: "08:00"}}\nplans:')
    driver = new_driver(rules=load_rulebook(edited(RULES, hours), "rules.yaml"))
    driver.activate(ALICE)
    use(driver, 500_000, FULL)
    assert traces(driver) == []
    if by == "a timer":
        driver.advance_wall_clock(8 * HOUR + MINUTE, step_ms=HOUR)
    else:
        driver.now_ms += 8 * HOUR + MINUTE
        use(driver, 1, (("traceparent", OTHER),))
    assert traces(driver) == [("low", ())]


def test_a_cloud_event_may_carry_the_trace_in_its_envelope(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    used = driver.usage(ALICE, 500_000)
    data = json.loads(encode_event(used))
    envelope = {
        "specversion": "1.0",
        "id": used.id,
        "source": used.source,
        "type": "streamproc.usage.recorded.v1",
        "traceparent": PARENT.decode(),
        "data": data,
    }
    driver.pipe(
        ALICE.encode(),
        json.dumps(envelope).encode(),
        headers=(("content-type", b"application/cloudevents+json"),),
    )
    assert traces(driver) == [("low", FULL[:1])]


@pytest.mark.parametrize("step", ["3", "4", "5"])
def test_after_a_failed_commit_the_trace_is_there_once(driver: QuotaDriver, step: str) -> None:
    driver.activate(ALICE)
    driver.send_event(driver.usage(ALICE, 500_000), headers=FULL)
    driver.process()
    with driver.crash_at("commit", step):
        driver.commit()
    driver.start()
    driver.process()
    driver.commit()
    assert traces(driver) == [("low", FULL)]


def test_a_forwarded_event_keeps_its_trace(new_driver: NewDriver) -> None:
    driver = new_driver(wrong_partition="forward")
    driver.activate(ALICE)
    wrong = 1 - driver.partition_of(ALICE.encode())
    driver.send_event(driver.usage(ALICE, 500_000), headers=FULL, partition=wrong)
    for _ in range(2):
        driver.process()
        driver.commit()
    assert traces(driver) == [("low", FULL)]
