"""Holding, deduplication, opting out, and input at the edge of what can be."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from streamproc.contracts.records.codec import (
    DecodeFailure,
    decode_event,
    decode_reminder,
    encode_effect,
)
from streamproc.core.instants import DAY_MS
from streamproc.core.rules.rulebook import Limits
from streamproc.core.state.effects import Audited
from streamproc.core.state.events import MAX_INTEGER, UsageRecorded, UsageRefunded
from streamproc.core.usage import dedupe
from tests.support.line import (
    EXPIRY,
    GB,
    SUBSCRIBER,
    WEEKLY,
    Line,
    day,
    decisions,
    reasons,
    reminders,
    rulebook,
    thresholds,
)


def test_every_held_event_waits_its_own_time() -> None:
    line = Line(rulebook(hold_unknown_ms=DAY_MS))
    line.use(GB, at=0.5)
    line.use(2 * GB, at=1.4)
    assert reasons(line.reach(day(1.5))) == ["unknown_subscriber"]
    line.activate(at=0.1, arrives=1.6)
    assert line.bucket("data").used_bytes == 2 * GB


def test_held_events_are_all_rejected_in_the_end() -> None:
    line = Line(rulebook(hold_unknown_ms=DAY_MS))
    line.use(GB, at=0.5)
    line.use(2 * GB, at=1.4)
    assert reasons(line.reach(day(3))) == ["unknown_subscriber"] * 2
    assert line.state is None


def test_source_and_id_do_not_run_into_each_other() -> None:
    assert dedupe.digest("a", "b\0c") != dedupe.digest("a\0b", "c")


def test_the_same_id_of_another_source_is_another_event() -> None:
    assert dedupe.digest("ocs-1", "7") != dedupe.digest("ocs-2", "7")


def test_a_top_up_valid_until_the_end_of_time_never_expires() -> None:
    line = Line(rulebook(timed_rules=(WEEKLY, EXPIRY)))
    line.activate()
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))
    line.top_up(at=1, granted_bytes=GB, expires_time=end)
    line.use(10 * GB, at=2)
    assert thresholds(line.use(GB // 2, at=2.5)) == [("low", 50)]
    assert thresholds(line.reach(day(5))) == [("weekly", 0)]


def test_a_top_up_that_ends_before_it_begins_is_rejected() -> None:
    line = Line()
    line.activate()
    dawn = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    for expires in (dawn, datetime(1969, 1, 1, tzinfo=UTC), day(1)):
        effects = line.top_up(at=1, granted_bytes=GB, expires_time=expires)
        assert reasons(effects) == ["already_expired"]
    assert line.reach(day(2)) == []
    assert [one.id for one in line.account.buckets] == ["data"]


def test_a_new_contract_begins_without_the_old_ones_opt_outs() -> None:
    line = Line()
    line.activate()
    line.opt("usage", at=1)
    assert decisions(line.use(6 * GB, at=1.5)) == ["opted_out"]
    line.close(at=2)
    line.activate(at=3)
    assert thresholds(line.use(6 * GB, at=4)) == [("low", 50)]


@pytest.mark.parametrize("name", ["content-type", "ce_specversion", "ce_id", "other"])
def test_a_header_without_a_value_is_no_reason_to_stop(name: str) -> None:
    value = b'{"type":"clock.advanced","id":"1","source":"s","time":"2026-01-01T00:00:00Z"}'
    headers: list[tuple[str, bytes | None]] = [(name, None)]
    with contextlib.suppress(DecodeFailure):
        decode_event(value, None, headers)


def test_a_balance_beyond_what_json_keeps_exactly_is_refused() -> None:
    line = Line()
    line.activate()
    line.top_up(at=1, granted_bytes=MAX_INTEGER // 2)
    for at in (2, 3):
        effects = line.top_up(at=at, granted_bytes=MAX_INTEGER // 2, expires_time=day(at + 9))
        assert reasons(effects) == ["absurd_bytes"]
    assert reasons(line.top_up(at=4, pack="extra")) == ["absurd_bytes"]
    assert line.account.grants == 1
    (reminder,) = reminders(line.use(5 * GB, at=5))
    assert decode_reminder(encode_effect(reminder)) == reminder


def test_what_is_just_allowed_of_an_events_time_is_allowed() -> None:
    """As far ahead of the clock, and as old, as the limits say; a millisecond more is refused."""
    limits, millisecond = Limits(), timedelta(milliseconds=1)
    arrives = day(50)
    ahead = arrives + timedelta(milliseconds=limits.max_ahead_ms)
    old = arrives - timedelta(milliseconds=limits.max_age_ms)
    wanted = {
        ahead: [],
        ahead + millisecond: ["time_in_future"],
        old: [],
        old - millisecond: ["time_in_past"],
    }
    for number, (when, why) in enumerate(wanted.items()):
        line = Line(rulebook(history_cycles=12))
        line.activate()
        event = UsageRecorded(f"u{number}", "ocs", SUBSCRIBER, when, total_bytes=5)
        assert reasons(line.feed(event, arrives)) == why


def test_a_refund_of_an_ended_cycle_takes_its_overage_back_first() -> None:
    line = Line(rulebook(history_cycles=12))
    line.activate()
    line.use(12 * GB, at=10)
    line.reach(day(32))
    (cycle,) = line.account.history
    assert (cycle.used_bytes, cycle.overage_bytes) == (10 * GB, 2 * GB)
    effects = line.send(UsageRefunded, at=15, arrives=33, refunded_bytes=3 * GB)
    (audit,) = [one for one in effects if isinstance(one, Audited) and one.decision == "refunded"]
    assert audit.figures["overage_bytes"] == 2 * GB
    (cycle,) = line.account.history
    assert (cycle.used_bytes, cycle.overage_bytes) == (9 * GB, 0)
