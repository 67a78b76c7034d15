"""Laws 12 and 22 together: whoever has a cap in force is told when a share of it is reached."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.account_rules import AlertRules, WatchRule
from streamproc.core.rules.plan_terms import Tariff, Tier
from streamproc.core.rules.rulebook import Limits, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.events import CostCapLifted, CostCapRestored
from tests.property.budget import budget
from tests.support.line import Line, reminders

ROAMING = Scope(roaming_zones=frozenset({"eu"}))
TEXT = {"en": "{threshold} of {cap}: {spend}, then {price} per {price_unit}"}


def rulebook(cap: int, shares: list[int]) -> Rulebook:
    plan = Plan(
        "basic", (), 7, 10, 0, (Tier(60, 3, 7),), cap,
        (Tariff("roaming", (Tier(0, 9, 4), Tier(30, 2, 1)), ROAMING, cap),),
    )  # fmt: skip
    watch = tuple(
        WatchRule(
            name,
            "spend_percent",
            tuple(sorted(shares)),
            TEXT,
            "money",
            False,
            5,
            DAY_MS,
            tariff=tariff,
        )
        for name, tariff in (("own", ""), ("abroad", "roaming"))
    )
    return Rulebook((plan,), (), (), (), Limits(), "en", "EUR", alert_rules=AlertRules(watch=watch))


@budget(100)
@given(
    cap=st.integers(1, 400),
    shares=st.sets(st.integers(1, 100), min_size=1, max_size=3).map(list),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["use", "use", "use", "lift", "restore"]),
            st.sampled_from(["", "roaming"]),
            st.integers(1, 90),
        ),
        max_size=25,
    ),
)
def test_laws_12_and_22_a_share_of_a_cap_is_told_when_it_is_reached_without_consent(
    cap: int, shares: list[int], steps: list[tuple[str, str, int]]
) -> None:
    line = Line(rulebook(cap, shares))
    line.activate()
    rules = {"": "own", "roaming": "abroad"}
    overage = {"": 0, "roaming": 0}
    spent = {"": 0, "roaming": 0}
    consents: set[str] = set()
    for number, (what, tariff, used) in enumerate(steps):
        at = 1 + number / 100
        if what != "use":
            kind = CostCapLifted if what == "lift" else CostCapRestored
            sent = reminders(line.send(kind, at=at, tariff=tariff))
            reached = [one for one in shares if spent[tariff] * 100 >= cap * one]
            if what == "lift" or tariff not in consents:
                reached = []  # a cap that holds again is told where it is reached already
            told = [(one.rule, one.threshold and one.threshold.value) for one in sent]
            assert told == [(rules[tariff], max(reached)) for _ in reached[:1]]
            consents = consents | {tariff} if what == "lift" else consents - {tariff}
            continue
        more = price(tariff, overage[tariff] + used) - price(tariff, overage[tariff])
        overage[tariff] += used
        before = spent[tariff]
        free = tariff in consents
        after = before + more if free else max(before, min(before + more, cap))
        spent[tariff] = after
        sent = reminders(line.use(used, at=at, roaming_zone="eu" if tariff else "home"))
        reached = [one for one in shares if not free and before * 100 < cap * one <= after * 100]
        event(f"told: {bool(reached)}")
        assert [(one.rule, one.threshold and one.threshold.value) for one in sent] == [
            (rules[tariff], max(reached)) for _ in reached[:1]
        ]


def price(tariff: str, used: int) -> int:
    """Each begun unit up to the second tier, and from there on, by counting them."""
    tiers = {"": (60, 10, 7, 7, 3), "roaming": (30, 4, 9, 1, 2)}
    until, unit, minor, then_unit, then_minor = tiers[tariff]
    first = len(range(0, min(used, until), unit)) * minor
    return first + len(range(until, used, then_unit)) * then_minor
