"""Laws 8 to 11 by themselves, without the oracle: what is charged, to what, and how often."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Allowance, Plan, Rulebook
from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.effects import Audited
from streamproc.core.usage.charging import add_bucket, charge
from tests.property import rulebooks, walks
from tests.property.budget import budget
from tests.property.rulebooks import PACKS
from tests.property.world import World
from tests.support.line import Line, day, decisions, reasons, reminders, rulebook

RULES = rulebooks.make()
NAMES = ("861380000001", "861380000002")


@st.composite
def buckets(draw: st.DrawFn) -> list[Bucket]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        granted = draw(st.integers(0, 20))
        found.append(
            Bucket(
                id=f"b{number}",
                kind="pack",
                source=draw(st.sampled_from(["", *[pack.id for pack in PACKS]])),
                priority=draw(st.integers(0, 2)),
                granted_ms=draw(st.integers(0, 3)),
                expires_ms=draw(st.integers(4, 8)),
                granted_bytes=granted,
                used_bytes=draw(st.integers(0, granted)),
            )
        )
    return found


@budget(300)
@given(
    candidates=buckets(),
    used=st.integers(0, 100),
    group=st.sampled_from([10, 20]),
    zone=st.sampled_from(["home", "eu"]),
    time_ms=st.integers(0, 8),
)
def test_law_08_usage_is_charged_by_priority_then_expiry_then_age_and_the_rest_is_overage(
    candidates: list[Bucket], used: int, group: int, zone: str, time_ms: int
) -> None:
    account = Account()
    for bucket in candidates:
        add_bucket(account, bucket)
    before = {bucket.id: bucket.used_bytes for bucket in candidates}
    charge(account, used, group, zone, time_ms, RULES)

    def may_take(bucket: Bucket) -> bool:
        scope = RULES.packs[bucket.source].scope if bucket.source else None
        return bucket.granted_ms <= time_ms < bucket.expires_ms and (
            scope is None or scope.covers(group, zone)
        )

    taken = {bucket.id: bucket.used_bytes - before[bucket.id] for bucket in candidates}
    assert sum(taken.values()) + account.overage_bytes == used
    assert all(one >= 0 for one in taken.values())
    for bucket in candidates:
        if not may_take(bucket):
            assert taken[bucket.id] == 0
            continue
        if bucket.remaining_bytes == 0:
            continue
        # It had room left, so nothing may have gone to what comes after it.
        assert account.overage_bytes == 0
        place = (bucket.priority, bucket.expires_ms, bucket.granted_ms)
        for other in candidates:
            if (other.priority, other.expires_ms, other.granted_ms) > place:
                assert taken[other.id] == 0


@budget(15)
@given(seed=st.integers(0, 2**32 - 1))
def test_law_09_granted_is_used_and_remaining_and_expired_at_every_instant(seed: int) -> None:
    world = World(RULES, to_ms(day(0)))
    for stamp_ms, event in walks.walk(seed, world.clock_ms, 200, NAMES):
        if not isinstance(event, dict):
            continue
        for effect in world.send(event, stamp_ms):
            if isinstance(effect, Audited) and effect.decision in (
                "bucket_expired",
                "cycle_closed",
            ):
                figures = effect.figures
                assert figures["granted_bytes"] == figures["used_bytes"] + figures["expired_bytes"]
        account = world.account(event["subscriber"])
        for bucket in (*account.buckets, *account.ended) if account else ():
            assert min(bucket.used_bytes, bucket.remaining_bytes, bucket.expired_bytes) >= 0
            assert bucket.granted_bytes == (
                bucket.used_bytes
                + bucket.remaining_bytes
                + bucket.expired_bytes
                + bucket.rolled_over_bytes
            )


@budget(60)
@given(
    usage=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 39)), min_size=1, max_size=30),
    repeats=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 75)), max_size=30),
)
def test_law_10_an_event_is_charged_once_however_often_it_comes(
    usage: list[tuple[int, int]], repeats: list[tuple[int, int]]
) -> None:
    line = Line(rulebook(max_age_ms=40 * DAY_MS))
    line.activate()
    # (arrival, event number): an event comes when it happens, and again some days later.
    arrivals = [(at, number) for number, (_, at) in enumerate(usage)]
    arrivals += [
        (usage[pick % len(usage)][1] + later, pick % len(usage)) for pick, later in repeats
    ]
    for arrives, number in sorted(arrivals):
        used, at = usage[number]
        line.use(used, at, arrives, id=f"u{number}")
    assert line.account.charged_bytes == sum(used for used, _ in usage)


@budget(30)
@given(
    ids=st.lists(st.integers(0, 30), max_size=80),
    step_days=st.floats(0.01, 5),
    max_age_days=st.sampled_from([1, 2, 40]),
)
def test_law_10_an_id_counts_again_only_when_no_copy_could_be_accepted(
    ids: list[int], step_days: float, max_age_days: int
) -> None:
    line = Line(rulebook(max_age_by_source={"ocs": max_age_days * DAY_MS}))
    line.activate()
    counted: dict[int, float] = {}
    for number, one in enumerate(ids):
        at = number * step_days
        if "duplicate" in decisions(line.use(1, at=at, id=f"u{one}")):
            # It is kept until the end of a day.
            assert at - counted[one] < max_age_days + 1 + 0.01
        else:
            assert one not in counted or at - counted[one] > max_age_days
            counted[one] = at
        assert line.account.seen_ids == b"", "an account has no ids"


@budget(30)
@given(
    events=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=20),
    ages=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    sweeps=st.booleans(),
)
def test_law_10_what_is_thrown_away_makes_no_difference(
    events: list[tuple[int, int]], ages: tuple[int, int], sweeps: bool
) -> None:
    """Two copies of each event, the second some days later; or days are thrown away in time."""
    first, second = (
        Line(rulebook(max_age_ms=ages[0] * DAY_MS, max_age_by_source={"ocs": ages[1] * DAY_MS}))
        for _ in range(2)
    )
    arrivals = sorted(
        (at + later, at, number)
        for number, (at, later) in enumerate(events)
        for later in (0, later)
    )
    for one in (first, second):
        one.activate()
    for arrives, at, number in arrivals:
        effects = [one.use(1, at=at, arrives=arrives, id=f"u{number}") for one in (first, second)]
        assert decisions(effects[0]) == decisions(effects[1])
        if sweeps:
            second.ids.expire(to_ms(day(arrives)))
    assert first.account.charged_bytes == second.account.charged_bytes == len(events)
    assert len(second.ids) <= len(first.ids)


@budget(80)
@given(
    usage=st.lists(
        st.tuples(st.integers(0, 400), st.floats(0, 80), st.sampled_from([0, 0.1, 3, 20, 39.9])),
        max_size=25,
    )
)
def test_law_11_event_time_decides_the_cycle_whenever_usage_arrives(
    usage: list[tuple[int, float, float]],
) -> None:
    plans = (Plan("basic", (Allowance("data", 1000, 50),)),)
    line = Line(rulebook(plans=plans, history_cycles=24))
    line.activate()
    for used, at, late in sorted(usage, key=lambda one: one[1] + one[2]):
        effects = line.use(used, at, at + late)
        if "late_usage" in decisions(effects):
            # Of a cycle that is over: adjusted, audited, and nobody is reminded.
            assert reminders(effects) == []
    line.reach(day(200))
    by_cycle = [(cycle.start_ms, cycle.end_ms) for cycle in line.account.history]
    totals = [cycle.used_bytes + cycle.overage_bytes for cycle in line.account.history]
    wanted = [
        sum(used for used, at, _ in usage if start <= to_ms(day(at)) < end)
        for start, end in by_cycle
    ]
    assert totals == wanted
    assert len(totals) >= 6
    assert line.account.charged_bytes == sum(used for used, _, _ in usage)


@budget(60)
@given(late_ms=st.integers(-(10**10), 10**10))
def test_law_11_an_event_absurdly_early_or_late_is_rejected(late_ms: int) -> None:
    line = Line()
    line.activate(at=-60, arrives=-30)
    when = day(10)
    effects = line.use(1, at=10 - late_ms / DAY_MS, arrives=10)
    late = to_ms(when) - to_ms(when - timedelta(days=late_ms / DAY_MS))
    limits = line.rules.limits
    if late < -limits.max_ahead_ms:
        assert reasons(effects) == ["time_in_future"]
    elif late > limits.max_age_ms:
        assert reasons(effects) == ["time_in_past"]
    else:
        assert reasons(effects) == []


def test_law_08_a_rulebook_is_no_part_of_the_state() -> None:
    """Scopes are looked up when usage is charged: the same state under other rules."""
    account = Account()
    add_bucket(account, Bucket("trip#1", "pack", "trip", 5, 0, 9, 100))
    charge(account, 10, 10, "home", 1, RULES)
    assert account.overage_bytes == 10
    charge(account, 10, 10, "eu", 1, RULES)
    assert account.buckets[0].used_bytes == 10
    empty = Rulebook((), (), (), (), RULES.limits, "en", "EUR")
    charge(account, 10, 10, "home", 1, empty)
    assert account.buckets[0].used_bytes == 20
