"""Late usage of the present cycle from before a purchase, where later usage took its place."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.rulebook import Allowance, Pack, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import unpack
from streamproc.core.state.events import UsageRefunded
from tests.support.line import Line, day, decisions, rulebook, thresholds

FILMS = Scope(rating_groups=frozenset({20}))
PACKS = (
    Pack("day", 200, DAY_MS, 60),
    Pack("week", 300, 7 * DAY_MS, 60),
    Pack("film", 300, 7 * DAY_MS, 40, FILMS),
)


def rules(**more: Any) -> Rulebook:
    plan = Plan("basic", (Allowance("data", 1000, 50),), 3, 7)
    return rulebook((plan,), PACKS, **more)


def line() -> Line:
    one = Line(rules())
    one.activate()
    return one


def left(one: Line) -> dict[str, int]:
    return {bucket.id.partition("#")[0]: bucket.remaining_bytes for bucket in one.account.buckets}


def test_later_usage_moves_to_what_was_bought_since() -> None:
    one = line()
    one.use(600, at=1)
    one.top_up(at=5, pack="week")
    one.use(400, at=6)
    effects = one.use(150, at=2, arrives=7)
    assert (one.account.overage_bytes, left(one)) == (0, {"data": 0, "week": 150})
    assert decisions(effects) == ["late_usage"]
    assert thresholds(effects) == [("low", 50)]  # of the pack
    one.use(200, at=3, arrives=8)
    assert (one.account.overage_bytes, left(one)) == (50, {"data": 0, "week": 0})


def test_no_more_moves_than_was_used_since() -> None:
    one = line()
    one.use(950, at=1)
    one.top_up(at=5, pack="week")
    one.use(50, at=6)
    one.use(150, at=2, arrives=7)
    assert (one.account.overage_bytes, left(one)) == (100, {"data": 0, "week": 250})
    one.use(10, at=3, arrives=8)  # the pack's room is no business of it
    assert (one.account.overage_bytes, left(one)) == (110, {"data": 0, "week": 250})


def test_usage_of_between_moves_on_to_what_was_bought_last() -> None:
    one = line()
    one.use(900, at=1)
    one.top_up(at=5, pack="day")
    one.use(100, at=5.1)
    one.use(100, at=5.2)
    one.top_up(at=5.4, pack="week")
    one.use(100, at=5.5)
    one.use(
        80, at=2, arrives=5.6
    )  # takes the place of data, that of the day pack, that of the week
    assert one.account.overage_bytes == 0
    assert left(one) == {"data": 0, "day": 0, "week": 220}


def test_room_that_was_made_is_not_given_away_again() -> None:
    one = line()
    one.use(1000, at=0.5)
    one.top_up(at=1, pack="week")
    one.use(200, at=1.5)
    one.top_up(at=2, pack="week")
    one.use(50, at=2.2)
    one.top_up(at=3, pack="film")
    one.use(290, at=3.2)  # 50 of the first pack, 240 of the second one
    one.use(240, at=1.2, arrives=3.3)
    packs = [one for one in one.account.buckets if one.source == "week"]
    assert [one.used_bytes for one in packs] == [300, 300]
    assert one.account.overage_bytes == 180


def test_a_pack_takes_nothing_from_after_its_end() -> None:
    one = line()
    one.use(600, at=1)
    one.top_up(at=5, pack="day")
    one.use(100, at=5.5)
    one.use(300, at=8)
    one.use(150, at=2, arrives=9)
    assert one.account.overage_bytes == 50  # of the pack 100 bytes had expired that were used then
    (ended,) = one.account.ended
    assert (ended.used_bytes, ended.expired_bytes) == (100, 100)


def test_a_pack_takes_only_what_it_covers() -> None:
    one = line()
    one.use(600, at=1)
    one.top_up(at=5, pack="film")
    one.use(400, at=6)
    one.use(150, at=2, arrives=7)
    assert one.account.overage_bytes == 150


@pytest.mark.parametrize("kind", ["refund", "plan", "cycle"])
def test_what_boundaries_do_not_describe_ends_them(kind: str) -> None:
    one = line()
    one.use(600, at=1)
    one.top_up(at=5, pack="week")
    assert one.account.extra is not None
    if kind == "refund":
        one.send(UsageRefunded, 1, 6, refunded_bytes=10)
    elif kind == "plan":
        one.change_plan("basic", at=6)
    else:
        one.reach(day(32))
    assert one.account.extra is None


def test_an_allowance_that_came_back_by_another_plan_is_another_one() -> None:
    films = Plan("films", (Allowance("video", 500, 50, FILMS),))
    one = Line(rulebook((Plan("basic", (Allowance("data", 1000, 50),)), films), PACKS))
    one.activate()
    one.use(600, at=1)
    one.change_plan("films", at=2)
    one.change_plan("basic", at=3)
    one.top_up(at=5, pack="week")
    one.use(1000, at=6)
    one.use(150, at=4, arrives=7)
    assert (one.account.overage_bytes, left(one)) == (0, {"data": 0, "week": 150})


def test_boundaries_are_few_and_small() -> None:
    one = line()
    one.use(1, at=0.5)
    for number in range(40):
        one.top_up(at=1 + number / 100, pack="week")
    extra = one.account.extra
    assert extra is None  # too many buckets: none are kept
    one = line()
    one.use(1, at=0.5)
    for number in range(12):
        one.top_up(at=1 + number / 100, pack="week")
    extra = one.account.extra
    assert extra is not None
    assert len(extra.boundaries) == 8
    assert one.state is not None
    assert unpack(one.state) == one.account
