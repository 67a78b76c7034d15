"""Plan advice promises no more than another plan would have saved, whatever was used of what."""

from __future__ import annotations

from datetime import time

from hypothesis import event, given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.notices import Notice
from streamproc.core.rules.plan_terms import Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, Plan, Rulebook
from streamproc.core.rules.scope import EVERYTHING, Scope
from streamproc.core.state.account import Account
from streamproc.core.state.events import CostCapLifted
from streamproc.core.usage.plan_advice import better_plan
from tests.property.budget import budget
from tests.support.line import Line, day, rulebook

ROAMING = Scope(roaming_zones=frozenset({"eu"}))
ADVICE = Notice("advice", "plan_advice", {"en": "x"}, "advice", False, 5, DAY_MS, time(9), cycles=1)
PRICES = st.integers(0, 20)
CAPS = st.none() | st.integers(0, 300)


@st.composite
def plans(draw: st.DrawFn, name: str) -> Plan:
    """Up to two allowances and two tariffs, of three tiers at most."""
    allowances = [
        Allowance(
            f"{name}-{number}",
            draw(st.integers(1, 300)),
            50,
            draw(st.sampled_from([EVERYTHING, ROAMING])),
            unlimited=draw(st.integers(0, 9)) == 0,
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    roaming = [Tariff("roaming", draw(tiers()), ROAMING, draw(CAPS))] * draw(st.integers(0, 1))
    first, *more = draw(tiers())
    return Plan(
        name,
        tuple(allowances),
        first.price_minor,
        first.unit_bytes,
        draw(st.integers(0, 3000)),
        tuple(more),
        draw(CAPS),
        tuple(roaming),
    )


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    starts = sorted(draw(st.sets(st.integers(1, 300), max_size=2)))
    return tuple(Tier(start, draw(PRICES), draw(st.integers(1, 30))) for start in [0, *starts])


def month(plan: Plan, usage: list[tuple[int, str]], rules: Rulebook, consents: bool) -> Account:
    """A subscriber with a closed cycle of such usage."""
    line = Line(rules)
    line.activate(plan=plan.id)
    for tariff in plan.all_tariffs if consents else ():
        line.send(CostCapLifted, at=0.1, tariff=tariff.id)
    for number, (used, zone) in enumerate(usage):
        line.use(used, at=1 + number / 10, roaming_zone=zone)
    line.reach(day(31.5))
    return line.account


@budget(150)
@given(
    plan=plans("now"),
    other=plans("other"),
    usage=st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["home", "eu"])), max_size=8),
    consents=st.booleans(),
)
def test_a_saving_that_is_told_is_a_lower_bound(
    plan: Plan, other: Plan, usage: list[tuple[int, str]], consents: bool
) -> None:
    rules = rulebook(plans=(plan, other), usage_rules=())
    account = month(plan, usage, rules, consents)
    found = better_plan(account, ADVICE, rules)
    event(f"advised: {found is not None}")
    if found is not None:
        paid = plan.price_minor + account.history[-1].spend_minor
        # With data to the end of the month: caps of the other plan are no saving.
        instead = month(other, usage, rules, True).history[-1].spend_minor + other.price_minor
        assert found.saving_minor <= paid - instead
        has_one_price = all(
            len(one.all_tariffs) == 1
            and {a.scope for a in one.allowances} <= {EVERYTHING}
            and not any(a.unlimited for a in one.allowances)
            for one in (plan, other)
        )
        if has_one_price and (plan.cost_cap_minor is None or not consents):
            assert found.saving_minor == paid - instead
