"""Usage of a closed cycle that arrives late, and its refunds: as if it had come in time."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.state.account import Account, ClosedCycle, pack
from streamproc.core.state.effects import Effect, PolicyChanged
from streamproc.core.state.events import MemberJoined, UsageRefunded
from tests.support.amounts import wrong_amounts
from tests.support.line import Line, day, decisions, reminders, thresholds

RULES = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 100}]
    overage_price_minor: 1
    overage_unit_bytes: 1
    policies: [{id: empty, when: nothing_left, state: barred}]
  - id: films
    allowances:
      - {id: data, granted_bytes: 100}
      - {id: video, granted_bytes: 50, rating_groups: [20], priority: 40}
      - {id: night, granted_bytes: 30, hours: ["22:00-06:00"], priority: 30}
  - id: rolling
    allowances: [{id: data, granted_bytes: 100, rollover: {max_bytes: 60}}]
  - {id: endless, allowances: [{id: all, unlimited: true}]}
packs:
  - {id: day, granted_bytes: 30, validity_hours: 24, priority: 20}
  - {id: month, granted_bytes: 500, validity_hours: 744, priority: 60}
rules:
  - id: low
    kind: usage_percent
    thresholds: [40, 80]
    bucket_kinds: [allowance, pack, topup, rollover]
    category: c
    texts: {en: "{percent}% of {bucket}"}
  - {id: nothing, kind: zero_balance, category: c, texts: {en: "nothing left"}}
"""
LAST = 31 - 1 / 86_400
"""The last second of January."""


def line_of(plan: str) -> Line:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan=plan)
    return line


def january(line: Line) -> ClosedCycle:
    return next(one for one in line.account.history if one.start_ms == to_ms(day(0)))


def late(line: Line, used: int) -> list[Effect]:
    return line.use(used, LAST, 31.01)


def test_late_usage_takes_a_top_up_that_was_valid_and_is_alive() -> None:
    line = line_of("basic")
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=1000)
    line.reach(day(31.005))
    assert decisions(late(line, 40)) == ["late_usage"]
    assert line.bucket("topup#1").used_bytes == 40
    assert line.bucket("data").used_bytes == 0
    cycle = january(line)
    assert (cycle.used_bytes, cycle.overage_bytes, cycle.late_bytes) == (100, 0, 40)
    assert line.account.overage_bytes == 0


def test_a_top_up_bought_after_the_usage_is_not_charged() -> None:
    line = line_of("basic")
    line.use(100, at=8)
    line.top_up(at=31.001, granted_bytes=1000)
    late(line, 40)
    assert line.bucket("topup#1").used_bytes == 0
    assert january(line).overage_bytes == 40


def test_thresholds_of_what_is_alive_are_told_those_of_what_is_over_are_not() -> None:
    line = line_of("basic")
    line.use(30, at=8)
    line.top_up(at=9, granted_bytes=100)
    line.reach(day(31.005))
    # 70 of the closed allowance (told to nobody), 50 of the top-up.
    effects = line.use(120, LAST, 31.01)
    assert thresholds(effects) == [("low", 40)]
    assert [one.text for one in reminders(effects)] == ["50% of extra data"]
    assert reminders(effects)[0].as_of == day(31.01)


def test_late_usage_may_leave_nothing_and_bar() -> None:
    line = line_of("basic")
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=100)
    line.reach(day(31))
    line.use(100, at=31.001, arrives=31.001)
    effects = line.use(100, LAST, 31.01)
    assert ("nothing", 0) in thresholds(effects)
    assert [one.state for one in effects if isinstance(one, PolicyChanged)] == ["barred"]


def test_late_usage_takes_packs_that_ended_since_in_either_cycle() -> None:
    line = line_of("basic")
    line.top_up(at=29.5, pack="day")  # until 30.5
    line.top_up(at=30.2, pack="day")  # until 31.2
    line.reach(day(31.5))
    effects = line.use(70, 30.4, 31.6)
    assert decisions(effects) == ["late_usage"]
    cycle = january(line)
    assert [(one.id, one.used_bytes) for one in cycle.buckets] == [("data", 10), ("day#1", 30)]
    assert [(one.id, one.used_bytes) for one in line.account.ended] == [("day#2", 30)]
    assert (cycle.used_bytes, cycle.expired_bytes, cycle.overage_bytes) == (10, 90, 0)


@pytest.mark.parametrize(
    ("at", "group", "wanted"),
    [
        (10.5, 10, {"data": 60}),
        (10.5, 20, {"video": 50, "data": 10}),
        (10.95, 10, {"night": 30, "data": 30}),
        (10.95, 20, {"night": 30, "video": 30}),
    ],
)
def test_scopes_hold_for_what_was_the_cycles_own(
    at: float, group: int, wanted: dict[str, int]
) -> None:
    line = line_of("films")
    line.reach(day(31))
    line.use(60, at, 31.01, rating_group=group)
    found = {one.id: one.used_bytes for one in january(line).buckets}
    assert {name: used for name, used in found.items() if used} == wanted
    assert january(line).overage_bytes == 0
    assert january(line).used_bytes == 60


def test_overage_of_one_scope_does_not_take_what_another_had_left() -> None:
    line = line_of("films")
    line.use(100, at=10.5, rating_group=10)
    line.reach(day(31))
    line.use(60, 10.5, 31.01, rating_group=10)
    assert january(line).overage_bytes == 60


def test_a_plan_change_at_the_cycles_end_does_not_hide_the_old_plan() -> None:
    line = line_of("films")
    line.change_plan("basic", at=5, effective="next_cycle")
    line.reach(day(31))
    line.use(20, 10.5, 31.01, rating_group=20)
    assert [(one.id, one.used_bytes) for one in january(line).buckets][1] == ("video", 20)
    assert line.bucket("data").used_bytes == 0


def test_usage_of_an_allowance_that_a_change_of_plan_ended_goes_to_it() -> None:
    line = line_of("films")
    line.change_plan("basic", at=5)
    line.reach(day(31))
    line.use(20, 4.5, 31.01, rating_group=20)
    line.use(20, 5.5, 31.01, rating_group=20)
    found = {one.id: one.used_bytes for one in january(line).buckets}
    assert (found["video"], found["data"]) == (20, 20)


def test_what_rolled_over_follows_and_its_thresholds_too() -> None:
    line = line_of("rolling")
    line.reach(day(31))
    line.use(15, at=31.001)  # of the 60 bytes that rolled over
    effects = line.use(60, LAST, 31.01)
    # 40 had expired, 20 came out of what had rolled over: 15 of 40 left to it.
    assert line.bucket("data#1").granted_bytes == 40
    assert thresholds(effects) == []
    effects = line.use(10, LAST, 31.02)
    assert thresholds(effects) == [("low", 40)]
    assert [one.text for one in reminders(effects)] == ["50% of carried-over data"]
    cycle = january(line)
    assert (cycle.used_bytes, cycle.expired_bytes, cycle.rolled_over_bytes) == (70, 0, 30)


def test_a_refund_of_it_leaves_the_account_as_if_it_had_never_been() -> None:
    line = line_of("rolling")
    line.use(30, at=1)
    line.top_up(at=9, granted_bytes=1000)
    line.use(10, at=10)
    line.reach(day(31))
    line.use(20, at=31.001)
    before = line.account
    line.use(200, LAST, 31.01, id="late")
    assert line.bucket("topup#1").used_bytes == 140
    assert (line.bucket("data#2").granted_bytes, line.bucket("data").used_bytes) == (0, 20)
    line.send(
        UsageRefunded, LAST, 31.02, refunded_bytes=200, of_source="ocs", of_id="late", notify=False
    )
    after = line.account
    for one in (*before.history, *after.history):
        one.late_bytes = 0

    def figures(account: Account) -> object:
        return (
            [(one.id, one.granted_bytes, one.used_bytes) for one in account.buckets],
            account.history,
            account.overage_bytes,
            account.charged_bytes,
        )

    assert figures(after) == figures(before)


def test_a_refund_takes_back_what_its_own_cycle_took_of_a_top_up() -> None:
    line = line_of("basic")
    line.top_up(at=1, granted_bytes=1000)
    line.use(150, at=8)  # 50 of the top-up
    line.reach(day(31))
    line.use(130, at=32)  # 30 of the top-up
    line.send(UsageRefunded, 32, 33, refunded_bytes=60)
    # The usage of February: 30 of the top-up, then its allowance.
    assert line.bucket("topup#1").used_bytes == 50
    assert line.bucket("data").used_bytes == 70
    line.send(UsageRefunded, 8, 33, refunded_bytes=60)
    assert line.bucket("topup#1").used_bytes == 0
    assert january(line).used_bytes == 90


def test_what_forgotten_cycles_took_is_not_taken_back_by_the_present_one() -> None:
    line = line_of("basic")
    line.top_up(at=1, granted_bytes=1000)
    line.use(150, at=8)
    for month in range(1, 6):
        line.reach(day(31 * month))
    at = 31 * 5
    line.use(120, at=at)
    line.send(UsageRefunded, at, refunded_bytes=500)
    assert line.bucket("topup#1").used_bytes == 50


def test_members_figures_are_of_the_present_cycle() -> None:
    line = line_of("basic")
    line.send(MemberJoined, 0, member="861380001")
    line.reach(day(31))
    line.use(10, LAST, 31.01, member="861380001")
    quota = line.account.quota
    assert quota is not None
    assert quota.members["861380001"].used_bytes == 0


def test_late_usage_of_a_closed_contract_takes_its_top_ups() -> None:
    line = line_of("basic")
    line.use(100, at=1)
    line.top_up(at=2, granted_bytes=1000)
    line.close(at=5)
    line.activate(at=6, plan="basic")
    line.use(40, 4, 6.5)
    assert january(line).overage_bytes == 0
    assert january(line).buckets[1].used_bytes == 40
    assert line.bucket("data").used_bytes == 0
    line.send(UsageRefunded, 4, 7, refunded_bytes=40)
    assert january(line).buckets[1].used_bytes == 0


def test_an_unlimited_plan_that_is_over_covers_its_late_usage() -> None:
    line = line_of("endless")
    line.use(5, at=1)
    line.top_up(at=2, granted_bytes=1000)
    line.change_plan("basic", at=3, effective="next_cycle")
    line.reach(day(31))
    line.use(70, LAST, 31.01)
    cycle = january(line)
    assert (cycle.granted_bytes, cycle.used_bytes, cycle.overage_bytes) == (75, 75, 0)
    assert cycle.buckets == []


def test_a_plain_cycle_is_told_by_its_totals() -> None:
    line = line_of("basic")
    line.use(10, at=1)
    line.reach(day(31))
    (cycle,) = line.account.history
    assert (cycle.source, cycle.priority, cycle.buckets, cycle.beside) == ("data", 50, [], {})


def test_a_cycle_of_an_earlier_release_is_one_allowance_of_all_usage() -> None:
    line = line_of("basic")
    line.use(90, at=1)
    line.reach(day(31))
    account = line.account
    (cycle,) = account.history
    cycle.source, cycle.priority = "", 0
    line.state = pack(account)
    line.use(40, LAST, 31.01)
    assert (january(line).used_bytes, january(line).overage_bytes) == (100, 30)


def test_what_the_end_of_a_pack_that_came_late_means_is_so_as_of_now() -> None:
    line = line_of("basic")
    line.use(100, at=1)
    effects = line.top_up(at=2, arrives=9, pack="day")  # over since day 3
    assert decisions(effects) == ["topped_up"]
    effects = line.reach(day(9))
    assert [(one.rule, one.as_of) for one in reminders(effects)] == [("nothing", day(9))]
    assert {one.time for one in effects if isinstance(one, PolicyChanged)} == {day(9)}


def test_late_usage_is_none_of_the_events_that_are_counted() -> None:
    rules = RULES.replace("- id: low\n", "- id: low\n    for_count: 2\n")
    line = Line(load_rulebook(rules, "rules.yaml"))
    line.activate(plan="basic")
    line.reach(day(31))
    assert thresholds(line.use(50, at=32)) == []
    assert thresholds(line.use(1, LAST, 32.1)) == []
    assert thresholds(line.use(1, at=32.2)) == [("low", 40)]


def test_a_refund_of_the_oldest_cycle_goes_beyond_what_a_forgotten_one_used_of_its_own_top_up() -> (
    None
):
    limits = "limits: {max_age_days: 100, dedupe_horizon_days: 140, history_cycles: 2}\n"
    line = Line(load_rulebook(RULES + limits, "rules.yaml"))
    line.activate()
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=50, expires_time=day(50))
    line.use(20, at=10)
    line.use(110, at=40)
    line.reach(day(95))  # January is forgotten
    february = line.account.history[0]
    assert february.start_ms == to_ms(day(31))
    (_, top_up) = february.buckets
    assert (top_up.used_bytes, february.beside) == (30, {})  # its own, so it is noted once
    line.send(UsageRefunded, 40, 95.5, refunded_bytes=25)
    assert not wrong_amounts(line.account)
    (_, top_up) = line.account.history[0].buckets
    assert (top_up.used_bytes, top_up.expired_bytes) == (5, 45)


def test_a_row_of_an_earlier_release_that_noted_it_twice_takes_no_harm() -> None:
    limits = "limits: {max_age_days: 100, dedupe_horizon_days: 140, history_cycles: 2}\n"
    line = Line(load_rulebook(RULES + limits, "rules.yaml"))
    line.activate()
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=50, expires_time=day(50))
    line.use(20, at=10)
    line.use(110, at=40)
    line.reach(day(95))
    account = line.account
    account.history[0].beside = {"topup#1": 20}
    line.state = pack(account)
    line.send(UsageRefunded, 40, 95.5, refunded_bytes=25)
    assert line.account.history[0].beside == {"topup#1": 20}


def test_a_contract_that_began_and_ended_as_the_earlier_one_was_closed_has_its_own_usage() -> None:
    line = line_of("basic")
    line.use(100, at=1)
    line.top_up(at=1.5, granted_bytes=50)
    line.use(150, at=35)  # of February, all of the top-up
    line.close(at=40, arrives=41)
    line.activate(at=40, arrives=41)
    line.use(150, at=40.2, arrives=41.1)
    line.close(at=40, arrives=41.2)
    first, second = line.account.history
    assert (first.end_ms, second.start_ms, second.end_ms) == (to_ms(day(40)),) * 3
    line.send(UsageRefunded, 35, 42, refunded_bytes=30)
    first, second = line.account.history
    (_, top_up) = first.buckets
    assert (top_up.used_bytes, second.overage_bytes) == (20, 50)
