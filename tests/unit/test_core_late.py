"""Usage that arrives late: after its pack ended, after the closing, long after it happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.rulebook import Allowance, CorrectionRule, Limits, Plan, Rulebook
from streamproc.core.state import events
from tests.support.line import (
    GB,
    Line,
    day,
    decisions,
    reasons,
    reminders,
    rulebook,
    thresholds,
)

MB = 1_000_000


def line() -> Line:
    line = Line()
    line.activate()
    return line


def test_late_usage_is_charged_to_the_pack_that_was_valid_when_it_happened() -> None:
    late = line()
    late.top_up(at=1, pack="extra")
    late.use(400 * MB, at=2)
    late.reach(day(8.5))
    effects = late.use(200 * MB, at=7.9, arrives=8.6)
    assert late.account.charged_bytes == 600 * MB
    assert late.bucket("data").used_bytes == 0
    # Over half of the pack is used, but reminding of a pack that is gone helps nobody.
    assert decisions(effects) == ["late_usage"]
    assert thresholds(effects) == []
    # What is left of the pack covers 400 MB, the allowance the rest.
    effects = late.use(600 * MB, at=7.95, arrives=8.7)
    assert late.bucket("data").used_bytes == 200 * MB
    assert late.use(600 * MB, at=7.96, arrives=8.8) == []
    assert late.bucket("data").used_bytes == 800 * MB


def test_late_usage_is_not_charged_to_a_pack_that_had_ended_before_it() -> None:
    late = line()
    late.top_up(at=1, pack="extra")
    late.reach(day(8.5))
    late.use(200 * MB, at=8.2, arrives=8.6)
    assert late.bucket("data").used_bytes == 200 * MB


def test_late_usage_is_charged_in_order_over_packs_that_ended_and_packs_that_did_not() -> None:
    late = line()
    late.top_up(at=1, pack="extra")
    late.top_up(at=3, pack="extra")
    late.reach(day(8.5))
    late.use(1500 * MB, at=7, arrives=8.6)
    assert late.bucket("extra#2").used_bytes == 500 * MB
    assert late.bucket("data").used_bytes == 0


def test_a_reminder_caused_by_late_usage_is_of_now_and_not_expired_at_birth() -> None:
    late = line()
    (reminder,) = reminders(late.use(6 * GB, at=1, arrives=3))
    assert reminder.as_of == day(3)
    assert reminder.not_before == day(3)
    assert reminder.expires_time == day(4)


def test_usage_before_the_closing_counts_though_it_arrives_after() -> None:
    late = line()
    late.use(9 * GB, at=1)
    late.close(at=2)
    effects = late.use(3 * GB, at=1.9, arrives=2.1)
    assert decisions(effects) == ["late_usage"]
    assert thresholds(effects) == []
    assert late.account.charged_bytes == 12 * GB
    closed = late.account.history[-1]
    assert (closed.used_bytes, closed.overage_bytes, closed.expired_bytes) == (10 * GB, 2 * GB, 0)


def test_usage_after_the_closing_is_rejected() -> None:
    late = line()
    late.close(at=2)
    assert reasons(late.use(GB, at=2)) == ["account_closed"]
    assert reasons(late.use(GB, at=2.1)) == ["account_closed"]


def test_usage_of_the_contract_before_counts_there() -> None:
    late = line()
    late.use(GB, at=1)
    late.close(at=2)
    late.activate(at=3)
    assert decisions(late.use(GB, at=1.9, arrives=3.1)) == ["late_usage"]
    assert late.bucket("data").used_bytes == 0
    assert reasons(late.use(GB, at=2.5, arrives=3.2)) == ["before_activation"]


def test_usage_before_the_first_activation_is_rejected_in_every_cycle() -> None:
    late = Line()
    late.activate(at=10)
    assert reasons(late.use(GB, at=9, arrives=11)) == ["before_activation"]
    late.reach(day(32))
    assert reasons(late.use(GB, at=9, arrives=33)) == ["before_activation"]


def test_usage_of_a_cycle_no_longer_kept_is_rejected() -> None:
    late = Line(rulebook(history_cycles=1, max_age_ms=100 * 86_400_000))
    late.activate()
    late.reach(day(70))
    assert reasons(late.use(GB, at=1, arrives=70)) == ["cycle_forgotten"]


def test_the_closing_of_an_earlier_contract_does_not_close_the_present_one() -> None:
    late = Line()
    late.close(at=0.5)
    effects = late.activate(at=1)
    assert reasons(effects) == ["before_activation"]
    late.use(GB, at=2)
    assert late.bucket("data").used_bytes == GB


def test_a_plan_change_of_an_earlier_contract_is_rejected() -> None:
    late = Line()
    late.activate(at=1)
    assert reasons(late.change_plan("basic", at=0.5, arrives=2)) == ["before_activation"]


OF_ANOTHER_CONTRACT: list[tuple[type[Any], dict[str, Any]]] = [
    (events.PlanChanged, {"plan": "basic"}),
    (events.ToppedUp, {"pack": "extra"}),
    (events.ToppedUp, {"granted_bytes": GB}),
    (events.OptedOut, {"category": "usage"}),
    (events.OptedIn, {"category": "usage"}),
    (events.ProfileChanged, {"time_zone": "Asia/Tokyo", "locale": "fr", "segments": ["young"]}),
    (events.PreferencesSet, {"summary_every": "day", "own_percents": [10]}),
    (events.CostCapLifted, {}),
    (events.CostCapRestored, {}),
    (events.MemberJoined, {"member": "861390000"}),
    (events.MemberLeft, {"member": "861390001"}),
    (events.LocationUpdated, {"roaming_zone": "eu"}),
    (events.SmsReceived, {"text": "STOP"}),
    (events.ServiceRequested, {"service": "video"}),
    (events.ServiceSubscribed, {"service": "video"}),
    (events.ServiceCharged, {"service": "video", "amount_minor": 100}),
    (events.ServiceRefunded, {"service": "video", "amount_minor": 100}),
    (events.AccountClosed, {}),
]


@pytest.mark.parametrize("history", ["held before it", "of an earlier contract"])
@pytest.mark.parametrize(("kind", "fields"), OF_ANOTHER_CONTRACT)
def test_nothing_from_before_a_contract_changes_it(
    kind: type[Any], fields: dict[str, Any], history: str
) -> None:
    late, plain = Line(), Line()
    if history == "held before it":
        assert decisions(late.send(kind, 0.9, 0.9, **fields)) == ["held"]
        effects = late.activate(at=1)
        plain.activate(at=1)
    else:
        for one in (late, plain):
            one.activate()
            one.close(at=0.5)
            one.activate(at=1)
        effects = late.send(kind, 0.6, 2, **fields)
    assert reasons(effects) == ["before_activation"]
    assert reminders(effects) == []
    for name in (
        *("status", "plan", "next_plan", "time_zone", "locale", "buckets", "overage_bytes"),
        *("opted_out", "extra", "grants", "cycle_start_ms", "cycle_end_ms"),
    ):
        assert getattr(late.account, name) == getattr(plain.account, name)


def test_a_refund_of_an_earlier_contract_is_booked_there_and_told_to_nobody() -> None:
    rule = CorrectionRule("corrected", {"en": "corrected"}, "usage", False, 1, DAY_MS, "always")
    rules = Rulebook(
        (Plan("basic", (Allowance("data", 10 * GB, 50),)),), (), (), (), Limits(), "en", "EUR",
        correction_rules=(rule,),
    )  # fmt: skip
    late = Line(rules)
    late.activate()
    late.use(GB, at=1)
    late.close(at=2)
    late.activate(at=3)
    effects = late.send(events.UsageRefunded, 1, 4, refunded_bytes=GB)
    assert decisions(effects) == ["refunded"]
    assert reminders(effects) == []
    assert late.account.history[0].used_bytes == 0
    late.use(GB, at=4)
    assert len(reminders(late.send(events.UsageRefunded, 4, 4, refunded_bytes=GB))) == 1


def test_closed_cycles_balance_after_late_usage() -> None:
    late = line()
    late.use(9 * GB, at=1)
    late.reach(day(31.5))
    late.use(3 * GB, at=30, arrives=31.6)
    closed = late.account.history[-1]
    assert closed.granted_bytes == closed.used_bytes + closed.expired_bytes
    assert closed.overage_bytes == 2 * GB
    assert reminders(late.effects)[-1].as_of < day(2) + timedelta(0)
