"""Laws 22 to 27: money, policies, pools, roll-over, refunds, proration; without the oracle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import UNSET

from streamproc.core.instants import to_ms
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import UNLIMITED, Account
from streamproc.core.state.effects import Audited, Effect, PolicyChanged
from streamproc.core.state.events import (
    CostCapLifted,
    CostCapRestored,
    MemberJoined,
    PlanChanged,
    UsageRefunded,
)
from streamproc.core.usage.tariffs import price_minor, spend_by_tariff, spend_minor
from tests.property.budget import budget
from tests.support.line import Line, day, decisions, rulebook

TIERS = (Tier(0, 7, 10), Tier(100, 3, 25), Tier(1000, 1, 1))
ROAMING = Scope(roaming_zones=frozenset({"eu"}))
NIGHT = Scope(hours=((23 * 60, 7 * 60),))
AMOUNTS = st.lists(st.integers(0, 300), max_size=25)


def priced(cap_minor: int | None = None, policies: tuple[PolicyCounter, ...] = ()) -> Rulebook:
    """No allowance: all usage is overage, under the plan's own prices or those of roaming."""
    plan = Plan(
        "basic",
        (),
        7,
        10,
        0,
        TIERS[1:],
        cap_minor,
        (Tariff("roaming", (Tier(0, 9, 4),), ROAMING, cap_minor),),
        policies,
    )
    return rulebook(plans=(plan,), usage_rules=())


def changes(effects: list[Effect]) -> list[PolicyChanged]:
    return [one for one in effects if isinstance(one, PolicyChanged)]


@budget(60)
@given(parts=AMOUNTS, roaming=AMOUNTS)
def test_law_22_spend_depends_on_the_overage_not_on_how_it_came(
    parts: list[int], roaming: list[int]
) -> None:
    line = Line(priced())
    line.activate()
    for number, used in enumerate(parts):
        line.use(used, at=1 + number / 100)
    for number, used in enumerate(roaming):
        line.use(used, at=1 + number / 100, roaming_zone="eu")
    units = -(-sum(roaming) // 4) * 9
    assert (
        spend_minor(line.account, line.rules) == price_minor(Tariff("", TIERS), sum(parts)) + units
    )
    spends = spend_by_tariff(line.account, line.rules)
    assert sum(one.overage_bytes for one in spends) == line.account.overage_bytes


@budget(60)
@given(
    cap=st.integers(0, 400),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["use", "roam", "refund", "lift", "restore"]), st.integers(1, 90)
        ),
        max_size=30,
    ),
)
def test_law_22_without_consent_no_tariff_costs_more_than_its_cap(
    cap: int, steps: list[tuple[str, int]]
) -> None:
    line = Line(priced(cap))
    line.activate()
    consented = {"": False, "roaming": False}
    highest = {"": 0, "roaming": 0}
    for number, (what, amount) in enumerate(steps):
        at = 1 + number / 100
        tariff = "roaming" if amount % 2 else ""
        if what in ("use", "roam"):
            line.use(amount, at=at, roaming_zone="eu" if what == "roam" else "home")
        elif what == "refund":
            line.send(UsageRefunded, at=at, refunded_bytes=amount)
        elif what == "lift":
            line.send(CostCapLifted, at=at, tariff=tariff)
            consented[tariff] = True
        else:
            line.send(CostCapRestored, at=at, tariff=tariff)
            consented[tariff] = False
        for one in spend_by_tariff(line.account, line.rules):
            # What was spent with consent stays spent; more is not spent without it.
            if not consented[one.tariff]:
                assert one.spend_minor <= max(cap, highest[one.tariff])
            highest[one.tariff] = max(highest[one.tariff], one.spend_minor)
            assert one.spend_minor >= 0


POLICIES = (
    PolicyCounter("cap", "cost_cap", "barred"),
    PolicyCounter("roam", "cost_cap", "throttled", tariff="roaming", throttle_kbps=64),
    PolicyCounter("end", "nothing_left", "barred"),
    PolicyCounter("fair", "fair_use", "throttled", 500),
    PolicyCounter("own", "member_cap", "barred"),
)


@budget(60)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["use", "roam", "refund", "lift", "buy", "join", "wait"]),
            st.integers(1, 200),
        ),
        max_size=40,
    )
)
def test_law_23_a_policy_system_is_told_each_change_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    line = Line(priced(150, POLICIES))
    line.activate()
    at = 1.0
    for what, amount in steps:
        at += 0.01
        if what in ("use", "roam"):
            zone = "eu" if what == "roam" else "home"
            line.use(amount, at=at, roaming_zone=zone, member="861380009")
        elif what == "refund":
            line.send(UsageRefunded, at=at, refunded_bytes=amount, member="861380009")
        elif what == "lift":
            line.send(CostCapLifted, at=at, tariff="roaming" if amount % 2 else "")
        elif what == "buy":
            line.top_up(at=at, granted_bytes=amount)
        elif what == "join":
            line.send(MemberJoined, at=at, member="861380009", cap_bytes=amount)
        else:
            at += amount / 5
            line.reach(day(at))
    told = changes(line.effects)
    assert [one.number for one in told] == list(range(1, len(told) + 1))
    assert len({one.id for one in told}) == len(told)
    holds: dict[tuple[str, Any], str] = {}
    for one in told:
        before = holds.get((one.counter, one.member), "restored")
        assert one.state != before, "told twice in a row"
        holds[one.counter, one.member] = one.state
    account = line.account
    is_barred = holds.get(("end", UNSET), "restored") == "barred"
    assert is_barred == (not any(bucket.remaining_bytes for bucket in account.buckets))
    for tariff, counter in (("", "cap"), ("roaming", "roam")):
        (spend,) = [x for x in spend_by_tariff(account, line.rules) if x.tariff == tariff]
        is_capped = spend.cap_minor is not None and spend.spend_minor >= spend.cap_minor
        assert (holds.get((counter, UNSET), "restored") != "restored") == is_capped


@budget(60)
@given(
    usage=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 500)), max_size=30
    ),
    refunds=st.lists(st.tuples(st.sampled_from(["aaa", "bbb"]), st.integers(1, 300)), max_size=5),
)
def test_law_24_members_figures_sum_up_to_what_the_pool_was_charged(
    usage: list[tuple[str | None, int]], refunds: list[tuple[str, int]]
) -> None:
    line = Line(rulebook(plans=(Plan("basic", (Allowance("data", 2000, 50),)),)))
    line.activate()
    line.send(MemberJoined, at=0.5, member="aaa", cap_bytes=300)
    line.send(MemberJoined, at=0.5, member="bbb")
    of_nobody = 0
    for number, (name, used) in enumerate(usage):
        fields: dict[str, Any] = {} if name is None else {"member": name * 3}
        line.use(used, at=1 + number / 100, **fields)
        if name not in ("a", "b"):
            of_nobody += used
    for number, (name, amount) in enumerate(refunds):
        quota = line.account.extra.quota  # type: ignore[union-attr]
        own = quota.members[name].used_bytes  # type: ignore[union-attr]
        if own:
            line.send(
                UsageRefunded, at=2 + number / 100, refunded_bytes=min(amount, own), member=name
            )
    account = line.account
    charged = sum(bucket.used_bytes for bucket in account.buckets) + account.overage_bytes
    assert charged == account.charged_bytes
    members = account.extra.quota.members.values()  # type: ignore[union-attr]
    assert sum(one.used_bytes for one in members) + of_nobody == charged


@budget(60)
@given(
    usage=st.lists(st.tuples(st.integers(0, 700), st.floats(0.01, 150)), max_size=20),
    most=st.integers(1, 1200),
    cycles=st.integers(1, 3),
    used=st.sampled_from(["first", "last"]),
)
def test_law_25_what_rolls_over_is_granted_once_and_has_its_own_end(
    usage: list[tuple[int, float]], most: int, cycles: int, used: Any
) -> None:
    plan = Plan("basic", (Allowance("data", 1000, 50, rollover=Rollover(most, cycles, used)),))
    line = Line(rulebook(plans=(plan,), usage_rules=(), history_cycles=24))
    line.activate()
    rolled: dict[str, tuple[int, int]] = {}
    for amount, at in sorted(usage, key=lambda one: one[1]):
        line.reach(day(at))
        _note_rolled(line.account, rolled)
        line.use(amount, at=at)
    line.reach(day(200))
    _note_rolled(line.account, rolled)
    history = line.account.history
    for cycle in history:
        assert cycle.granted_bytes == 1000
        assert cycle.granted_bytes == (
            cycle.used_bytes + cycle.expired_bytes + cycle.rolled_over_bytes
        )
        assert cycle.rolled_over_bytes == min(1000 - cycle.used_bytes, most)
    by_start = {cycle.end_ms: cycle.rolled_over_bytes for cycle in history}
    ends = [cycle.end_ms for cycle in history] + [line.account.cycle_end_ms]
    for granted, (start, end) in ((size, when) for _, size, when in _of(rolled)):
        assert by_start[start] == granted
        later = [one for one in ends if one > start]
        assert end >= later[min(cycles, len(later)) - 1]
    total = sum(amount for amount, _ in usage)
    expired = sum(
        one.figures["expired_bytes"]
        for one in line.effects
        if isinstance(one, Audited) and one.decision == "bucket_expired" and "#" in str(one.bucket)
    )
    from_rolled = sum(cycle.rolled_over_bytes for cycle in history) - expired
    still = sum(b.remaining_bytes for b in line.account.buckets if b.kind == "rollover")
    overage = sum(cycle.overage_bytes for cycle in history)
    assert total == sum(c.used_bytes for c in history) + overage + from_rolled - still


def _note_rolled(account: Account, rolled: dict[str, Any]) -> None:
    for bucket in account.buckets:
        if bucket.kind == "rollover":
            rolled[bucket.id] = (bucket.granted_bytes, (bucket.granted_ms, bucket.expires_ms))


def _of(rolled: dict[str, Any]) -> list[tuple[str, int, tuple[int, int]]]:
    return [(name, size, when) for name, (size, when) in rolled.items()]


@budget(80)
@given(
    usage=st.lists(st.integers(1, 400), min_size=1, max_size=20),
    bad=st.sets(st.integers(0, 19), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_law_26_a_retracted_batch_leaves_the_account_as_if_it_had_never_been(
    usage: list[int], bad: set[int], order: Any
) -> None:
    """Usage of one scope and validity; whenever the refunds come, in whatever order, also twice."""
    rules = rulebook(
        plans=(Plan("basic", (Allowance("one", 500, 40), Allowance("two", 900, 50)), 3, 7),),
        usage_rules=(),
    )
    bad = {one for one in bad if one < len(usage)}

    def line_with(numbers: list[int]) -> Line:
        line = Line(rules)
        line.activate()
        line.top_up(at=0.5, granted_bytes=300)
        for number in numbers:
            line.use(usage[number], at=1 + number / 100, id=f"u{number}")
        return line

    line = line_with(list(range(len(usage))))
    retracted = [*bad, *bad]
    order.shuffle(retracted)
    for count, number in enumerate(retracted):
        line.send(
            UsageRefunded,
            at=1 + number / 100,
            arrives=3 + count / 100,
            refunded_bytes=usage[number],
            of_source="ocs",
            of_id=f"u{number}",
        )
    wanted = line_with([number for number in range(len(usage)) if number not in bad])
    found = line.account
    assert [(b.id, b.used_bytes) for b in found.buckets] == [
        (b.id, b.used_bytes) for b in wanted.account.buckets
    ]
    assert found.overage_bytes == wanted.account.overage_bytes
    assert found.charged_bytes == wanted.account.charged_bytes
    assert spend_minor(found, rules) == spend_minor(wanted.account, rules)
    assert decisions(line.effects).count("refunded") == len(bad)
    # The retracted events never count again.
    for number in bad:
        assert decisions(line.use(usage[number], at=1 + number / 100, id=f"u{number}")) == [
            "duplicate"
        ]


@budget(80)
@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=6),
    moments=st.lists(st.integers(0, 31 * 86_400_000 - 1), min_size=6, max_size=6),
)
def test_law_27_a_prorated_grant_is_the_sum_of_its_plans_shares(
    sizes: list[int], moments: list[int]
) -> None:
    plans = tuple(
        Plan(f"p{number}", (Allowance("data", size, 50),)) for number, size in enumerate(sizes)
    )
    line = Line(rulebook(plans=plans, usage_rules=()))
    line.activate(plan="p0")
    length = 31 * 86_400_000
    at_ms = sorted(moments[: len(sizes) - 1])
    exact = 0.0
    start, size = 0, sizes[0]
    for number, moment in enumerate(at_ms, 1):
        exact += size * (moment - start) / length
        start, size = moment, sizes[number]
        when = day(0) + timedelta(milliseconds=moment)
        event = PlanChanged(f"c{number}", "crm", "861380000", when, f"p{number}", "now", True)
        line.feed(event)
    exact += size * (length - start) / length
    granted = line.account.buckets[0].granted_bytes
    assert abs(granted - exact) <= len(sizes)


@budget(40)
@given(size=st.integers(1, 10**12), other=st.integers(1, 10**12), moment=st.floats(0, 30.9))
def test_law_27_forth_and_back_at_one_instant_changes_nothing(
    size: int, other: int, moment: float
) -> None:
    plans = (
        Plan("basic", (Allowance("data", size, 50),)),
        Plan("other", (Allowance("data", other, 50),)),
    )
    line = Line(rulebook(plans=plans, usage_rules=()))
    line.activate()
    line.send(PlanChanged, at=moment, plan="other", prorated=True)
    line.send(PlanChanged, at=moment, plan="basic", prorated=True)
    assert line.account.buckets[0].granted_bytes == size


@budget(60)
@given(usage=st.lists(st.integers(0, 2**40), max_size=20), back=st.integers(1, 2**42))
def test_an_unlimited_allowance_takes_everything_and_nothing_is_overage(
    usage: list[int], back: int
) -> None:
    plan = Plan("basic", (Allowance("all", 0, 50, unlimited=True),), 5, 1)
    line = Line(rulebook(plans=(plan,)))
    line.activate()
    for number, used in enumerate(usage):
        line.use(used, at=1 + number / 100)
    line.send(UsageRefunded, at=2, refunded_bytes=back)
    (bucket,) = line.account.buckets
    assert bucket.kind == UNLIMITED
    assert bucket.used_bytes == bucket.granted_bytes == max(sum(usage) - back, 0)
    assert line.account.overage_bytes == 0
    assert line.account.extra is None
    line.reach(day(32))
    line.use(5, at=1, arrives=33)
    (closed,) = line.account.history
    assert (closed.used_bytes, closed.overage_bytes) == (bucket.used_bytes + 5, 0)


@budget(60)
@given(
    minute=st.integers(0, 24 * 60 - 1),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kolkata", "America/New_York"]),
    start=st.integers(0, 24 * 60 - 1),
    length=st.integers(1, 24 * 60 - 1),
)
def test_hours_are_those_of_the_subscribers_clocks(
    minute: int, zone: str, start: int, length: int
) -> None:
    scope = Scope(hours=((start, (start + length) % (24 * 60)),))
    plan = Plan("basic", (Allowance("night", 100, 50, scope),))
    line = Line(rulebook(plans=(plan,), usage_rules=()))
    line.activate(zone=zone)
    when = day(3) + timedelta(minutes=minute)
    line.use(10, at=3 + minute / 1440)
    clocks = when.astimezone(ZoneInfo(zone))
    passed = (clocks.hour * 60 + clocks.minute - start) % (24 * 60)
    assume(abs(to_ms(day(3 + minute / 1440)) - to_ms(when)) <= 1)
    assume(to_ms(day(3 + minute / 1440)) // 60_000 == to_ms(when) // 60_000)
    covered = passed < length
    assert line.account.overage_bytes == (0 if covered else 10)
