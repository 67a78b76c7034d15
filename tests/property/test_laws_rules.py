"""Each kind of alert rule by itself, without the oracle: when it reminds, and when again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.account_rules import AlertRules, CheckRule, ResolvedRule, WatchRule
from streamproc.core.rules.rulebook import Allowance, Limits, Pack, Plan, Rulebook, UsageRule
from streamproc.core.rules.sending import Audience, Policy
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import MemberJoined, PreferencesSet, UsageRefunded
from tests.property.budget import budget
from tests.property.rulebooks import HOUR_MS, TEXTS
from tests.support.line import START, Line, day, decisions, reminders

GRANTED = 1000
KINDS = frozenset({"allowance", "pack", "topup", "member"})
COMMON: tuple[dict[str, str], str, bool, int, int] = (TEXTS, "c", False, 5, DAY_MS)
PLAN = Plan(
    "basic", (Allowance("data", GRANTED, 50),), overage_price_minor=7, overage_unit_bytes=30
)
MINUTE = 1 / 1440

amounts = st.lists(st.integers(0, 300), min_size=1, max_size=25)


def book(
    *usage: UsageRule,
    watch: tuple[WatchRule, ...] = (),
    checks: tuple[CheckRule, ...] = (),
    resolved: tuple[ResolvedRule, ...] = (),
    plans: tuple[Plan, ...] = (PLAN,),
) -> Rulebook:
    packs = (Pack("day", 200, DAY_MS, 10),)
    rules = AlertRules(watch, checks, resolved)
    limits = Limits(history_cycles=3)
    return Rulebook(plans, packs, usage, (), limits, "en", "EUR", alert_rules=rules)


def percent_rule(*thresholds: int, mandatory: bool = False, **policy: Any) -> UsageRule:
    common = (TEXTS, "c", mandatory, 5, DAY_MS)
    return UsageRule("low", "usage_percent", thresholds, KINDS, *common, Policy(**policy))


def levels_told(effects: list[Effect]) -> list[int]:
    return [one.threshold.value for one in reminders(effects) if one.threshold]


# Rules with a memory: counting, hysteresis, what is over


class Model:
    """One threshold of one top-up, by the words of docs/alerts.md."""

    def __init__(self, percent: int, hysteresis: int, for_count: int) -> None:
        self.percent, self.hysteresis, self.for_count = percent, hysteresis, for_count
        self.granted, self.used, self.beyond = 1, 0, 0
        self.count = 0
        """Usage events in a row that found it reached; 0: armed."""

    def share(self) -> Fraction:
        return Fraction(100 * self.used, self.granted)

    def use(self, amount: int) -> bool:
        """Whether the rule reminds."""
        was_reached = self.share() >= self.percent
        covered = min(amount, self.granted - self.used)
        self.used += covered
        self.beyond += amount - covered
        if self.share() < self.percent or (self.count == 0 and was_reached):
            return False
        self.count += 1
        return self.count == self.for_count

    def judge(self) -> bool:
        """Whether what was told of is over."""
        is_told = self.count >= self.for_count
        fallen = self.percent - (self.hysteresis if is_told else 0)
        if self.count == 0 or (self.share() >= fallen and self.used):
            return False
        self.count = 0
        return is_told


changes = st.lists(
    st.tuples(st.sampled_from(["use", "use", "use", "top up", "refund"]), st.integers(1, 120)),
    max_size=30,
)


def check_memory(
    percent: int, hysteresis: int, for_count: int, first: int, steps: list[tuple[str, int]]
) -> None:
    rule = percent_rule(percent, hysteresis=hysteresis, for_count=for_count)
    over = ResolvedRule("over", frozenset({"low"}), *COMMON)
    line = Line(book(rule, resolved=(over,), plans=(Plan("basic", ()),)))
    line.activate()
    line.top_up(at=0.5, granted_bytes=first)
    model = Model(percent, hysteresis, for_count)
    model.granted = first
    for number, (what, amount) in enumerate(steps):
        at, fires = 1 + number * MINUTE, False
        if what == "use":
            effects = line.use(amount, at)
            fires = model.use(amount)
        elif what == "top up":
            effects = line.top_up(at, granted_bytes=amount)
            model.granted += amount
        else:
            effects = line.send(UsageRefunded, at, refunded_bytes=amount)
            back = min(amount, model.beyond)
            model.beyond -= back
            model.used -= min(amount - back, model.used)
        expected = ["over"] if model.judge() else []
        expected += ["low"] if fires else []
        assert sorted(one.rule for one in reminders(effects)) == sorted(expected)
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids))


@budget(120)
@given(percent=st.integers(2, 100), part=st.floats(0, 1), first=st.integers(1, 300), steps=changes)
def test_law_13_a_threshold_is_armed_again_by_its_hysteresis_and_no_earlier(
    percent: int, part: float, first: int, steps: list[tuple[str, int]]
) -> None:
    check_memory(percent, 1 + int(part * (percent - 2)), 1, first, steps)


@budget(120)
@given(
    percent=st.integers(1, 100), count=st.integers(1, 5), first=st.integers(1, 300), steps=changes
)
def test_law_12_so_many_usage_events_in_a_row_must_find_a_threshold_reached(
    percent: int, count: int, first: int, steps: list[tuple[str, int]]
) -> None:
    check_memory(percent, 0, count, first, steps)


@budget(120)
@given(
    percent=st.integers(2, 100),
    part=st.floats(0, 1),
    count=st.integers(2, 4),
    first=st.integers(1, 300),
    steps=changes,
)
def test_law_13_counting_and_hysteresis_together(
    percent: int, part: float, count: int, first: int, steps: list[tuple[str, int]]
) -> None:
    check_memory(percent, int(part * (percent - 1)), count, first, steps)


# When a rule begins, and whose thresholds count


@budget(100)
@given(
    before=st.lists(st.integers(0, 400), max_size=5),
    after=st.lists(st.integers(0, 400), max_size=5),
    percents=st.sets(st.integers(1, 100), min_size=1, max_size=4).map(sorted),
    is_told=st.booleans(),
)
def test_law_12_what_is_reached_when_a_rule_begins_is_told_then_or_never(
    before: list[int], after: list[int], percents: list[int], is_told: bool
) -> None:
    rule = percent_rule(
        *percents,
        evaluate_on_create=is_told,
        valid_from_ms=to_ms(day(5)),
        valid_until_ms=to_ms(day(20)),
    )
    line = Line(book(rule))
    line.activate()
    for number, amount in enumerate(before):
        assert levels_told(line.use(amount, at=1 + number * MINUTE)) == []
    used = min(sum(before), GRANTED)
    reached = [one for one in percents if used * 100 >= one * GRANTED]
    assert levels_told(line.reach(day(6))) == (reached[-1:] if is_told else [])
    for number, amount in enumerate(after):
        used_before, used = used, min(used + amount, GRANTED)
        new = [one for one in percents if used_before * 100 < one * GRANTED <= used * 100]
        assert levels_told(line.use(amount, at=7 + number * MINUTE)) == new[-1:]
    line.change_plan("basic", at=20)
    assert levels_told(line.use(GRANTED, at=21)) == []


@budget(100)
@given(
    percents=st.sets(st.integers(1, 100), min_size=1, max_size=3).map(sorted),
    own=st.sets(st.integers(1, 100), min_size=1, max_size=5).map(sorted),
    mandatory=st.booleans(),
    usage=amounts,
)
def test_law_12_own_thresholds_take_the_place_of_a_rules_and_join_a_mandatory_ones(
    percents: list[int], own: list[int], mandatory: bool, usage: list[int]
) -> None:
    line = Line(book(percent_rule(*percents, mandatory=mandatory)))
    line.activate()
    line.send(PreferencesSet, 0.5, own_percents=own)
    wanted = sorted({*own, *percents}) if mandatory else own
    used = 0
    for number, amount in enumerate(usage):
        before, used = used, min(used + amount, GRANTED)
        new = [one for one in wanted if before * 100 < one * GRANTED <= used * 100]
        assert levels_told(line.use(amount, at=1 + number * MINUTE)) == new[-1:]


@budget(100)
@given(
    audience=st.sampled_from(["device_user", "account_holder", "both"]),
    roles=st.lists(st.sampled_from(["owner", "member"]), max_size=4),
    who=st.integers(0, 4),
)
def test_law_24_a_reminder_goes_to_its_audience(
    audience: Audience, roles: list[str], who: int
) -> None:
    line = Line(book(percent_rule(50, audience=audience)))
    line.activate()
    names = [f"86138000001{number}" for number in range(len(roles))]
    for name, role in zip(names, roles, strict=True):
        line.send(MemberJoined, 0.1, member=name, role=role)
    user = names[who] if who < len(names) else ""
    fields: dict[str, Any] = {"member": user} if user else {}
    found = [one.recipient or "" for one in reminders(line.use(600, at=1, **fields))]
    owners = [name for name, role in zip(names, roles, strict=True) if role == "owner"]
    others = [name for name in names if name not in owners]
    holders = owners or [""]
    users = [user] if user else others or holders
    wanted = {"device_user": users, "account_holder": holders, "both": [*holders, *users]}
    expected = wanted[audience] if names else [""]
    assert found == list(dict.fromkeys(expected))


# Figures of the account: usage brings them from before a threshold to it or beyond


def check_watch(
    rule: WatchRule, figure: Callable[[int, int], int], usage: list[int], begin: float = 1
) -> None:
    """``figure`` of what was used of the plan and beyond it, in the unit of the thresholds."""
    line = Line(book(watch=(rule,)))
    line.activate()
    own = beyond = 0
    for number, amount in enumerate(usage):
        before = figure(own, beyond)
        own, beyond = min(own + amount, GRANTED), beyond + max(own + amount - GRANTED, 0)
        after = figure(own, beyond)
        new = [one for one in rule.thresholds if before < one <= after]
        effects = line.use(amount, at=begin + number * MINUTE)
        assert levels_told(effects) == new[-1:]
        assert decisions(effects).count("superseded") == max(len(new) - 1, 0)


@budget(80)
@given(thresholds=st.sets(st.integers(1, 900), min_size=1, max_size=4), usage=amounts)
def test_law_12_spend_reminds_when_it_reaches_an_amount(
    thresholds: set[int], usage: list[int]
) -> None:
    rule = WatchRule("spent", "spend_amount", tuple(sorted(thresholds)), *COMMON)
    check_watch(rule, lambda _, beyond: -(-beyond // 30) * 7, [GRANTED, *usage])


@budget(80)
@given(
    thresholds=st.sets(st.integers(1, 200), min_size=1, max_size=4),
    cap=st.integers(1, 900),
    usage=amounts,
)
def test_law_12_spend_reminds_when_it_reaches_a_share_of_a_cap(
    thresholds: set[int], cap: int, usage: list[int]
) -> None:
    rule = WatchRule("cap", "spend_percent", tuple(sorted(thresholds)), *COMMON, cap_minor=cap)
    check_watch(rule, lambda _, beyond: -(-beyond // 30) * 7 * 100 // cap, [GRANTED, *usage])


@budget(60)
@given(step=st.integers(1, 700), usage=amounts, is_overage=st.booleans())
def test_law_14_steps_remind_once_for_each_event_that_reaches_any(
    step: int, usage: list[int], is_overage: bool
) -> None:
    rule = WatchRule(
        "step", "every_bytes", (step,), *COMMON, of="overage" if is_overage else "usage"
    )
    line = Line(book(watch=(rule,)))
    line.activate()
    total = 0
    for number, amount in enumerate(usage):
        before = max(total - GRANTED, 0) if is_overage else total
        total += amount
        after = max(total - GRANTED, 0) if is_overage else total
        steps = [one for one in range(step, after + 1, step) if one > before]
        assert levels_told(line.use(amount, at=1 + number * MINUTE)) == steps[-1:]


@budget(60)
@given(cycles=st.lists(amounts, min_size=1, max_size=3))
def test_law_15_overage_begins_once_in_a_cycle(cycles: list[list[int]]) -> None:
    line = Line(book(watch=(WatchRule("beyond", "overage_started", (), *COMMON),)))
    line.activate()
    for cycle, usage in enumerate(cycles):
        total = 0
        for number, amount in enumerate(usage):
            is_first = total <= GRANTED < total + amount
            total += amount
            effects = line.use(amount, at=31.5 * cycle + 1 + number * MINUTE)
            assert len(reminders(effects)) == is_first


@budget(80)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["use", "use", "pack", "wait"]), st.integers(0, 400)), max_size=20
    )
)
def test_law_15_zero_is_told_when_the_last_byte_is_used_or_expires(
    steps: list[tuple[str, int]],
) -> None:
    line = Line(book(watch=(WatchRule("empty", "zero_balance", (), *COMMON),)))
    line.activate()
    at = 1.0
    for what, amount in steps:
        at += 0.3

        def left() -> int:
            return sum(one.remaining_bytes for one in line.account.buckets)

        line_before = left()
        waited = line.reach(day(at))  # a pack may end meanwhile
        assert len(reminders(waited)) == (line_before > 0 == left())
        before = left()
        if what == "use":
            assert len(reminders(line.use(amount, at))) == (before > 0 == left())
        elif what == "pack":
            assert reminders(line.top_up(at, pack="day")) == []


@budget(60)
@given(
    cycles=st.lists(st.lists(st.integers(0, 600), min_size=1, max_size=4), min_size=3, max_size=5),
    percents=st.sets(st.integers(1, 400), min_size=1, max_size=3),
    back=st.integers(1, 2),
    least=st.sampled_from([0, 300]),
)
def test_law_12_an_anomaly_is_a_share_of_the_average_of_whole_cycles(
    cycles: list[list[int]], percents: set[int], back: int, least: int
) -> None:
    rule = WatchRule(
        "odd", "anomaly", tuple(sorted(percents)), *COMMON, cycles=back, min_bytes=least
    )
    line = Line(book(watch=(rule,)))
    line.activate(at=0.5)  # so the first cycle is no whole one
    totals: list[int] = []
    begin = 1.0
    for usage in cycles:
        known = totals[1:][-back:]
        total = 0
        for number, amount in enumerate(usage):

            def is_odd(used: int, percent: int, known: list[int] = known) -> bool:
                is_known = len(known) == back and sum(known) > 0
                average = Fraction(sum(known), back)
                return is_known and used >= least and used * 100 >= percent * average

            before, total = total, total + amount
            new = [
                one for one in sorted(percents) if is_odd(total, one) and not is_odd(before, one)
            ]
            assert levels_told(line.use(amount, at=begin + number * MINUTE)) == new[-1:]
        totals.append(total)
        # The first day of the next month, at noon.
        now = line.account.cycle_end_ms
        begin = (now - to_ms(START)) / DAY_MS + 0.5


@budget(80)
@given(
    threshold=st.integers(1, 500),
    window_hours=st.sampled_from([1, 10, 48]),
    usage=st.lists(st.tuples(st.integers(1, 20 * 60), st.integers(0, 300)), max_size=30),
)
def test_law_12_a_velocity_is_told_when_a_window_holds_its_bytes_and_only_then(
    threshold: int, window_hours: int, usage: list[tuple[int, int]]
) -> None:
    """It slides by a tenth: what lies within nine tenths is counted, what lies beyond it is not."""
    window_ms = window_hours * HOUR_MS
    rule = WatchRule("fast", "velocity", (threshold,), *COMMON, window_ms=window_ms)
    line = Line(book(watch=(rule,)))
    line.activate()
    window = timedelta(milliseconds=window_ms)
    log: list[tuple[datetime, int]] = []
    at = 1.0
    is_above = False
    for minutes, amount in usage:
        at += minutes * MINUTE
        log.append((day(at), amount))

        def used_within(span: timedelta) -> int:
            return sum(used for when, used in log if when > log[-1][0] - span)

        is_told = bool(reminders(line.use(amount, at)))
        surely, perhaps = used_within(window * 9 / 10), used_within(window)
        assert not is_told or perhaps >= threshold
        assert is_told or is_above or surely < threshold
        is_above = surely >= threshold or (perhaps >= threshold and (is_told or is_above))


# Looked for at a time of day


@budget(80)
@given(
    uses=st.lists(st.integers(1, 6 * 1440), max_size=10),
    days=st.integers(1, 9),
    at=st.sampled_from([time(0), time(10), time(23, 59)]),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
)
def test_law_18_inactivity_is_told_so_many_days_after_the_last_use_and_once(
    uses: list[int], days: int, at: time, zone: str
) -> None:
    rule = CheckRule("idle", "inactivity", at, *COMMON, DAY_MS, days=days)
    line = Line(book(checks=(rule,)))
    line.activate(zone=zone)
    tz = ZoneInfo(zone)
    instants = [START]
    for minutes in uses:
        instants.append(instants[-1] + timedelta(minutes=minutes))
        line.use(1, (instants[-1] - START) / timedelta(days=1))
    end = instants[-1] + timedelta(days=20)
    line.reach(end)
    expected = []
    for last, following in zip(instants, [*instants[1:], end], strict=True):
        told_day = last.astimezone(tz).date() + timedelta(days=days)
        told = datetime.combine(told_day, at, tz)
        if told > last and told <= following:
            expected.append(told)
    # What is used at the very instant comes after it.
    assert [one.as_of for one in reminders(line.effects)] == expected


@budget(80)
@given(
    usage=st.lists(st.tuples(st.integers(1, 3 * 1440), st.integers(0, 400)), max_size=15),
    at=st.sampled_from([time(0), time(10), time(23, 59)]),
    silent=st.sampled_from([24, 72]),
    begin=st.integers(0, 20 * 1440),
)
def test_law_18_a_forecast_is_told_at_the_first_look_at_which_the_rate_is_too_high(
    usage: list[tuple[int, int]], at: time, silent: int, begin: int
) -> None:
    """Never within the silent hours of a cycle or contract, and once in a cycle."""
    rule = CheckRule("soon", "forecast", at, *COMMON, DAY_MS, silent_ms=silent * HOUR_MS)
    line = Line(book(checks=(rule,)))
    line.activate(at=begin * MINUTE)
    activated = now = day(begin * MINUTE)
    log: list[tuple[datetime, int]] = []
    for minutes, amount in usage:
        now += timedelta(minutes=minutes)
        log.append((now, amount))
        line.use(amount, (now - START) / timedelta(days=1))
    end = now + timedelta(days=5)
    line.reach(end)
    expected: list[tuple[datetime, datetime]] = []
    told_in: set[tuple[int, int]] = set()
    look = datetime.combine(activated.date(), at, START.tzinfo)
    while look <= end:
        first = look.replace(day=1, hour=0, minute=0)
        if look == first:
            first = (first - timedelta(days=1)).replace(day=1)  # the old cycle's last instant
        cycle_end = (first + timedelta(days=32)).replace(day=1)
        since = max(first, activated)
        used = min(sum(amount for when, amount in log if since <= when < look), GRANTED)
        left, past = GRANTED - used, look - since
        is_silent = past < timedelta(hours=silent) or look >= cycle_end
        month = (first.year, first.month)
        if not is_silent and left and used and month not in told_in and look > activated:
            runs_out = look + past * left / used
            if runs_out < cycle_end:
                told_in.add(month)
                expected.append((look, runs_out))
        look += timedelta(days=1)
    found = [(one.as_of, one.runs_out_time) for one in reminders(line.effects)]
    assert [one for one, _ in found] == [one for one, _ in expected]
    for (_, told), (_, exact) in zip(found, expected, strict=True):
        assert isinstance(told, datetime)
        assert abs(told - exact) < timedelta(milliseconds=2)
