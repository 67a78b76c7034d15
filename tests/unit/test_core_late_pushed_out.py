"""Late usage takes what its cycle had, though a later cycle used that meanwhile."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.state.account import ClosedCycle
from streamproc.core.state.effects import Audited, PolicyChanged
from streamproc.core.state.events import MemberJoined, UsageRefunded
from streamproc.core.usage.tariffs import spend_by_tariff
from tests.support.line import Line, day, decisions, reminders, thresholds

RULES = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: rolling
    allowances: [{id: data, granted_bytes: 1000, rollover: {max_bytes: 1000}}]
    overage_price_minor: 1
    overage_unit_bytes: 1
  - {id: capped, allowances: [{id: data, granted_bytes: 1000, rollover: {max_bytes: 300}}]}
  - id: films
    allowances:
      - {id: data, granted_bytes: 1000}
      - {id: video, granted_bytes: 100, rating_groups: [20], priority: 40,
         rollover: {max_bytes: 100}}
    overage_price_minor: 1
    overage_unit_bytes: 1
    tariffs: [{id: films, rating_groups: [20], overage_price_minor: 5, overage_unit_bytes: 1}]
  - id: short
    allowances: [{id: data, granted_bytes: 100}]
    policies: [{id: empty, when: nothing_left, state: barred}]
rules:
  - id: low
    kind: usage_percent
    thresholds: [50, 80, 100]
    bucket_kinds: [allowance, pack, topup, rollover]
    category: c
    texts: {en: "{percent}% of {bucket}"}
  - {id: ten, kind: used_bytes, thresholds: [10], bucket_kinds: [rollover], category: c,
     texts: {en: "{used}"}}
  - {id: costs, kind: overage_started, category: c, texts: {en: "data cost now"}}
"""
LAST = 31 - 1 / 86_400


def line_of(plan: str) -> Line:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan=plan)
    return line


def cycle(line: Line, start: float = 0) -> ClosedCycle:
    return next(one for one in line.account.history if one.start_ms == to_ms(day(start)))


def with_a_used_roll_over() -> Line:
    line = line_of("rolling")
    line.use(600, at=9)
    line.top_up(at=10, granted_bytes=300)
    line.use(10, at=31.5)
    assert line.bucket("data#2").used_bytes == 10
    return line


def test_what_rolled_over_and_was_used_is_the_late_usages() -> None:
    line = with_a_used_roll_over()
    effects = line.use(700, LAST, 32)
    assert (cycle(line).used_bytes, cycle(line).overage_bytes) == (1000, 0)
    assert line.bucket("topup#1").used_bytes == 300
    assert (line.bucket("data#2").granted_bytes, line.bucket("data#2").used_bytes) == (0, 0)
    assert line.bucket("data").used_bytes == 10
    assert line.account.overage_bytes == 0
    (audit,) = [one for one in effects if isinstance(one, Audited) and one.decision == "late_usage"]
    assert audit.figures["recharged_bytes"] == 10
    assert thresholds(effects) == [("low", 100)]  # of the top-up
    assert line.account.charged_bytes == 1310


def test_and_is_given_back_with_it() -> None:
    line = with_a_used_roll_over()
    line.use(700, LAST, 32, id="late")
    line.send(UsageRefunded, LAST, 33, refunded_bytes=700, of_source="ocs", of_id="late")
    assert (line.bucket("data#2").granted_bytes, line.bucket("data#2").used_bytes) == (400, 10)
    assert line.bucket("data").used_bytes == line.bucket("topup#1").used_bytes == 0
    assert cycle(line).unrolled == cycle(line).beside == {}


def test_only_what_rolled_over_within_its_limit_can_be_taken_back() -> None:
    line = line_of("capped")
    line.use(600, at=9)
    line.use(290, at=31.5)  # of the 300 that rolled over
    line.use(250, LAST, 32)  # 100 had expired, 10 of the roll-over are unused
    assert (cycle(line).rolled_over_bytes, cycle(line).overage_bytes) == (150, 0)
    roll = line.bucket("data#1")
    assert (roll.granted_bytes, roll.used_bytes) == (150, 150)
    assert line.bucket("data").used_bytes == 140


def test_a_smaller_roll_over_that_is_used_up_by_it_is_told() -> None:
    line = line_of("capped")
    line.use(600, at=9)
    line.use(120, at=31.5)
    effects = line.use(300, LAST, 32)  # 100 expired, 180 unused, 20 used by February
    assert [one.text for one in reminders(effects)] == ["100% of carried-over data"]
    assert line.bucket("data").used_bytes == 20


def test_a_threshold_that_is_left_by_it_is_armed_again() -> None:
    line = line_of("rolling")
    line.use(980, at=9)
    first = line.use(15, at=31.5)
    assert ("ten", 10) in thresholds(first)
    line.use(11, LAST, 32, id="late")  # 5 unused, 6 used by February: 9 of 9 are used
    assert (line.bucket("data#1").used_bytes, line.bucket("data").used_bytes) == (9, 6)
    line.send(UsageRefunded, LAST, 33, refunded_bytes=10, notify=False)
    # The roll-over has its usage again, and ten bytes of it are no news: they were told.
    assert (line.bucket("data#1").granted_bytes, line.bucket("data#1").used_bytes) == (19, 15)
    second = line.use(1, at=33.5)
    assert thresholds(second) == [("low", 80)]
    assert line.bucket("data#1").arming > 1


def test_usage_that_nothing_else_covers_costs_in_its_own_cycle_and_that_is_told() -> None:
    line = line_of("rolling")
    line.use(600, at=9)
    line.use(1400, at=31.5)  # all that rolled over, and all of February
    effects = line.use(400, LAST, 32)
    assert cycle(line).overage_bytes == 0
    assert line.account.overage_bytes == 400
    assert ("costs", 0) in thresholds(effects)
    assert sum(one.spend_minor for one in spend_by_tariff(line.account, line.rules)) == 400
    line.send(UsageRefunded, LAST, 33, refunded_bytes=400)
    assert line.account.overage_bytes == 0
    assert line.bucket("data#1").used_bytes == 400


def test_a_scope_is_kept_and_its_tariff_too() -> None:
    line = line_of("films")
    line.use(100, at=31.5, rating_group=20)  # of the video that rolled over
    line.use(100, at=31.6, rating_group=20)
    line.use(980, at=31.7, rating_group=10)
    line.use(50, LAST, 32, rating_group=20)
    assert (line.bucket("video#1").granted_bytes, line.bucket("video").used_bytes) == (50, 100)
    # Films are covered by all data, too; of other usage nothing is given to films' bucket.
    assert line.bucket("data").used_bytes == 1000
    meter = line.account.quota
    assert meter is not None
    assert meter.meters["films"].overage_bytes == line.account.overage_bytes == 30


def test_several_cycles_back_each_cycle_pushes_out_the_next() -> None:
    line = line_of("rolling")
    line.use(900, at=9)
    line.use(1050, at=40)  # 100 rolled over, 950 of February
    line.use(40, at=60)  # of the 50 that rolled over from February
    line.use(80, 25, 61)
    # February used 1050 and has 20 that rolled over and 1000 of its own.
    assert (cycle(line).overage_bytes, cycle(line, 31).overage_bytes) == (0, 30)
    assert (cycle(line).used_bytes, cycle(line).rolled_over_bytes) == (980, 20)
    assert (cycle(line, 31).used_bytes, cycle(line, 31).rolled_over_bytes) == (1000, 0)
    assert line.bucket("data").used_bytes == 40
    assert line.account.overage_bytes == 0
    line.send(UsageRefunded, 25, 61.5, refunded_bytes=80)
    assert (cycle(line).rolled_over_bytes, cycle(line, 31).overage_bytes) == (100, 0)
    assert cycle(line, 31).rolled_over_bytes == 50
    assert [one.used_bytes for one in line.account.buckets] == [40, 0]


def test_a_top_up_that_lived_on_and_was_used_up_later() -> None:
    line = line_of("short")
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=50)
    line.reach(day(31))
    line.use(150, at=32)
    effects = line.use(30, LAST, 33)
    # The top-up is January's first; February's last 30 bytes are beyond all.
    assert (cycle(line).overage_bytes, line.account.overage_bytes) == (0, 30)
    assert line.bucket("topup#1").used_bytes == 50
    assert [one.rule for one in reminders(effects)] == ["costs"]
    line.send(UsageRefunded, LAST, 34, refunded_bytes=30)
    assert line.account.overage_bytes == 0
    assert line.bucket("topup#1").used_bytes == 50
    assert cycle(line).beside == {}


def test_also_if_it_was_used_up_and_has_ended_since() -> None:
    line = line_of("short")
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=50, expires_time=day(33))
    line.reach(day(31))
    line.use(120, at=32)
    line.use(30, at=32.5)
    line.top_up(at=34, granted_bytes=500)
    effects = line.use(30, LAST, 35)
    assert decisions(effects) == ["late_usage"]
    assert (cycle(line).overage_bytes, line.account.overage_bytes) == (0, 0)
    assert line.bucket("topup#2").used_bytes == 30


def test_what_it_leaves_may_bar() -> None:
    line = line_of("short")
    line.use(100, at=8)
    line.top_up(at=9, granted_bytes=50)
    line.use(120, at=32)
    effects = line.use(50, LAST, 33)
    assert line.account.overage_bytes == 20
    assert [one.state for one in effects if isinstance(one, PolicyChanged)] == ["barred"]


def test_a_members_figure_of_its_cycle_stays() -> None:
    line = with_a_used_roll_over()
    line.send(MemberJoined, 31.6, member="861380001")
    line.use(5, at=31.7, member="861380001")
    line.use(700, LAST, 32, member="861380001")
    quota = line.account.quota
    assert quota is not None
    assert quota.members["861380001"].used_bytes == 5
    assert line.bucket("data").used_bytes == 15


@pytest.mark.parametrize("used", [1, 390, 391, 400, 700])
def test_nothing_is_lost_or_doubled(used: int) -> None:
    line = with_a_used_roll_over()
    line.use(used, LAST, 32)
    account = line.account
    closed = cycle(line)
    bought = sum(one.used_bytes for one in account.buckets if one.kind == "topup")
    rolled = sum(one.used_bytes for one in account.buckets if one.kind == "rollover")
    of_february = line.bucket("data").used_bytes
    assert closed.used_bytes + bought == 600 + used
    assert rolled + of_february == 10
