"""Usage that late usage pushed out: which buckets may have covered it, and under which price it
costs.

A top-up covers usage at home and abroad. What the present cycle used of it has no known sort.
"""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.state.account import ClosedCycle, pack, unpack
from streamproc.core.state.events import PlanChanged, UsageRefunded
from streamproc.core.usage.tariffs import spend_by_tariff
from tests.support.line import Line, day, reminders

RULES = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: travel
    allowances: [{id: data, granted_bytes: 1000, roaming_zones: [home, eu]}]
    overage_price_minor: 1
    overage_unit_bytes: 1
    tariffs:
      - {id: roaming, roaming_zones: [us], overage_price_minor: 20, overage_unit_bytes: 1,
         cost_cap_minor: 4000}
  - id: more
    allowances: [{id: data, granted_bytes: 2000, roaming_zones: [home, eu]}]
    overage_price_minor: 1
    overage_unit_bytes: 1
  - id: everywhere
    allowances:
      - {id: data, granted_bytes: 1000, roaming_zones: [home, eu]}
      - {id: abroad, granted_bytes: 1000, roaming_zones: [us]}
    overage_price_minor: 1
    overage_unit_bytes: 1
  - id: music
    allowances: [{id: music, unlimited: true, rating_groups: [30], priority: 250}]
    overage_price_minor: 1
    overage_unit_bytes: 1
packs:
  - {id: us-first, granted_bytes: 500, validity_hours: 2400, priority: 40, roaming_zones: [us]}
  - {id: us-week, granted_bytes: 500, validity_hours: 168, priority: 40, roaming_zones: [us]}
  - {id: us-last, granted_bytes: 500, validity_hours: 2400, priority: 200, roaming_zones: [us]}
  - {id: films, granted_bytes: 300, validity_hours: 2400, priority: 200, rating_groups: [20]}
  - {id: all-last, granted_bytes: 60, validity_hours: 2400, priority: 210}
rules:
  - {id: costs, kind: overage_started, category: c, texts: {en: "data cost now"}}
  - {id: us-costs, kind: overage_started, tariff: roaming, category: c,
     texts: {en: "the US costs now"}}
"""
LAST = 31 - 1 / 86_400


def line_of(plan: str = "travel", *, top_up: int = 300) -> Line:
    """In January all home data is used up, and then a top-up is bought that stays."""
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan=plan)
    line.use(1000, at=8)
    if top_up:
        line.top_up(at=9, granted_bytes=top_up)
    line.reach(day(31))
    return line


def left(line: Line) -> dict[str, int]:
    return {bucket.id.partition("#")[0]: bucket.remaining_bytes for bucket in line.account.buckets}


def spent(line: Line) -> dict[str, int]:
    return {
        one.tariff: one.spend_minor
        for one in spend_by_tariff(line.account, line.rules)
        if one.spend_minor
    }


def january(line: Line) -> ClosedCycle:
    return next(one for one in line.account.history if one.start_ms == to_ms(day(0)))


def test_data_that_always_had_bytes_left_did_not_cover_it_so_its_price_is_that_of_abroad() -> None:
    line = line_of()
    line.use(300, at=32, roaming_zone="us")  # all of the top-up
    effects = line.use(100, LAST, 33)
    assert left(line) == {"data": 1000, "topup": 0}
    assert spent(line) == {"roaming": 2000}
    assert [one.rule for one in reminders(effects)] == ["us-costs"]


def test_at_the_cap_it_costs_nothing_more() -> None:
    line = line_of()
    line.use(600, at=32, roaming_zone="us")
    assert spent(line) == {"roaming": 4000}
    effects = line.use(100, LAST, 33)
    assert (left(line), spent(line)) == ({"data": 1000, "topup": 0}, {"roaming": 4000})
    assert reminders(effects) == []


def test_after_a_refund_data_may_have_been_used_up_so_it_takes_what_nobody_shall_pay() -> None:
    line = line_of(top_up=0)
    line.top_up(at=31.2, pack="films")
    line.use(1000, at=32)
    line.use(300, at=60, rating_group=20)
    assert left(line) == {"data": 700, "films": 300}
    line.use(700, at=60.1)
    line.use(300, at=60.2, rating_group=20)  # at home, of the pack
    line.send(UsageRefunded, 60, 60.5, refunded_bytes=500)
    assert left(line) == {"data": 500, "films": 0}
    effects = line.use(100, 58, 61, rating_group=20)
    assert (left(line), spent(line)) == ({"data": 400, "films": 0}, {})
    assert reminders(effects) == []


def test_so_may_it_after_a_change_of_plan() -> None:
    line = line_of()
    line.use(1200, at=32)  # 200 of the top-up, which are home data
    line.send(PlanChanged, 32.5, plan="more")
    line.use(100, at=32.6, roaming_zone="us")
    effects = line.use(300, LAST, 33)
    assert (left(line), spent(line)) == ({"data": 700, "topup": 0}, {})
    assert reminders(effects) == []
    state = unpack(pack(line.account))
    assert state.extra is not None
    assert state.extra.freed


def test_the_next_cycle_knows_again_what_was_always_left() -> None:
    line = line_of()
    line.use(10, at=31.5, roaming_zone="us")
    line.send(UsageRefunded, 31.5, 31.6, refunded_bytes=5, roaming_zone="us")
    assert line.account.extra is not None
    assert line.account.extra.freed
    line.reach(day(59))
    assert line.account.extra is None


def test_a_pack_for_some_of_the_usage_that_was_bought_since_takes_it() -> None:
    line = line_of()
    line.use(300, at=32, roaming_zone="us")
    line.top_up(at=32.5, pack="us-first")
    effects = line.use(100, LAST, 33)
    assert (left(line), spent(line)) == ({"us-first": 400, "data": 1000, "topup": 0}, {})
    assert reminders(effects) == []


def test_so_does_one_that_is_charged_after_the_top_up_but_what_covers_all_comes_first() -> None:
    line = line_of()
    line.top_up(at=31.1, pack="us-last")
    line.top_up(at=31.2, pack="all-last")
    line.use(300, at=32, roaming_zone="us")
    line.use(100, LAST, 33)
    assert left(line) == {"data": 1000, "topup": 0, "us-last": 460, "all-last": 0}
    assert spent(line) == {}


def test_unlimited_data_for_some_of_the_usage_takes_it() -> None:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan="music")
    line.top_up(at=9, granted_bytes=300)
    line.reach(day(31))
    line.use(300, at=32, rating_group=30)  # by the order, the top-up comes first
    effects = line.use(100, LAST, 33)
    assert line.bucket("music").used_bytes == 100
    assert (line.account.overage_bytes, reminders(effects)) == (0, [])


def test_if_every_sort_has_bytes_left_one_of_them_covered_it_all_the_same() -> None:
    line = line_of("everywhere")
    line.use(300, at=32, roaming_zone="moon")
    effects = line.use(100, LAST, 33)
    assert left(line) == {"data": 1000, "abroad": 900, "topup": 0}
    assert (line.account.overage_bytes, reminders(effects)) == (0, [])


def test_with_nothing_left_it_costs_what_all_usage_of_the_bucket_costs() -> None:
    line = line_of()
    line.use(1000, at=32)
    line.use(300, at=32.1, roaming_zone="us")
    effects = line.use(100, LAST, 33)
    assert spent(line) == {"": 100}
    assert [one.rule for one in reminders(effects)] == ["costs"]


@pytest.mark.parametrize("goes_on", [True, False])
def test_in_a_closed_cycle_only_what_expired_takes_what_it_may_have_covered(goes_on: bool) -> None:
    line = line_of()
    line.use(300, at=32, roaming_zone="us")
    line.top_up(at=40, pack="us-last" if goes_on else "us-week")
    line.reach(day(59))
    line.use(100, LAST, 60)
    february = line.account.history[-1]
    assert january(line).overage_bytes == 0
    assert february.overage_bytes == (100 if goes_on else 0)
    assert left(line) == {"data": 1000, "topup": 0} | ({"us-last": 500} if goes_on else {})


def test_within_a_cycle_later_usage_moves_to_a_later_pack_for_some_of_it() -> None:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan="music")
    line.top_up(at=1, granted_bytes=300)
    line.use(200, at=2)
    line.top_up(at=5, pack="us-last")
    line.use(100, at=6, roaming_zone="us")
    effects = line.use(60, at=3, arrives=7)
    assert left(line) == {"topup": 0, "us-last": 440, "music": 0}
    assert (line.account.overage_bytes, reminders(effects)) == (0, [])


def test_but_not_to_one_that_would_have_taken_it_at_once() -> None:
    line = Line(load_rulebook(RULES, "rules.yaml"))
    line.activate(plan="music")
    line.top_up(at=1, granted_bytes=300)
    line.use(200, at=2)
    line.top_up(at=5, pack="us-first")
    line.use(100, at=6)
    effects = line.use(60, at=3, arrives=7)
    assert line.bucket("us-first#2").used_bytes == 0
    assert line.account.overage_bytes == 60
    assert [one.rule for one in reminders(effects)] == ["costs"]
