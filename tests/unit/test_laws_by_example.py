"""The laws of charging and reminding on one account, by hand-made examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.state.effects import Rejected, Reminder
from streamproc.core.state.events import UsageRecorded
from streamproc.core.step.transition import advance
from tests.support.line import (
    GB,
    START,
    SUBSCRIBER,
    WEEKLY,
    Line,
    decisions,
    rulebook,
    thresholds,
)

RULES = rulebook(timed_rules=(WEEKLY,))
ZONE = "Asia/Shanghai"


@pytest.fixture
def line() -> Line:
    line = Line(RULES)
    line.activate(zone=ZONE)
    return line


def test_landing_exactly_on_a_threshold_reminds_once(line: Line) -> None:
    assert thresholds(line.use(5 * GB - 1, at=1)) == []
    assert thresholds(line.use(1, at=1)) == [("low", 50)]
    assert thresholds(line.use(1, at=1)) == []


def test_jumping_over_all_thresholds_reminds_of_the_highest(line: Line) -> None:
    effects = line.use(12 * GB, at=1)
    assert thresholds(effects) == [("low", 100)]
    assert decisions(effects) == ["superseded", "superseded"]
    assert line.account.overage_bytes == 2 * GB


def test_a_duplicate_is_charged_once(line: Line) -> None:
    line.use(GB, at=1, id="same")
    assert decisions(line.use(GB, at=1, id="same")) == ["duplicate"]
    assert line.account.buckets[0].used_bytes == GB


def test_a_pack_is_charged_before_the_allowance_and_its_rest_expires(line: Line) -> None:
    line.top_up(at=1, pack="extra")
    line.use(GB // 4, at=2)
    assert [(b.kind, b.used_bytes) for b in line.account.buckets] == [
        ("pack", GB // 4),
        ("allowance", 0),
    ]
    effects = line.use(1, at=9)
    assert "bucket_expired" in decisions(effects)
    assert [b.kind for b in line.account.buckets] == ["allowance"]


def test_a_pack_covers_usage_until_its_end_and_not_at_its_end(line: Line) -> None:
    line.top_up(at=1, pack="extra")
    end = (line.account.buckets[0].expires_ms - to_ms(START)) / DAY_MS
    line.use(1, at=9)
    line.use(GB, at=end, arrives=9)
    assert [one.used_bytes for one in line.account.ended] == [0]
    line.use(5, at=end - 1 / DAY_MS, arrives=9)
    assert [one.used_bytes for one in line.account.ended] == [5]
    assert line.account.buckets[0].used_bytes == GB + 1


def test_a_top_up_rearms_exactly_what_it_uncrosses() -> None:
    line = Line(RULES)
    line.activate(zone=ZONE)
    line.top_up(at=1 / 24, granted_bytes=GB)
    line.use(10 * GB + GB * 85 // 100, at=1)
    assert thresholds(line.top_up(at=2, granted_bytes=GB)) == []
    assert thresholds(line.use(GB * 75 // 100, at=2.5)) == [("low", 80)]


def test_a_new_cycle_arms_all_thresholds_and_late_usage_adjusts_history(line: Line) -> None:
    line.use(9 * GB, at=29)
    effects = line.use(5 * GB, at=32)
    assert ("low", 50) in thresholds(effects)
    assert "cycle_closed" in decisions(effects)
    late = line.feed(
        UsageRecorded("late", "ocs", SUBSCRIBER, START + timedelta(days=29), total_bytes=2 * GB)
    )
    assert thresholds(late) == []
    # It arrived when it happened, before the cycle's end: the account's clock is later already.
    assert decisions(late) == ["late_usage"]
    closed = line.account.history[-1]
    assert (closed.used_bytes, closed.overage_bytes, closed.late_bytes) == (10 * GB, GB, 2 * GB)


def test_usage_of_an_unknown_subscriber_waits_for_the_activation() -> None:
    line = Line(RULES)
    when = START + timedelta(seconds=5)
    assert decisions(
        line.feed(UsageRecorded("u", "ocs", SUBSCRIBER, when, total_bytes=6 * GB))
    ) == ["held"]
    line.activate(zone=ZONE)
    assert thresholds(line.effects) == [("low", 50)]
    assert line.account.buckets[0].used_bytes == 6 * GB


def test_usage_of_a_subscriber_never_activated_is_rejected_in_the_end() -> None:
    line = Line(RULES)
    line.use(GB, at=1)
    account, effects = advance(line.account, SUBSCRIBER, to_ms(START) + 9 * DAY_MS, RULES, line.ids)
    assert account is None
    assert [one.reason for one in effects if isinstance(one, Rejected)] == ["unknown_subscriber"]


def test_the_weekly_summary_comes_at_nine_in_the_subscribers_own_morning(line: Line) -> None:
    line.use(GB, at=1)
    account, effects = advance(
        line.account, SUBSCRIBER, to_ms(START) + 4 * DAY_MS + DAY_MS // 4, RULES, line.ids
    )
    summaries = [one for one in effects if isinstance(one, Reminder)]
    assert [one.as_of for one in summaries] == [datetime(2026, 1, 5, 1, tzinfo=UTC)]
    assert summaries[0].text == "10% used, 9 GB of 10 GB left"
    assert account is not None
    assert account.next_due_ms == to_ms(datetime(2026, 1, 12, 1, tzinfo=UTC))
