"""The laws of charging and reminding on one account, by hand-made examples."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from streamproc.core.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.events import (
    AccountActivated,
    Arrival,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.model import Account, pack, unpack
from streamproc.core.rulebook import (
    Allowance,
    Limits,
    Pack,
    Plan,
    Rulebook,
    TimedRule,
    UsageRule,
)
from streamproc.core.transition import advance, step

GB = 1_000_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = frozenset({"allowance", "pack", "topup"})
TEXT = {"en": "{percent}% used, {remaining} of {granted} left"}

RULES = Rulebook(
    plans=(Plan("basic", (Allowance("data", 10 * GB, 50),)),),
    packs=(Pack("extra", GB, 7 * DAY_MS, 10),),
    usage_rules=(
        UsageRule("low", "usage_percent", (50, 80, 100), ALL, TEXT, "usage", False, 5, DAY_MS),
    ),
    timed_rules=(
        TimedRule("weekly", "usage_summary", time(9), TEXT, "summary", False, 1, DAY_MS, DAY_MS),
    ),
    limits=Limits(),
    default_locale="en",
    currency="EUR",
)


class Line:
    """One subscriber's account, fed by hand; state goes through its packed form every time."""

    def __init__(self) -> None:
        self.state: bytes | None = None
        self.count = 0
        self.effects: list[Effect] = []

    @property
    def account(self) -> Account:
        assert self.state is not None
        return unpack(self.state)

    def feed(self, event: SubscriberEvent) -> list[Effect]:
        arrival = Arrival(to_ms(event.time), "events", 0, self.count)
        self.count += 1
        before = unpack(self.state) if self.state is not None else None
        account, effects = step(before, event, arrival, RULES)
        self.state = pack(account) if account is not None else None
        self.effects.extend(effects)
        return list(effects)

    def activate(self) -> None:
        self.feed(AccountActivated("a", "crm", "861380000", START, "basic", "Asia/Shanghai", 1))

    def use(self, used_bytes: int, day: float = 1.0, id: str | None = None) -> list[Effect]:
        when = START + timedelta(days=day)
        name = id or f"u{self.count}"
        return self.feed(UsageRecorded(name, "ocs", "861380000", when, total_bytes=used_bytes))


def reminders(effects: list[Effect]) -> list[tuple[str, int]]:
    return [
        (one.rule, one.threshold.value if one.threshold else 0)
        for one in effects
        if isinstance(one, Reminder)
    ]


def decisions(effects: list[Effect]) -> list[str]:
    return [one.decision for one in effects if isinstance(one, Audited)]


@pytest.fixture
def line() -> Line:
    line = Line()
    line.activate()
    return line


def test_landing_exactly_on_a_threshold_reminds_once(line: Line) -> None:
    assert reminders(line.use(5 * GB - 1)) == []
    assert reminders(line.use(1)) == [("low", 50)]
    assert reminders(line.use(1)) == []


def test_jumping_over_all_thresholds_reminds_of_the_highest(line: Line) -> None:
    effects = line.use(12 * GB)
    assert reminders(effects) == [("low", 100)]
    assert decisions(effects) == ["superseded", "superseded"]
    assert line.account.overage_bytes == 2 * GB


def test_a_duplicate_is_charged_once(line: Line) -> None:
    line.use(GB, id="same")
    assert decisions(line.use(GB, id="same")) == ["duplicate"]
    assert line.account.buckets[0].used_bytes == GB


def test_a_pack_is_charged_before_the_allowance_and_its_rest_expires(line: Line) -> None:
    when = START + timedelta(days=1)
    line.feed(ToppedUp("t", "crm", "861380000", when, pack="extra"))
    line.use(GB // 4, day=2)
    assert [(b.kind, b.used_bytes) for b in line.account.buckets] == [
        ("pack", GB // 4),
        ("allowance", 0),
    ]
    effects = line.use(1, day=9)
    assert "bucket_expired" in decisions(effects)
    assert [b.kind for b in line.account.buckets] == ["allowance"]


def test_a_top_up_rearms_exactly_what_it_uncrosses() -> None:
    line = Line()
    line.activate()
    when = START + timedelta(hours=1)
    line.feed(ToppedUp("t1", "crm", "861380000", when, granted_bytes=GB))
    line.use(10 * GB + GB * 85 // 100)
    later = START + timedelta(days=2)
    assert reminders(line.feed(ToppedUp("t2", "crm", "861380000", later, granted_bytes=GB))) == []
    assert reminders(line.use(GB * 75 // 100, day=2.5)) == [("low", 80)]


def test_a_new_cycle_arms_all_thresholds_and_late_usage_adjusts_history(line: Line) -> None:
    line.use(9 * GB, day=29)
    effects = line.use(5 * GB, day=32)
    assert ("low", 50) in reminders(effects)
    assert "cycle_closed" in decisions(effects)
    late = line.feed(
        UsageRecorded("late", "ocs", "861380000", START + timedelta(days=29), total_bytes=2 * GB)
    )
    assert reminders(late) == []
    # It arrived when it happened, before the cycle's end: the account's clock is later already.
    assert decisions(late) == ["late_usage"]
    closed = line.account.history[-1]
    assert (closed.used_bytes, closed.overage_bytes, closed.late_bytes) == (10 * GB, GB, 2 * GB)


def test_usage_of_an_unknown_subscriber_waits_for_the_activation() -> None:
    line = Line()
    when = START + timedelta(seconds=5)
    assert decisions(
        line.feed(UsageRecorded("u", "ocs", "861380000", when, total_bytes=6 * GB))
    ) == ["held"]
    line.activate()
    assert reminders(line.effects) == [("low", 50)]
    assert line.account.buckets[0].used_bytes == 6 * GB


def test_usage_of_a_subscriber_never_activated_is_rejected_in_the_end() -> None:
    line = Line()
    line.use(GB)
    account, effects = advance(line.account, "861380000", to_ms(START) + 9 * DAY_MS, RULES)
    assert account is None
    assert [one.reason for one in effects if isinstance(one, Rejected)] == ["unknown_subscriber"]


def test_the_weekly_summary_comes_at_nine_in_the_subscribers_own_morning(line: Line) -> None:
    line.use(GB)
    account, effects = advance(
        line.account, "861380000", to_ms(START) + 4 * DAY_MS + DAY_MS // 4, RULES
    )
    summaries = [one for one in effects if isinstance(one, Reminder)]
    assert [one.as_of for one in summaries] == [datetime(2026, 1, 5, 1, tzinfo=UTC)]
    assert summaries[0].text == "10% used, 9 GB of 10 GB left"
    assert account is not None
    assert account.next_due_ms == to_ms(datetime(2026, 1, 12, 1, tzinfo=UTC))
