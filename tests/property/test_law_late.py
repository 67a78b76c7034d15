"""Law 11 by itself: late usage leaves the account as if it had come in time, and its refund as
if it had never been. The oracle is asked after each event, too.

What was valid from the begin of each cycle on is all that these lives have: there the order of
time is fully told by the cycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.plan_terms import Rollover, Tier
from streamproc.core.rules.rulebook import Allowance, Limits, Pack, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import Account
from tests.property import rulebooks
from tests.property.budget import budget
from tests.property.world import World
from tests.support.line import day

NAME = "861380000001"
VIDEO = Scope(rating_groups=frozenset({20}))
CYCLES = (0, 31, 59, 90, 120)
"""The days on which the months of 2026 begin."""


class Use(NamedTuple):
    cycle: int
    day: float
    late_days: float
    used: int
    group: int
    is_bad: bool
    """It is taken back in the end."""


class Terms(NamedTuple):
    most: int
    cycles: int
    used: str
    video: int
    top_ups: tuple[tuple[int, int, int], ...]
    """The cycle at whose begin each is bought, bytes, and cycles that it lasts."""
    pack_cycle: int


TERMS = st.builds(
    Terms,
    st.sampled_from([30, 60, 100]),
    st.integers(1, 3),
    st.sampled_from(["first", "last"]),
    st.sampled_from([0, 40]),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 120), st.integers(1, 4)), max_size=3).map(
        tuple
    ),
    st.integers(0, 9),
)
USES = st.lists(
    st.builds(
        Use,
        st.integers(0, 3),
        st.floats(0.1, 27),
        st.sampled_from([0.0, 0.0, 10.0, 35.0, 70.0]),
        st.integers(1, 90),
        st.sampled_from([10, 10, 20]),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


def rules_of(terms: Terms) -> Rulebook:
    rollover = Rollover(terms.most, terms.cycles, terms.used)  # type: ignore[arg-type]
    allowances = [Allowance("data", 100, 50, rollover=rollover)]
    if terms.video:
        allowances.append(
            Allowance("video", terms.video, 40, VIDEO, rollover=Rollover(20, 1, "first"))
        )
    return Rulebook(
        (Plan("plan", tuple(allowances), 3, 7, overage_tiers=(Tier(50, 1, 10),)),),
        (Pack("long", 80, 365 * DAY_MS, 45), Pack("more", 80, 365 * DAY_MS, 60)),
        (
            rulebooks.usage_rule(
                "low", "usage_percent", (40, 80, 100), (*rulebooks.KINDS, "rollover")
            ),
            rulebooks.usage_rule("used", "used_bytes", (15, 50), (*rulebooks.KINDS, "rollover")),
        ),
        (),
        Limits(max_age_ms=240 * DAY_MS, history_cycles=9),
        "en",
        "EUR",
    )


def life(terms: Terms, uses: Iterable[Use], *, in_time: bool) -> World:
    world = World(rules_of(terms), to_ms(day(0)))
    entries: list[tuple[float, float, dict[str, Any]]] = [
        (0, 0, {"type": "account.activated", "plan": "plan", "time_zone": "UTC",
                "billing_anchor_day": 1})
    ]  # fmt: skip
    for number, (cycle, granted, lasts) in enumerate(terms.top_ups):
        # Of another end each: one of the same end would be the same balance.
        end = day(CYCLES[min(cycle + lasts, 4)] + 300 * (lasts + cycle > 3))
        entries.append(
            (CYCLES[cycle], CYCLES[cycle],
             {"type": "account.topped_up", "granted_bytes": granted,
              "expires_time": to_ms(end) - number})
        )  # fmt: skip
    if terms.pack_cycle < 4:
        begins = CYCLES[terms.pack_cycle]
        entries.append((begins, begins, {"type": "account.topped_up", "pack": "long"}))
    for number, one in enumerate(uses):
        at = CYCLES[one.cycle] + one.day
        fields = {"type": "usage.recorded", "total_bytes": one.used, "rating_group": one.group}
        fields |= {"id": f"u{number}", "source": "ocs"}
        arrives = at if in_time else at + one.late_days
        entries.append((at, arrives, fields))
        if one.is_bad and one.late_days > 31 and not in_time:
            of = {"of_source": "ocs", "of_id": f"u{number}", "refunded_bytes": one.used}
            back = {"type": "usage.refunded", "rating_group": one.group, **of}
            entries.append((at, arrives + 1e-6, back))
    entries.sort(key=lambda one: one[1])
    for number, (at, arrives, fields) in enumerate(entries):
        send(world, f"e{number}", at, arrives, fields)
    world.clock_ms = to_ms(day(230))
    world.finish()
    return world


def send(world: World, name: str, at: float, arrives: float, fields: dict[str, Any]) -> None:
    common = {"id": name, "source": "crm", "subscriber": NAME, "time": to_ms(day(at))}
    world.send({**common, **fields}, to_ms(day(arrives)))


def figures(world: World) -> object:
    """All but names, what came late, and what it cost when its cycle closed."""
    account: Account | None = world.account(NAME)
    assert account is not None
    return (
        sorted(
            (b.kind, b.source, b.granted_bytes, b.used_bytes, b.expires_ms)
            for b in account.buckets
            if b.granted_bytes
        ),
        account.overage_bytes,
        [
            (c.granted_bytes, c.used_bytes, c.expired_bytes, c.rolled_over_bytes, c.overage_bytes)
            for c in account.history
        ],
    )


@budget(150)
@given(terms=TERMS, uses=USES)
def test_law_11_late_usage_is_charged_as_if_it_had_come_in_time(
    terms: Terms, uses: list[Use]
) -> None:
    uses = [one._replace(is_bad=False) for one in uses]
    late = life(terms, uses, in_time=False)
    assert figures(late) == figures(life(terms, uses, in_time=True))


@budget(100)
@given(terms=TERMS, uses=USES)
def test_law_26_a_refund_of_late_usage_leaves_the_account_as_if_it_had_never_been(
    terms: Terms, uses: list[Use]
) -> None:
    """A refund that comes in the same cycle: what rolls over at its end is never more later."""
    terms = terms._replace(video=0)
    bad = [one for one in uses if one.is_bad and one.late_days > 31]
    good = [one for one in uses if one not in bad]
    late = life(terms, [*good, *bad], in_time=False)
    assert figures(late) == figures(life(terms, good, in_time=False))


PURCHASES = st.lists(st.integers(4, 9), min_size=1, max_size=3)
"""Days."""
WITHIN = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([0, 0, 5, 9]), st.integers(10, 60)),
    min_size=3,
    max_size=10,
)
"""Day, days that it comes late, bytes."""


@budget(120)
@given(purchases=PURCHASES, uses=WITHIN)
def test_law_11_so_is_late_usage_from_before_a_purchase_of_the_same_cycle(
    purchases: list[int], uses: list[tuple[int, int, int]]
) -> None:
    """With packs that outlive the cycle. One that has ended may cover more than in time."""
    assert bought_within(purchases, uses, in_time=False) == bought_within(
        purchases, uses, in_time=True
    )


def bought_within(
    purchases: list[int], uses: list[tuple[int, int, int]], *, in_time: bool
) -> object:
    world = World(rules_of(Terms(30, 1, "last", 0, (), 9)), to_ms(day(0)))
    entries: list[tuple[float, float, dict[str, Any]]] = [
        (0, 0, {"type": "account.activated", "plan": "plan", "time_zone": "UTC",
                "billing_anchor_day": 1})
    ]  # fmt: skip
    entries += [(at, at, {"type": "account.topped_up", "pack": "more"}) for at in purchases]
    entries += [
        (at, at if in_time else at + late, {"type": "usage.recorded", "total_bytes": used})
        for at, late, used in (
            (day + n / 100, late, used) for n, (day, late, used) in enumerate(uses, 1)
        )
    ]
    entries.sort(key=lambda one: one[1])
    for number, (at, arrives, fields) in enumerate(entries):
        send(world, f"e{number}", at, arrives, fields)
    return figures(world)
