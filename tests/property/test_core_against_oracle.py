"""Generated histories of several subscribers: the core does what the oracle expects, step by step.

Laws 8 to 15, 17, 18 and 19 at once; what each law says by itself is in ``test_laws_*``.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from tests.property import rulebooks, walks
from tests.property.budget import budget
from tests.property.rulebooks import HOUR_MS, PACKS, PLANS
from tests.property.world import World
from tests.support.line import day

NAMES = ("861380000001", "861380000002")
ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",  # clocks change at 02:00
    "America/New_York",
    "America/Havana",  # clocks change at midnight
    "America/Santiago",  # midnight is skipped
    "Asia/Beirut",
    "Australia/Lord_Howe",  # half an hour
    "America/St_Johns",
    "Africa/Casablanca",
)
STARTS = (
    day(0),
    day(60),  # the days before clocks change in spring
    day(290),  # and in autumn
    day(361),
    day(755),  # before 29 February 2028
)
MINUTE_MS = 60_000
LATENESS_MS = (
    st.just(0)
    | st.sampled_from([0, -MINUTE_MS, 1, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS, 20 * DAY_MS])
    | st.sampled_from([-5 * MINUTE_MS, 2 * DAY_MS, 40 * DAY_MS]).flatmap(
        lambda limit_ms: st.integers(limit_ms - 1, limit_ms + 1)
    )
    | st.integers(-6 * MINUTE_MS, 45 * DAY_MS)
)


WALKERS = ("861380000001", "861380000002", "861380000003", "861380000004")


class Histories(RuleBasedStateMachine):
    """Events, time and timers in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.count = 0

    @initialize(
        rules=rulebooks.rulebooks(),
        start=st.sampled_from(STARTS),
        plans=st.tuples(*[st.sampled_from(PLANS)] * len(NAMES)),
        zones=st.tuples(*[st.sampled_from(ZONES)] * len(NAMES)),
        anchors=st.tuples(*[st.integers(1, 31)] * len(NAMES)),
        active=st.sampled_from([0, 1, 2, 2, 2]),
    )
    def begin(
        self,
        rules: Rulebook,
        start: Any,
        plans: tuple[Any, ...],
        zones: tuple[str, ...],
        anchors: tuple[int, ...],
        active: int,
    ) -> None:
        self.world = World(rules, to_ms(start))
        for number in range(active):
            self.activate(NAMES[number], plans[number].id, zones[number], anchors[number], 0)

    def event(self, kind: str, name: str, late_ms: int, source: str = "crm", **fields: Any) -> None:
        self.count += 1
        self.world.send(
            {
                "type": kind,
                "id": f"e{self.count}",
                "source": source,
                "subscriber": name,
                "time": self.world.clock_ms - late_ms,
                **fields,
            }
        )

    @rule(
        name=st.sampled_from(NAMES),
        plan=st.sampled_from([*[plan.id for plan in PLANS], "unknown"]),
        zone=st.sampled_from([*ZONES, "Nowhere/Land", "America"]),
        anchor=st.integers(1, 31),
        late_ms=LATENESS_MS,
    )
    def activate(self, name: str, plan: str, zone: str, anchor: int, late_ms: int) -> None:
        self.event(
            "account.activated",
            name,
            late_ms,
            plan=plan,
            time_zone=zone,
            billing_anchor_day=anchor,
        )

    @rule(
        name=st.sampled_from(NAMES),
        used=st.integers(0, 300) | st.sampled_from([1, 4000, 100_000, 100_001]),
        group=st.sampled_from([10, 20]),
        zone=st.sampled_from(["home", "home", "eu", "mars"]),
        late_ms=LATENESS_MS,
        in_directions=st.booleans(),
    )
    def use(
        self, name: str, used: int, group: int, zone: str, late_ms: int, in_directions: bool
    ) -> None:
        amount = (
            {"uplink_bytes": used // 3, "downlink_bytes": used - used // 3}
            if in_directions
            else {"total_bytes": used}
        )
        self.event(
            "usage.recorded", name, late_ms, "ocs", rating_group=group, roaming_zone=zone, **amount
        )

    @rule(name=st.sampled_from(NAMES), data=st.data(), by=st.sampled_from([-1, 0, 0, 0, 1]))
    def use_up_to_a_threshold(self, name: str, data: st.DataObject, by: int) -> None:
        """Land on a threshold of a bucket, or a byte beside it."""
        ledger = self.world.ledgers.get(name)
        if ledger is None or ledger.contract is None or not ledger.contract.live():
            return
        bucket = data.draw(st.sampled_from(ledger.contract.live()))
        percent = data.draw(st.sampled_from([50, 80, 90, 100]))
        used = -(-bucket["granted"] * percent // 100) - bucket["used"] + by
        if used >= 0:
            self.event("usage.recorded", name, 0, "ocs", total_bytes=used)

    @rule(
        name=st.sampled_from(NAMES),
        steps=st.lists(
            st.tuples(st.integers(0, 2 * DAY_MS), st.integers(0, 200), LATENESS_MS), max_size=8
        ),
        group=st.sampled_from([10, 20]),
        zone=st.sampled_from(["home", "home", "eu"]),
    )
    def use_for_a_while(
        self, name: str, steps: list[tuple[int, int, int]], group: int, zone: str
    ) -> None:
        for step_ms, used, late_ms in steps:
            self.world.clock_ms += step_ms
            self.use(name, used, group, zone, late_ms, False)

    @rule(
        kind=st.sampled_from(["use", "use", "use", "plan", "pack", "close"]),
        name=st.sampled_from(NAMES),
        used=st.integers(1, 300) | st.just(3000),
        group=st.sampled_from([10, 20]),
        data=st.data(),
        by=st.sampled_from([-HOUR_MS, -1, 0, 1]),
    )
    def happens_at_a_boundary(
        self, kind: str, name: str, used: int, group: int, data: st.DataObject, by: int
    ) -> None:
        """Something of the instant at which a bucket, a cycle or a contract began or ended."""
        ledger = self.world.ledgers.get(name)
        if ledger is None or ledger.contract is None:
            return
        contract = ledger.contract
        moments = [contract.start_ms, contract.since_ms, contract.closed_ms]
        moments += [one[end] for one in ledger.history for end in ("start", "end")]
        moments += [one[end] for one in contract.buckets for end in ("from_ms", "ends_ms")]
        past = sorted({one for one in moments if one is not None and one < self.world.clock_ms})
        if not past:
            return
        late_ms = self.world.clock_ms - data.draw(st.sampled_from(past)) - by
        if kind == "use":
            self.use(name, used, group, "home", late_ms, False)
        elif kind == "plan":
            plan = data.draw(st.sampled_from(PLANS))
            self.change_plan(name, plan.id, "next_cycle", late_ms)
        elif kind == "pack":
            self.buy_pack(name, data.draw(st.sampled_from(PACKS)), late_ms)
        else:
            self.close(name, late_ms)

    @rule(name=st.sampled_from(NAMES), pack=st.sampled_from(PACKS), late_ms=LATENESS_MS)
    def buy_pack(self, name: str, pack: Any, late_ms: int) -> None:
        self.event("account.topped_up", name, late_ms, pack=pack.id)

    @rule(
        name=st.sampled_from(NAMES),
        granted=st.integers(1, 500) | st.sampled_from([2**51, 2**52, 2**53 - 1]),
        days=st.none() | st.integers(-3, 40),
        late_ms=LATENESS_MS,
    )
    def top_up(self, name: str, granted: int, days: int | None, late_ms: int) -> None:
        fields: dict[str, Any] = {"granted_bytes": granted}
        if days is not None:
            fields["expires_time"] = self.world.clock_ms // DAY_MS * DAY_MS + days * DAY_MS
        self.event("account.topped_up", name, late_ms, **fields)

    @rule(
        name=st.sampled_from(NAMES),
        plan=st.sampled_from([*[plan.id for plan in PLANS], "unknown"]),
        effective=st.sampled_from(["now", "next_cycle"]),
        late_ms=LATENESS_MS,
    )
    def change_plan(self, name: str, plan: str, effective: str, late_ms: int) -> None:
        self.event("account.plan_changed", name, late_ms, plan=plan, effective=effective)

    @rule(
        name=st.sampled_from(NAMES),
        out=st.booleans(),
        category=st.sampled_from(["balance", "summary", "law", "end"]),
    )
    def opt(self, name: str, out: bool, category: str) -> None:
        kind = "account.opted_out" if out else "account.opted_in"
        self.event(kind, name, 0, category=category)

    @rule(
        name=st.sampled_from(NAMES),
        zone=st.none() | st.sampled_from([*ZONES, "Nowhere/Land", "Pacific/Kiritimati"]),
        segments=st.none() | st.lists(rulebooks.SEGMENTS, max_size=3),
        late_ms=LATENESS_MS,
    )
    def change_profile(
        self, name: str, zone: str | None, segments: list[str] | None, late_ms: int
    ) -> None:
        given: dict[str, Any] = {"time_zone": zone, "segments": segments}
        fields = {field: value for field, value in given.items() if value is not None}
        self.event("account.profile_changed", name, late_ms, **fields)

    @rule(
        name=st.sampled_from(NAMES),
        every=st.sampled_from([*rulebooks.EVERY, "off", "default"]),
        at=st.sampled_from(["00:00", "02:30", "12:00", "default"]),
        late_ms=LATENESS_MS,
    )
    def choose(self, name: str, every: str, at: str, late_ms: int) -> None:
        choice = {"summary_every": every, "summary_at": at}
        self.event("account.preferences_set", name, late_ms, **choice)

    @rule(name=st.sampled_from(NAMES), late_ms=LATENESS_MS)
    def close(self, name: str, late_ms: int) -> None:
        self.event("account.closed", name, late_ms)

    @precondition(lambda self: self.world.records)
    @rule(back=st.integers(1, 60), same_source=st.booleans(), behind_ms=st.integers(0, DAY_MS))
    def repeat(self, back: int, same_source: bool, behind_ms: int) -> None:
        """A record comes again, or its id from another source; its timestamp may lie behind."""
        records = self.world.records
        record = records[-min(back, len(records))]
        value = record.value
        if value and not same_source:
            value = value.replace(b'"source":"ocs"', b'"source":"ocs-2"')
        self.world.arrive(record.key, value, self.world.clock_ms - behind_ms)

    @rule(
        value=st.sampled_from(
            [None, b"", b"{", b"[]", b'{"type":"usage.imagined"}', b'{"type":"usage.recorded"}']
        ),
    )
    def garbage(self, value: bytes | None) -> None:
        self.world.arrive(NAMES[0].encode(), value)

    @rule(
        step_ms=st.sampled_from([1, MINUTE_MS, HOUR_MS, DAY_MS, 2 * DAY_MS])
        | st.integers(1, 2 * DAY_MS)
        | st.integers(1, 40 * DAY_MS)
    )
    def time_passes(self, step_ms: int) -> None:
        self.world.clock_ms += step_ms

    @rule(data=st.data(), by=st.sampled_from([-1, 0, 1]), name=st.sampled_from(NAMES))
    def time_passes_to_what_is_due(self, data: st.DataObject, by: int, name: str) -> None:
        account = self.world.account(name)
        if account is None or account.next_due_ms >= to_ms(day(3000)):
            return
        self.world.clock_ms = max(self.world.clock_ms, account.next_due_ms + by)

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def tick(self, names: set[str]) -> None:
        self.world.tick(sorted(names))

    @rule(rules=rulebooks.rulebooks())
    def change_rules(self, rules: Rulebook) -> None:
        self.world.change_rules(rules)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.clock_ms += 40 * DAY_MS
            self.world.finish()


Histories.TestCase.settings = budget(120, steps=40)
TestHistories = Histories.TestCase


def test_without_a_cool_down_usage_that_bears_a_later_time_holds_nothing_up() -> None:
    """The first message is as of five minutes ahead, the second one of now."""
    histories = Histories()
    plan = next(one for one in PLANS if one.id == "moved")
    histories.begin(rulebooks.make(), STARTS[0], (plan,) * len(NAMES), (ZONES[0],) * 2, (1, 1), 1)
    granted = sum(one.granted_bytes for one in plan.allowances)
    for used_bytes, late_ms in ((granted // 2, -5 * MINUTE_MS), (granted // 2, 0)):
        histories.time_passes(MINUTE_MS)
        histories.event("usage.recorded", NAMES[0], late_ms, "ocs", total_bytes=used_bytes)
    reminders = histories.world.found[NAMES[0]].reminders
    assert len({one.as_of_ms for one in reminders}) == 2
    histories.teardown()


def _feed(world: World, seed: int, count: int) -> None:
    for stamp_ms, event in walks.walk(seed, world.clock_ms, count, WALKERS):
        if isinstance(event, dict):
            world.clock_ms = max(world.clock_ms, stamp_ms)
            world.send(event, stamp_ms)
        else:
            world.arrive(WALKERS[0].encode(), event, stamp_ms)
    world.clock_ms += 40 * DAY_MS
    world.finish()


@budget(25)
@given(rules=rulebooks.rulebooks(), seed=st.integers(0, 2**32 - 1), start=st.sampled_from(STARTS))
def test_long_histories(rules: Rulebook, seed: int, start: Any) -> None:
    """Two hundred records each, most of them usage."""
    _feed(World(rules, to_ms(start)), seed, 200)


@pytest.mark.slow_property
@pytest.mark.parametrize("seed", range(40))
def test_very_long_histories(seed: int) -> None:
    """Half a year each, under the limits of production."""
    _feed(World(rulebooks.make(), to_ms(STARTS[seed % len(STARTS)])), seed, 4000)
