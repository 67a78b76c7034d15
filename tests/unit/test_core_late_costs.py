"""Late usage from before a purchase costs, and what was bought covers the next byte: it is told as
of the purchase."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Effect, Reminder
from streamproc.core.state.events import CostCapLifted, UsageRefunded
from tests.support.line import Line, day, decisions, reminders

RULES = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 1_000_000_000, roaming_zones: [home]}]
    overage_price_minor: 1
    overage_unit_bytes: 1_000_000
    cost_cap_minor: 500
    tariffs:
      - {id: abroad, roaming_zones: [us], overage_price_minor: 9, overage_unit_bytes: 1_000_000}
  - id: more
    allowances: [{id: much, granted_bytes: 5_000_000_000}]
    overage_price_minor: 2
    overage_unit_bytes: 1_000_000
  - {id: slow, allowances: [{id: data, granted_bytes: 1_000_000_000, roaming_zones: [home]}]}
packs:
  - {id: week, granted_bytes: 200_000_000, validity_hours: 168}
  - {id: trip, granted_bytes: 200_000_000, validity_hours: 168, roaming_zones: [us]}
rules:
  - id: costs
    kind: overage_started
    category: money
    texts:
      en: "{as_of, date, ::MMMd}: {buckets}. {overage} beyond, {spend} so far, {price} from then on"
  - id: costs-abroad
    kind: overage_started
    tariff: abroad
    category: money
    texts: {en: "{as_of, date, ::MMMd}: {spend} so far abroad, {remaining} at home"}
"""
MB = 1_000_000
NIGHT = 'alerts: {quiet_hours: {start: "22:00", end: "08:00"}}\n'


def rules(more: str = "") -> Rulebook:
    return load_rulebook(RULES + more, "rules.yaml")


def line(more: str = "", plan: str = "basic") -> Line:
    one = Line(rules(more))
    one.activate(plan=plan)
    return one


def texts(effects: list[Effect]) -> list[str]:
    return [one.text.replace("\u00a0", " ") for one in reminders(effects)]


def test_it_is_told_as_of_the_purchase_without_what_was_bought() -> None:
    one = line()
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    effects = one.use(100 * MB, at=3, arrives=7)
    assert one.account.overage_bytes == 100 * MB
    assert texts(effects) == [
        "Jan 6: data 0 MB. 100 MB beyond, €1.00 so far, €0.01 from then on",
    ]
    (told,) = reminders(effects)
    assert (told.as_of, told.not_before) == (day(5), day(7))
    assert told.expires_time == day(8)
    assert [bucket.id for bucket in told.buckets] == ["data"]


def test_it_is_told_once_and_again_when_the_next_byte_costs() -> None:
    one = line()
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    one.use(100 * MB, at=3, arrives=7)
    assert texts(one.use(50 * MB, at=3.5, arrives=7.5)) == []
    assert len(texts(one.use(300 * MB, at=8))) == 1


def test_costs_that_were_told_before_the_purchase_are_no_news() -> None:
    one = line()
    assert len(texts(one.use(1010 * MB, at=2))) == 1
    one.top_up(at=5, pack="week")
    assert texts(one.use(100 * MB, at=3, arrives=7)) == []


def test_after_a_refund_of_all_costs_they_are_news() -> None:
    one = line()
    one.use(1010 * MB, at=2)
    one.top_up(at=5, pack="week")
    one.send(UsageRefunded, 2, 6, refunded_bytes=10 * MB)
    assert len(texts(one.use(100 * MB, at=3, arrives=7))) == 1


def test_abroad_is_told_by_its_own_rule_with_what_was_left_then() -> None:
    one = line()
    one.use(400 * MB, at=2)
    one.top_up(at=5, pack="trip")
    one.use(100 * MB, at=6)
    effects = one.use(10 * MB, at=3, arrives=7, roaming_zone="us")
    assert texts(effects) == ["Jan 6: €0.90 so far abroad, 600 MB at home"]


def test_of_what_was_untouched_before_the_purchase_all_was_left() -> None:
    one = line()
    one.top_up(at=5, pack="trip")
    one.use(100 * MB, at=6)
    effects = one.use(10 * MB, at=3, arrives=7, roaming_zone="us")
    assert texts(effects) == ["Jan 6: €0.90 so far abroad, 1 GB at home"]


def test_another_plan_covers_the_next_byte_like_a_purchase() -> None:
    one = line()
    one.use(1000 * MB, at=2)
    one.change_plan("more", at=5)
    effects = one.use(100 * MB, at=3, arrives=7)
    assert one.account.overage_bytes == 100 * MB
    assert texts(effects) == [
        "Jan 6: data 0 MB (until Jan 6, 00:00). 100 MB beyond, €2.00 so far, €0.02 from then on",
    ]


@pytest.mark.parametrize(("plan", "used"), [("slow", 1400), ("basic", 1500)])
def test_what_an_earlier_plan_gave_for_nothing_is_news_when_it_costs(plan: str, used: int) -> None:
    """Beyond the data of one plan nothing costs; the other one is at its cap."""
    one = line(plan=plan)
    one.use(used * MB, at=2)
    one.change_plan("more", at=5)
    effects = one.use(100 * MB, at=3, arrives=7)
    (text,) = texts(effects)
    assert text.startswith("Jan 6: data 0 MB")
    assert text.endswith("€0.02 from then on")
    assert texts(one.use(100 * MB, at=3, arrives=8)) == []
    assert texts(one.use(100 * MB, at=9)) == []


def test_what_had_ended_or_came_later_is_not_of_that_instant() -> None:
    one = line()
    one.top_up(at=0.5, pack="week")  # until the 8th day
    one.use(1200 * MB, at=2)
    one.top_up(at=9, pack="week")
    one.top_up(at=10, pack="week")
    effects = one.use(100 * MB, at=7, arrives=11)
    assert texts(effects) == [
        "Jan 10: data 0 MB. 100 MB beyond, €1.00 so far, €0.01 from then on",
    ]


@pytest.mark.parametrize("way", ["no price", "cap", "opted out", "next cycle"])
def test_nothing_is_told_where_nothing_is_charged_or_wanted(way: str) -> None:
    one = line(plan="slow" if way == "no price" else "basic")
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    if way == "opted out":
        one.opt("money", at=6)
    effects = one.use(
        (700 if way == "cap" else 100) * MB, at=3, arrives=35 if way == "next cycle" else 7
    )
    assert texts(effects) == []
    assert ("opted_out" in decisions(effects)) == (way == "opted out")


def test_a_lifted_cap_makes_the_whole_of_it_cost() -> None:
    one = line()
    one.use(1000 * MB, at=2)
    one.send(CostCapLifted, 4)
    one.top_up(at=5, pack="week")
    assert len(texts(one.use(700 * MB, at=3, arrives=7))) == 1


def test_at_night_it_waits_for_the_morning() -> None:
    one = line(NIGHT)
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    (told,) = reminders(one.use(100 * MB, at=3, arrives=7.95))
    assert (told.as_of, told.not_before) == (day(5), day(8 + 8 / 24))
    assert told.expires_time > told.not_before


def test_a_rule_that_counts_events_does_not_count_this_one() -> None:
    begins = "    kind: overage_started\n    "
    one = Line(load_rulebook(RULES.replace(begins, f"{begins}for_count: 2\n    "), "rules.yaml"))
    one.activate()
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    assert texts(one.use(100 * MB, at=3, arrives=7)) == []


def test_the_message_is_of_the_event_and_has_its_own_id() -> None:
    one = line()
    one.use(1000 * MB, at=2)
    one.top_up(at=5, pack="week")
    one.use(100 * MB, at=3, arrives=7, id="late")
    one.use(300 * MB, at=8)
    first, second = (effect for effect in one.effects if isinstance(effect, Reminder))
    assert (first.cause.event_id, first.as_of, second.as_of) == ("late", day(5), day(8))
    assert first.id != second.id
