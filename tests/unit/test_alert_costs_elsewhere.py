"""Usage that costs by itself, while other data are left or long used up, is told by itself."""

from __future__ import annotations

import pytest

from streamproc.core.state.events import UsageRefunded
from tests.support.line import day, reminders
from tests.support.timeline import line, story
from tests.unit.test_alert_overage import BEYOND, ZONED, ids

TOLD = ["beyond: €0.10 per 10 B"]
LEFT = BEYOND.replace(
    "{price} per {price_unit}",
    "{remaining, plural, =0 {used up} other {not covered}}: {price} per {price_unit}",
)
NIGHT = 0.125
"""03:00."""


def test_usage_that_no_data_cover_is_told_with_its_first_byte_while_home_data_are_left() -> None:
    one = line(LEFT, head=ZONED)
    assert story(one.use(10, at=1)) == []
    assert story(one.use(1, at=1.1, roaming_zone="asia")) == ["beyond: not covered: €0.10 per 10 B"]
    assert story(one.use(90, at=1.2, roaming_zone="asia")) == []
    assert story(one.use(990, at=2)) == ["beyond: used up: €0.10 per 10 B"]
    assert story(one.use(10, at=3, roaming_zone="asia")) == []
    assert len(set(ids(one))) == 2


def test_it_is_told_once_of_each_sort_of_usage() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1, at=1.5, roaming_zone="asia")) == TOLD
    assert story(one.use(1, at=2.5, roaming_zone="mars", rating_group=7)) == []  # nothing differs
    # A film pack covers this one, and would not have covered the others.
    assert story(one.use(1, at=3.5, roaming_zone="mars", rating_group=20)) == TOLD
    assert story(one.use(1, at=4.5, roaming_zone="asia", rating_group=20)) == []


def test_and_again_in_the_next_cycle() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1, at=1, roaming_zone="asia")) == TOLD
    assert story(one.use(1, at=32, roaming_zone="asia")) == TOLD


def test_and_again_when_a_pack_that_covered_it_is_used_up() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1, at=1, roaming_zone="asia", rating_group=20)) == TOLD
    one.top_up(at=2, pack="film")
    assert story(one.use(199, at=2.1, roaming_zone="asia", rating_group=20)) == []
    assert story(one.use(1, at=2.2, roaming_zone="asia", rating_group=20)) == TOLD
    assert story(one.use(1, at=2.3, roaming_zone="asia", rating_group=20)) == []


@pytest.mark.parametrize("used_bytes", [199, 200])
def test_what_a_pack_was_for_that_is_over_is_told_with_its_first_byte(used_bytes: int) -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1100, at=1)) == TOLD
    one.top_up(at=2, pack="film")
    assert story(one.use(used_bytes, at=2.1, rating_group=20)) == []
    assert story(one.reach(day(3.5))) == []
    assert story(one.use(1, at=4, rating_group=20)) == TOLD
    assert story(one.use(1, at=5, rating_group=20)) == []
    assert story(one.use(1100, at=32)) == TOLD
    assert story(one.use(1, at=33, rating_group=20)) == []


def test_and_again_when_a_pack_that_covered_it_ends() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1, at=1, roaming_zone="asia", rating_group=20)) == TOLD
    one.top_up(at=2, pack="film")
    assert story(one.reach(day(3))) == TOLD


@pytest.mark.parametrize("times", [1, 3])
def test_data_for_the_night_that_run_out_are_told_each_time(times: int) -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1100, at=1.5)) == TOLD
    for number in range(times):
        at = 2 + number + NIGHT
        one.top_up(at=at, pack="night")
        assert story(one.use(50, at=at + 0.3)) == []  # by day, which has cost before
        assert story(one.use(250, at=at + 0.01)) == TOLD
        assert story(one.use(50, at=at + 0.02)) == []


def test_by_day_it_is_told_where_only_the_nights_usage_of_the_kind_is_still_covered() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1100, at=1.5)) == TOLD
    one.top_up(at=2 + NIGHT, pack="night")
    one.top_up(at=2 + NIGHT, pack="film")
    assert story(one.use(410, at=2.01 + NIGHT, rating_group=20)) == TOLD
    one.top_up(at=2.02 + NIGHT, pack="night")
    one.top_up(at=2.5, pack="film")
    assert story(one.use(210, at=2.6, rating_group=20)) == TOLD
    assert story(one.use(10, at=2.7, rating_group=20)) == []


def test_who_never_had_data_for_the_night_was_told_of_the_night_too() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(1100, at=1.5)) == TOLD
    assert story(one.use(50, at=2 + NIGHT)) == []
    assert story(one.use(50, at=3, roaming_zone="asia")) == []


def test_data_of_a_tariff_for_some_of_its_usage_run_out() -> None:
    rules = BEYOND.replace("beyond", "trip") + "    tariff: abroad\n"
    one = line(rules, head=ZONED)
    one.top_up(at=1, pack="film")
    told = ["trip: €0.90 per 10 B"]
    assert story(one.use(10, at=1.1, roaming_zone="us")) == told
    assert story(one.use(10, at=1.2, roaming_zone="us", rating_group=20)) == []
    assert story(one.use(190, at=1.3, roaming_zone="us", rating_group=20)) == []
    assert story(one.use(1, at=1.4, roaming_zone="us", rating_group=20)) == told


def test_a_tariff_that_the_plan_does_not_have_any_more_costs_nothing() -> None:
    rules = BEYOND.replace("beyond", "trip") + "    tariff: abroad\n"
    one = line(rules, head=ZONED)
    one.top_up(at=1, pack="film")
    assert story(one.use(210, at=1.1, roaming_zone="us", rating_group=20)) == [
        "trip: €0.90 per 10 B"
    ]
    one.top_up(at=1.2, pack="film")
    one.change_plan("free", at=1.3)
    assert story(one.use(1300, at=1.4, roaming_zone="us", rating_group=20)) == []


def test_what_was_taken_back_is_told_when_it_costs_again() -> None:
    one = line(BEYOND, head=ZONED)
    assert story(one.use(5, at=1, roaming_zone="asia")) == TOLD
    one.send(UsageRefunded, 1, 2, refunded_bytes=5, roaming_zone="asia")
    assert story(one.use(5, at=3, roaming_zone="asia")) == TOLD
    assert len(set(ids(one))) == 2


def test_usage_without_a_price_is_no_news_by_itself() -> None:
    head = ZONED.replace("overage_price_minor: 10\n", "overage_price_minor: 0\n")
    one = line(BEYOND, head=head)
    assert story(one.use(5, at=1, roaming_zone="asia")) == []


def test_nothing_is_told_where_a_cap_is_reached_and_what_follows_a_rule_follows_it() -> None:
    head = ZONED.replace(
        "overage_price_minor: 10\n", "overage_price_minor: 10\n    cost_cap_minor: 50\n"
    )
    well = "  - {id: well, kind: resolved, of: [beyond], category: c, texts: {en: fine}}\n"
    one = line(BEYOND + well, head=head)
    assert story(one.use(1, at=1, roaming_zone="asia")) == TOLD
    assert story(one.use(1, at=2, roaming_zone="asia", rating_group=20)) == TOLD
    told = story(one.use(500, at=3, roaming_zone="asia"))
    assert told == ["(resolved beyond)", "well: fine"]
    assert not reminders(one.use(5, at=4, roaming_zone="asia"))


def test_a_group_does_not_take_it_for_the_end_of_home_data() -> None:
    head = ZONED.replace(
        "packs:\n", "packs:\n  - {id: more, granted_bytes: 50, validity_hours: 24, priority: 1}\n"
    )
    grouped = BEYOND.replace("category", "group: g\n    severity: warning\n    category")
    low = "  - {id: low, kind: usage_percent, thresholds: [100], bucket_kinds: [pack], group: g,"
    one = line(grouped + low + " category: c, texts: {en: '{bucket}'}}\n", head=head)
    one.top_up(at=1, pack="more")
    # One event: the pack is used up, and what is beyond costs in a zone that home data are not for.
    effects = one.use(60, at=1.1, roaming_zone="asia")
    assert sorted(story(effects)) == [*TOLD, "low: more"]
    assert story(one.use(10, at=1.2, roaming_zone="asia")) == []


def test_a_group_takes_it_for_the_end_of_home_data_where_that_is_so() -> None:
    grouped = BEYOND.replace("category", "group: g\n    severity: warning\n    category")
    low = "  - {id: low, kind: usage_percent, thresholds: [100], group: g,"
    one = line(grouped + low + " category: c, texts: {en: '{bucket}'}}\n", head=ZONED)
    assert story(one.use(1010, at=1)) == ["(merged low 100)", *TOLD]
