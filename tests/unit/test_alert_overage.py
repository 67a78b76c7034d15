"""Overage that begins: the price is told when the next byte costs, each time that begins."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import RulesError
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import UsageRefunded
from tests.support.line import Line, day
from tests.support.timeline import line, story

BEYOND = """\
rules:
  - id: beyond
    kind: overage_started
    category: money
    texts: {en: "{price} per {price_unit}"}
"""
ZONED = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 1000, roaming_zones: [home]}]
    overage_price_minor: 10
    overage_unit_bytes: 10
    tariffs:
      - {id: abroad, roaming_zones: [us], overage_price_minor: 90, overage_unit_bytes: 10}
  - id: free
    allowances: [{id: plain, granted_bytes: 1000}]
  - {id: films, allowances: [{id: video, granted_bytes: 1000, rating_groups: [20]}]}
  - {id: endless, allowances: [{id: all, unlimited: true}]}
packs:
  - {id: day, granted_bytes: 200, validity_hours: 24}
  - {id: trip, granted_bytes: 200, validity_hours: 24, roaming_zones: [us]}
  - {id: film, granted_bytes: 200, validity_hours: 24, rating_groups: [20]}
  - {id: night, granted_bytes: 200, validity_hours: 24, hours: ["22:00-07:00"]}
"""


def ids(one: Line) -> list[str]:
    return [effect.id for effect in one.effects if isinstance(effect, Reminder)]


def test_overage_that_starts_again_after_a_top_up_is_told_again() -> None:
    one = line(BEYOND)
    assert story(one.use(1100, at=1)) == ["beyond: €0.10 per 10 B"]
    one.top_up(at=2, granted_bytes=200)
    assert story(one.use(199, at=3)) == []
    # Landing on the last byte, or jumping over it: the next one costs.
    assert story(one.use(1, at=4)) == ["beyond: €0.10 per 10 B"]
    assert story(one.use(50, at=5)) == []
    one.top_up(at=6, granted_bytes=100)
    assert story(one.use(150, at=7)) == ["beyond: €0.10 per 10 B"]
    assert len(set(ids(one))) == 3


def test_overage_that_starts_again_because_a_pack_has_ended_is_told_then() -> None:
    one = line(BEYOND)
    one.use(1100, at=1)
    one.top_up(at=2, pack="day")
    one.use(50, at=2.5)
    assert story(one.reach(day(3))) == ["beyond: €0.10 per 10 B"]
    assert story(one.use(50, at=4)) == []


def test_a_pack_that_ends_with_the_cycle_leaves_the_next_one_covered() -> None:
    one = line(BEYOND + "  - {id: none, kind: zero_balance, category: c, texts: {en: '.'}}\n")
    one.use(1100, at=1)
    one.top_up(at=30, pack="day")
    assert story(one.reach(day(31))) == []


@pytest.mark.parametrize("pack", ["trip", "film", "night"])
def test_a_pack_for_some_usage_does_not_stop_the_rest_from_costing(pack: str) -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1100, at=1)) == ["beyond: €0.10 per 10 B"]
    one.top_up(at=2, pack=pack)
    assert story(one.use(10, at=2.1)) == []


def test_what_covers_ordinary_usage_at_home_is_home_data_however_its_scope_is_written() -> None:
    night = "}\n  - {id: night"
    head = ZONED.replace(f"[20]{night}", f"[0, 20]{night}")
    one = line(BEYOND, head=head)
    one.use(1100, at=1)
    one.top_up(at=2, pack="film")
    assert story(one.use(200, at=2.1)) == ["beyond: €0.10 per 10 B"]


def test_overage_of_a_tariff_is_told_apart_and_with_its_own_price() -> None:
    trip = BEYOND.replace("beyond", "trip").removeprefix("rules:\n")
    one = line(BEYOND + trip + "    tariff: abroad\n", head=ZONED)
    assert story(one.use(10, at=1, roaming_zone="us")) == ["trip: €0.90 per 10 B"]
    assert story(one.use(1000, at=2)) == []
    assert story(one.use(1, at=3)) == ["beyond: €0.10 per 10 B"]
    one.top_up(at=4, pack="trip")
    assert story(one.use(250, at=4.1, roaming_zone="us")) == ["trip: €0.90 per 10 B"]
    assert story(one.use(100, at=4.2)) == []


def test_overage_without_a_price_starts_too_and_unlimited_plans_have_none() -> None:
    assert story(line(BEYOND, head=ZONED, plan="free").use(1001, at=1)) == ["beyond: €0.00 per MB"]
    assert story(line(BEYOND, head=ZONED, plan="endless").use(5000, at=1)) == []


def test_an_allowance_for_some_usage_only_leaves_the_rest_to_cost_from_the_first_byte() -> None:
    assert story(line(BEYOND, head=ZONED, plan="films").use(1, at=1)) == ["beyond: €0.00 per MB"]


def test_held_news_of_overage_are_told_when_data_are_covered_again() -> None:
    quiet = 'alerts: {quiet_hours: {start: "22:00", end: "07:00"}}\n'
    one = line(quiet + BEYOND)
    assert story(one.use(1100, at=1 + 23 / 24)) == ["(quiet_hours beyond)"]
    assert story(one.top_up(at=2, granted_bytes=200)) == ["beyond: €0.10 per 10 B"]
    assert story(one.reach(day(3))) == []
    assert story(one.use(300, at=3.5)) == ["beyond: €0.10 per 10 B"]


def test_another_price_by_a_change_of_plan_is_told_where_data_costs_already() -> None:
    data = "allowances: [{id: data, granted_bytes: 1000, roaming_zones: [home]}]"
    dear = f"  - {{id: dear, {data}, overage_price_minor: 70, overage_unit_bytes: 10}}\npacks:"
    one = line(BEYOND, head=ZONED.replace("packs:", dear))
    assert story(one.use(1100, at=1)) == ["beyond: €0.10 per 10 B"]
    assert story(one.change_plan("dear", at=2)) == ["beyond: €0.70 per 10 B"]
    assert story(one.change_plan("dear", at=3)) == []
    assert story(one.change_plan("endless", at=5)) == []


def test_the_same_price_under_another_plan_is_not_told_again() -> None:
    data = "allowances: [{id: data, granted_bytes: 1000, roaming_zones: [home]}]"
    tiers = "overage_tiers: [{from_bytes: 50, price_minor: 10, unit_bytes: 10}]"
    price = "overage_price_minor: 70, overage_unit_bytes: 10"
    tiered = f"  - {{id: tiered, {data}, {price}, {tiers}}}\npacks:"
    one = line(BEYOND, head=ZONED.replace("packs:", tiered))
    assert story(one.use(1100, at=1)) == ["beyond: €0.10 per 10 B"]
    assert story(one.change_plan("tiered", at=2)) == []  # 100 bytes are in its second tier


def test_nothing_costs_more_where_the_cap_is_reached() -> None:
    capped = ZONED.replace(
        "overage_price_minor: 10\n", "overage_price_minor: 10\n    cost_cap_minor: 50\n"
    )
    one = line(BEYOND, head=capped)
    assert story(one.use(1100, at=1)) == []  # over the cap at once: that is told by other rules
    one.top_up(at=2, granted_bytes=200)
    assert story(one.use(250, at=3)) == []
    assert story(line(BEYOND, head=capped).use(1010, at=1)) == ["beyond: €0.10 per 10 B"]


def test_a_refund_below_the_cap_tells_that_data_cost_again() -> None:
    capped = ZONED.replace(
        "overage_price_minor: 10\n", "overage_price_minor: 10\n    cost_cap_minor: 50\n"
    )
    one = line(BEYOND, head=capped)
    assert story(one.use(1100, at=1)) == []
    assert story(one.send(UsageRefunded, at=2, refunded_bytes=10)) == ["(refunded)"]  # at the cap
    again = one.send(UsageRefunded, at=3, refunded_bytes=70, notify=False)
    assert story(again) == ["(refunded)", "beyond: €0.10 per 10 B"]
    assert story(one.send(UsageRefunded, at=4, refunded_bytes=10)) == ["(refunded)"]
    assert story(one.use(5, at=5)) == []


def test_a_tariff_that_no_plan_has_is_a_problem_of_a_rule_about_overage() -> None:
    with pytest.raises(RulesError, match="no plan has a tariff 'abroad'"):
        line(BEYOND + "    tariff: abroad\n")
