"""Figures of a cycle that is over, and prices: of which cycle, which tariff, which bytes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import UNSET

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.events import CostCapLifted
from tests.support.line import day, reminders
from tests.support.rules import edited
from tests.support.talking import RULES as TALKING
from tests.support.talking import Talking, texts

MB = 1_000_000
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: films
    overage_price_minor: 10
    overage_tiers: [{from_bytes: 100_000_000, price_minor: 2}]
    cost_cap_minor: 5000
    tariffs:
      - {id: abroad, roaming_zones: [eu], overage_price_minor: 300, cost_cap_minor: 6000}
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
      - {id: video, granted_bytes: 9_000_000_000, rating_groups: [20], priority: 1}
  - {id: endless, allowances: [{id: all, unlimited: true, roaming_zones: [home]}]}
  - id: zones
    overage_price_minor: 900
    tariffs: [{id: at-home, roaming_zones: [home], overage_price_minor: 7}]
    allowances: [{id: some, granted_bytes: 500_000_000}]
  - {id: clips, allowances: [{id: short, granted_bytes: 500_000_000, rating_groups: [20]}]}
packs:
  - {id: week, granted_bytes: 400_000_000, validity_hours: 168, priority: 90, price_minor: 700}
rules:
  - id: over
    kind: cycle_end
    category: s
    texts:
      en: "{used} of {granted}, {remaining} unused, {percent}%, beyond {overage} for {spend}, until
        {cycle_end}, now {price}"
  - id: summary
    kind: usage_summary
    every: day
    at: "09:00"
    category: s
    texts: {en: "{expires} {pack_price} {price}"}
roaming_zones:
  - {id: eu, price_minor: 300}
  - {id: asia, price_minor: 500}
notices:
  - {id: abroad, kind: roaming_welcome, category: s, texts: {en: "{zone} {price} up to {cap}"}}
"""


def begun(plan: str, at: float = 0.0) -> Talking:
    line = Talking(load_rulebook(RULES, "r.yaml"))
    line.begin(plan, at)
    return line


def over(line: Talking) -> str:
    """What is said of January at its end."""
    return [one.text for one in reminders(line.reach(day(31.1))) if one.rule == "over"][-1]


def test_the_cycle_that_is_over_is_told_of_its_home_data() -> None:
    line = begun("films")
    line.use(600 * MB, 3)
    line.use(800 * MB, 4, rating_group=20)
    assert over(line).startswith("600 MB of 1 GB, 400 MB unused, 60%, beyond 0 MB for €0.00")
    (record,) = [one for one in reminders(line.effects) if one.rule == "over"]
    assert (record.used_bytes, record.granted_bytes) == (600 * MB, 1000 * MB)
    assert [(one.id, one.used_bytes, one.granted_bytes) for one in record.buckets] == [
        ("closed_cycle", 1400 * MB, 10_000 * MB)
    ]
    assert record.unlimited is UNSET


def test_an_unlimited_cycle_that_is_over_says_so() -> None:
    line = begun("endless")
    line.use(600 * MB, 3)
    assert over(line).startswith("600 MB of unlimited, unlimited unused, %,")


def test_a_cycle_that_ended_with_a_limited_plan_left_what_that_had() -> None:
    line = begun("endless")
    line.use(600 * MB, 3)
    line.change_plan("films", 10)
    line.use(50 * MB, 12)
    assert over(line).startswith("650 MB of 1.6 GB, 950 MB unused, 40%")
    assert reminders(line.effects)[-1].unlimited is UNSET


def test_what_a_change_of_plan_took_is_not_unused_at_the_cycles_end() -> None:
    line = begun("films")
    line.use(200 * MB, 3)
    line.change_plan("endless", 10)
    line.change_plan("films", 11)
    line.use(50 * MB, 12)
    assert over(line).startswith("250 MB of 1.2 GB, 950 MB unused, 20%")


def test_a_plan_for_the_next_cycle_says_nothing_of_the_one_that_is_over() -> None:
    line = begun("endless")
    line.use(600 * MB, 3)
    line.change_plan("films", 10, effective="next_cycle")
    assert over(line).startswith("600 MB of unlimited, unlimited unused")


def test_of_a_plan_without_home_data_it_is_what_the_first_allowance_covers() -> None:
    line = begun("clips")
    line.use(100 * MB, 3, rating_group=20)
    assert over(line).startswith("100 MB of 500 MB, 400 MB unused, 20%")


def test_what_the_closed_cycle_cost_is_its_own_and_the_price_is_the_next_byte_s() -> None:
    line = begun("films")
    line.use(1_150 * MB, 3)  # 150 MB beyond: 100 for 10, 50 for 2 each
    line.use(10 * MB, 4, roaming_zone="eu")
    assert over(line) == (
        "1 GB of 1 GB, 0 MB unused, 100%, beyond 160 MB for €41.00, until 2026-02-01 00:00, "
        "now €0.10"
    )


def test_a_summary_s_end_is_the_cycle_s_and_it_has_no_pack_price() -> None:
    line = begun("films")
    line.top_up(1, pack="week")
    summary = [one for one in texts(line.reach(day(2))) if "€" in one][-1]
    assert summary == "2026-02-01 00:00 - €0.10"


@pytest.mark.parametrize(
    ("zone", "cap"), [("eu", "€60.00"), ("asia", "€50.00")]
)  # asia has no tariff of its own: the plan's
def test_the_cap_of_a_trip_is_that_of_the_tariff_that_covers_it(zone: str, cap: str) -> None:
    line = begun("films")
    assert texts(line.locate(zone, 1))[-1].endswith(f"up to {cap}")


def test_who_consented_to_more_has_no_cap_on_a_trip() -> None:
    line = begun("films")
    line.send(CostCapLifted, 1, tariff="abroad")
    assert texts(line.locate("eu", 1.1))[-1].endswith("up to -")
    assert texts(line.locate("asia", 1.2))[-1].endswith("up to €50.00")


def test_a_plan_without_cap_has_none_on_a_trip() -> None:
    line = begun("endless", at=timedelta(hours=1) / timedelta(days=1))
    assert texts(line.locate("eu", 1))[-1].endswith("up to -")


def test_the_price_of_a_whole_account_is_that_of_ordinary_usage_at_home() -> None:
    line = begun("zones")
    assert texts(line.reach(day(0.5)))[-1] == "2026-02-01 00:00 - €0.07"


AT_ZONES = """\
plans:
  - id: mine
    overage_price_minor: 10
    allowances: [{id: data, granted_bytes: 1_000_000_000}]
    tariffs:
      - id: far
        roaming_zones: [eu]
        overage_price_minor: 20
        overage_unit_bytes: 100_000
        overage_tiers: [{from_bytes: 50_000_000, price_minor: 5, unit_bytes: 100_000}]
"""


def test_a_welcome_tells_the_price_that_the_readers_plan_has_in_the_zone() -> None:
    """The price of the zone itself is for plans without a tariff that names it."""
    rules = load_rulebook(edited(TALKING, ("plans:\n", AT_ZONES)), "r.yaml")
    told = {}
    for plan in ("mine", "small"):
        line = Talking(rules)
        line.begin(plan=plan)
        for at, zone in ((1, "eu"), (2, "asia"), (3, "home")):
            told[plan, zone] = texts(line.locate(zone, at))
    assert told["mine", "eu"] == ["Welcome to Europe: data cost ¥0.20 per 100 kB."]
    assert told["small", "eu"] == ["Welcome to Europe: data cost ¥3.00 per MB."]
    assert (
        told["mine", "asia"]
        == told["small", "asia"]
        == ["Welcome to asia: data cost ¥5.00 per 10 MB."]
    )


def test_a_welcome_tells_the_price_of_the_next_byte_of_several() -> None:
    line = Talking(load_rulebook(edited(TALKING, ("plans:\n", AT_ZONES)), "r.yaml"))
    line.begin(plan="mine")
    line.use(1100 * MB, at=1, roaming_zone="eu")
    assert texts(line.locate("eu", 2)) == ["Welcome to Europe: data cost ¥0.05 per 100 kB."]
