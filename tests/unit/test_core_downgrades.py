"""Usage from before a change to a smaller plan: taken back, or arriving late (laws 11 and 26).

Core and oracle are compared after each event.
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import HOUR_MS, to_ms
from streamproc.core.state.account import Account, Bucket, unpack
from streamproc.core.state.effects import Reminder
from tests.property.world import World
from tests.support.line import SUBSCRIBER, day

RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - {id: ten, allowances: [{id: ten, granted_bytes: 1000}], overage_price_minor: 9, overage_unit_bytes: 10}
  - {id: five, allowances: [{id: five, granted_bytes: 500}], overage_price_minor: 7, overage_unit_bytes: 10}
  - {id: three, allowances: [{id: three, granted_bytes: 300}], overage_price_minor: 7, overage_unit_bytes: 10}
  - {id: endless, allowances: [{id: all, unlimited: true}]}
  - id: films
    allowances: [{id: five, granted_bytes: 500}, {id: films, granted_bytes: 400, priority: 40, rating_groups: [20]}]
    overage_price_minor: 7
    overage_unit_bytes: 10
  - id: few-films
    allowances: [{id: five, granted_bytes: 500}, {id: films, granted_bytes: 100, priority: 40, rating_groups: [20]}]
    overage_price_minor: 7
    overage_unit_bytes: 10
  - id: little
    allowances: [{id: five, granted_bytes: 200}, {id: films, granted_bytes: 100, priority: 40, rating_groups: [20]}]
  - id: many-films
    allowances: [{id: five, granted_bytes: 200}, {id: films, granted_bytes: 400, priority: 40, rating_groups: [20]}]
  - id: reels
    allowances: [{id: films, granted_bytes: 400, rating_groups: [20], rollover: {max_bytes: 400, cycles: 1}}]
  - id: two
    allowances: [{id: first, granted_bytes: 800, priority: 40}, {id: second, granted_bytes: 200}]
  - id: second
    allowances: [{id: second, granted_bytes: 800}]
  - id: rolling
    allowances: [{id: three, granted_bytes: 300, rollover: {max_bytes: 300, cycles: 1}}]
packs:
  - {id: day, granted_bytes: 200, validity_hours: 24}
  - {id: later, granted_bytes: 200, validity_hours: 240, priority: 70}
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 80, 100], category: c, texts: {en: "{percent}%"}}
commands: {}
"""  # noqa: E501

Step = dict[str, Any]


def use(used_bytes: int, before: float = 0, **more: Any) -> Step:
    """``before``: how many hours ago it was used."""
    return {"type": "usage.recorded", "total_bytes": used_bytes, "before": before, **more}


def refund(refunded_bytes: int, before: float = 0, **more: Any) -> Step:
    more = {"refunded_bytes": refunded_bytes, "before": before, **more}
    return {"type": "usage.refunded", **more}


def plan(name: str, **more: Any) -> Step:
    return {"type": "account.plan_changed", "plan": name, "effective": "now", **more}


def pack(name: str) -> Step:
    return {"type": "account.topped_up", "pack": name}


def wait(hours: int) -> Step:
    return {"hours": hours}


CLOSE = {"type": "account.closed"}


class Life:
    """One step each hour; two copies of an id do not occur."""

    def __init__(self, first_plan: str, *steps: Step) -> None:
        self.world = World(load_rulebook(RULES, "rules.yaml"), to_ms(day(0)))
        self.serial = count()
        self.activate(first_plan)
        self.send(*steps)

    def activate(self, plan_id: str) -> None:
        place = {"plan": plan_id, "time_zone": "UTC", "billing_anchor_day": 1}
        self.send({"type": "account.activated", **place})

    def send(self, *steps: Step) -> None:
        for step in steps:
            self.world.clock_ms += int(step.get("hours", 1)) * HOUR_MS
            if "type" not in step:
                continue
            own = {"id": f"e{next(self.serial)}", "source": "test", "subscriber": SUBSCRIBER}
            time_ms = self.world.clock_ms - int(step.get("before", 0) * HOUR_MS)
            fields = {
                name: value for name, value in step.items() if name not in ("before", "hours")
            }
            self.world.send({**own, "time": time_ms, **fields})

    @property
    def account(self) -> Account:
        return unpack(self.world.states[SUBSCRIBER])

    def bucket(self, name: str) -> Bucket:
        return next(one for one in self.account.buckets if one.id == name)

    def told(self) -> list[str]:
        effects = self.world.effects[SUBSCRIBER]
        return [one.text for one in effects if isinstance(one, Reminder)]


REFUNDS: dict[str, tuple[str, list[Step], str, tuple[int, int]]] = {
    "the plan's grant is back": (
        "ten",
        [use(1000), plan("three"), refund(800)],
        "three",
        (200, 300),
    ),
    "a part is still more than the plan grants": (
        "ten",
        [use(1000), plan("three"), refund(400)],
        "three",
        (600, 600),
    ),
    "two parts": ("ten", [use(1000), plan("three"), refund(400), refund(400)], "three", (200, 300)),
    "as of a time before the change": (
        "ten",
        [use(1000), plan("three"), refund(800, before=1.5)],
        "three",
        (200, 300),
    ),
    "two downgrades": (
        "ten",
        [use(1000), plan("five"), plan("three"), refund(800)],
        "three",
        (200, 300),
    ),
    "between two downgrades": (
        "ten",
        [use(1000), plan("five"), refund(600), plan("three"), refund(200)],
        "three",
        (200, 300),
    ),
    "an upgrade after it": (
        "ten",
        [use(900), plan("three"), plan("ten"), refund(800)],
        "ten",
        (100, 1000),
    ),
    "overage first": ("ten", [use(1000), plan("three"), use(50), refund(800)], "three", (250, 300)),
    "the last bucket in the order of charging first": (
        "ten",
        [use(1000), plan("three"), pack("day"), use(100), refund(100)],
        "three",
        (900, 900),
    ),
    "usage of a pack and more": (
        "ten",
        [use(1000), plan("three"), pack("later"), use(100), refund(900)],
        "three",
        (200, 300),
    ),
    "of films only": (
        "films",
        [use(400, rating_group=20), plan("few-films"), refund(350, rating_group=20)],
        "films",
        (50, 100),
    ),
    "of films only, with later usage of other data": (
        "films",
        [use(50, rating_group=20), plan("little"), use(100), refund(50, 2.5, rating_group=20)],
        "films",
        (0, 100),
    ),
    "used again": ("ten", [use(1000), plan("three"), refund(800), use(50)], "three", (250, 300)),
    "forth and back, prorated, at one instant": (
        "ten",
        [use(900), plan("three", prorated=True), plan("ten", prorated=True, hours=0)],
        "ten",
        (900, 1000),
    ),
}


@pytest.mark.parametrize(("first", "steps", "name", "wanted"), REFUNDS.values(), ids=REFUNDS)
def test_a_refund_lowers_a_grant_that_a_downgrade_raised_to_the_used_bytes(
    first: str, steps: list[Step], name: str, wanted: tuple[int, int]
) -> None:
    bucket = Life(first, *steps).bucket(name)
    assert (bucket.used_bytes, bucket.granted_bytes) == wanted


def test_a_threshold_of_the_smaller_plan_fires_again_after_the_refund() -> None:
    life = Life("ten", use(1000), plan("three"), refund(800), use(50))
    assert life.told() == ["100%", "83%"]


def test_a_refund_after_the_cycle_leaves_late_usage_what_the_smaller_plan_granted() -> None:
    life = Life("ten", use(1000), plan("three"), wait(24 * 31 - 3))
    life.send(refund(800, before=10), use(150, before=10))
    (cycle,) = life.account.history
    assert (cycle.granted_bytes, cycle.used_bytes, cycle.overage_bytes) == (300, 300, 50)


def test_a_refund_of_an_earlier_contract_of_the_same_cycle_does_not_touch_the_next() -> None:
    life = Life("ten", use(1000), plan("three"), CLOSE)
    life.activate("three")
    life.send(use(250), refund(800, before=4))
    (cycle,) = life.account.history
    assert (cycle.granted_bytes, cycle.used_bytes) == (300, 200)
    bucket = life.bucket("three")
    assert (bucket.used_bytes, bucket.granted_bytes) == (250, 300)


LATE: dict[str, tuple[str, list[Step], str, tuple[int, int, int]]] = {
    "covered by what was left": (
        "ten",
        [use(600), plan("five"), use(200, before=1.5)],
        "five",
        (800, 800, 0),
    ),
    "within the smaller plan": (
        "ten",
        [use(100), plan("five"), use(200, before=1.5)],
        "five",
        (300, 500, 0),
    ),
    "partly beyond the smaller plan": (
        "ten",
        [use(400), plan("five"), use(200, before=1.5)],
        "five",
        (600, 600, 0),
    ),
    "beyond the old plan": (
        "ten",
        [use(900), plan("five"), use(200, before=1.5)],
        "five",
        (1000, 1000, 100),
    ),
    "it pushes later usage into a pack": (
        "ten",
        [use(20), plan("three"), pack("later"), use(150), use(250, before=3.5)],
        "three",
        (300, 300, 0),
    ),
    "it pushes all later usage into a pack": (
        "ten",
        [use(20), plan("three"), pack("later"), use(150), use(450, before=3.5)],
        "three",
        (470, 470, 0),
    ),
    "in two events": (
        "ten",
        [use(900), plan("five"), use(60, before=1.5), use(60, before=2.5)],
        "five",
        (1000, 1000, 20),
    ),
    "it pushes out usage after the change": (
        "ten",
        [use(100), plan("five"), use(400), use(200, before=2.5), use(400, before=3.5)],
        "five",
        (700, 700, 400),
    ),
    "from after the change": ("ten", [use(600), plan("five"), use(200)], "five", (600, 600, 200)),
    "from before the first of two changes": (
        "ten",
        [use(600), plan("five"), plan("three"), use(200, before=2.5)],
        "three",
        (800, 800, 0),
    ),
    "from between two changes": (
        "ten",
        [use(400), plan("five"), wait(1), plan("three"), use(200, before=1.5)],
        "three",
        (500, 500, 100),
    ),
    "with a larger plan after it": (
        "ten",
        [use(600), plan("three"), plan("five"), use(100, before=2.5)],
        "five",
        (700, 700, 0),
    ),
    "from an unlimited plan": (
        "endless",
        [use(600), plan("five"), use(200, before=1.5)],
        "five",
        (800, 800, 0),
    ),
    "taken back again": (
        "ten",
        [
            use(600),
            plan("five"),
            use(200, before=1.5),
            refund(200, before=2.5),
            use(400, before=3.5),
        ],
        "five",
        (1000, 1000, 0),
    ),
    "a prorated change": (
        "ten",
        [use(990), plan("five", prorated=True), use(10, before=1.5)],
        "five",
        (1000, 1000, 0),
    ),
    "a change that is reported after a later one": (
        "ten",
        [use(600), wait(1), plan("five"), plan("three", before=1.5), use(100, before=2.4)],
        "three",
        (700, 700, 0),
    ),
    "a pack that was bought after it is not used": (
        "ten",
        [use(600), plan("five"), pack("day"), use(200, before=2.5)],
        "five",
        (800, 800, 0),
    ),
    "of films only": (
        "films",
        [
            *(use(450), use(300, rating_group=20), plan("few-films")),
            *(use(100, before=1.5, rating_group=20), use(40, before=2.5)),
        ],
        "films",
        (400, 400, 0),
    ),
}


@pytest.mark.parametrize(("first", "steps", "name", "wanted"), LATE.values(), ids=LATE)
def test_late_usage_from_before_a_downgrade_has_what_the_old_plan_had_left(
    first: str, steps: list[Step], name: str, wanted: tuple[int, int, int]
) -> None:
    life = Life(first, *steps)
    bucket = life.bucket(name)
    assert (bucket.used_bytes, bucket.granted_bytes, life.account.overage_bytes) == wanted


def test_what_was_told_at_the_change_is_not_told_again_by_late_usage() -> None:
    life = Life("ten", use(600), plan("five"), use(200, before=1.5))
    assert life.told() == ["60%", "100%"]


def test_late_usage_of_a_closed_cycle_has_what_the_old_plan_had_left() -> None:
    life = Life("ten", use(600), plan("five"), wait(24 * 31 - 3), use(200, before=24 * 31 - 1.5))
    (cycle,) = life.account.history
    assert (cycle.granted_bytes, cycle.used_bytes, cycle.overage_bytes) == (800, 800, 0)


def test_late_usage_of_an_earlier_contract_too() -> None:
    life = Life("ten", use(600), plan("five"), CLOSE)
    life.activate("five")
    life.send(use(200, before=4.5))
    (cycle,) = life.account.history
    assert (cycle.used_bytes, cycle.overage_bytes) == (800, 0)
    assert life.bucket("five").used_bytes == 0


def test_data_of_the_old_plan_alone_cover_late_usage_from_before() -> None:
    late = use(100, before=1.5, rating_group=20)
    life = Life("films", use(500), plan("five"), late)
    assert (life.account.overage_bytes, life.bucket("five").used_bytes) == (0, 500)


def test_an_unlimited_plan_grants_what_it_was_used_beside_a_share_of_the_next() -> None:
    share = plan("five", prorated=True)
    never = _figures(Life("endless", wait(1), wait(1), share), "five")
    in_time = _figures(Life("endless", use(600), use(200), share), "five")
    assert in_time == (800, 800 + never[1], 0)
    late = Life("endless", use(600), wait(1), share, use(200, before=1.5))
    assert _figures(late, "five") == in_time
    assert late.told() == ["54%"]
    assert _figures(Life("endless", use(600), wait(1), share, refund(600, before=2.5)), "five") == (
        never
    )


def test_what_the_old_plan_covered_uses_nothing_that_another_plan_gave_since() -> None:
    film = {"rating_group": 20}
    life = Life("films", use(100, **film), plan("few-films"), wait(1), plan("many-films"))
    life.send(use(150, before=1.5, **film))
    five, films = life.bucket("five"), life.bucket("films")
    assert (five.used_bytes, five.granted_bytes) == (150, 200)
    assert (films.used_bytes, films.granted_bytes) == (100, 400)


def test_a_bucket_that_a_change_ended_is_not_taken_for_a_later_one_with_its_id() -> None:
    life = Life("two", wait(1), plan("endless"), use(900), plan("second"))
    life.send(use(300, before=4.5))
    (ended,) = life.account.ended
    assert (ended.id, ended.used_bytes, ended.granted_bytes) == ("second", 200, 200)
    assert (life.bucket("second").used_bytes, life.account.overage_bytes) == (1000, 0)


def test_what_rolled_over_is_not_of_an_allowance_that_a_change_ended_before() -> None:
    film = {"rating_group": 20}
    life = Life("reels", use(50, **film), plan("ten"), plan("reels"), use(390, **film))
    life.send(wait(24 * 31), use(20, before=24 * 31 + 0.5, **film))
    life.send(refund(50, before=24 * 31 + 4.5, **film))
    (cycle,) = life.account.history
    first, second = (one for one in cycle.buckets if one.id == "films")
    assert (first.used_bytes, first.rolled_over_bytes) == (10, 0)
    assert (second.used_bytes, second.rolled_over_bytes) == (400, 0)


def test_an_account_forgets_changes_whose_events_are_too_old() -> None:
    life = Life("ten", use(600), plan("five"))
    extra = life.account.extra
    assert extra is not None
    assert len(extra.downgrades) == 1
    life.send(wait(24 * 45), use(1))
    assert life.account.extra is not None
    life.send(wait(24 * 90), use(1))
    assert life.account.extra is None


def test_a_bucket_keeps_its_last_changes() -> None:
    life = Life("ten", use(600), *(plan(one) for _ in range(9) for one in ("five", "three")))
    extra = life.account.extra
    assert extra is not None
    assert len(extra.downgrades) == 8
    life.send(refund(500))
    assert life.bucket("three").granted_bytes == 300


@pytest.mark.parametrize("seed", range(20))
def test_late_or_refunded_usage_leaves_the_account_as_if_in_time_or_never(seed: int) -> None:
    chance = Random(seed)
    plans = chance.choice((["ten", "five", "three"], ["ten", "three"], ["endless", "five"]))
    steps = [use(chance.randrange(1, 400)) for _ in range(6)]
    for number, name in enumerate(plans[1:]):
        steps.insert(2 + 3 * number, plan(name))
    place = chance.choice([i for i, one in enumerate(steps) if "total_bytes" in one])
    # Its hour stays empty, and it arrives (or is refunded) last.
    gap = [*steps[:place], wait(1), *steps[place + 1 :]]
    before = len(steps) - place
    late = {**steps[place], "before": before}
    back = refund(late["total_bytes"], before=before)

    in_time = _figures(Life(plans[0], *steps), plans[-1])
    assert _figures(Life(plans[0], *gap, late), plans[-1]) == in_time
    without = _figures(Life(plans[0], *gap), plans[-1])
    assert _figures(Life(plans[0], *steps, back), plans[-1]) == without


def _figures(life: Life, name: str) -> tuple[int, int, int]:
    bucket = life.bucket(name if name != "endless" else "all")
    return bucket.used_bytes, bucket.granted_bytes, life.account.overage_bytes
