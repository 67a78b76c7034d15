"""Laws 12 to 15 by themselves, without the oracle: when a threshold reminds."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from streamproc.core.rules.rulebook import Allowance, Plan, Rulebook, UsageRule
from streamproc.core.state.effects import Audited, Effect
from tests.property.budget import budget
from tests.property.rulebooks import usage_rule
from tests.support.line import Line, reminders, rulebook

PERCENTS = st.sets(st.integers(1, 100), min_size=1, max_size=5).map(sorted)
BYTES_LEFT = st.sets(st.integers(0, 300), min_size=1, max_size=5).map(sorted)
GRANTS = st.integers(1, 250)


def one_plan(granted: int, *rules: UsageRule) -> Rulebook:
    return rulebook(plans=(Plan("basic", (Allowance("data", granted, 50),)),), usage_rules=rules)


def percent_rule(values: list[int]) -> UsageRule:
    return usage_rule("low", "usage_percent", tuple(values))


def left_rule(values: list[int]) -> UsageRule:
    return usage_rule("left", "remaining_bytes", tuple(values))


def told(effects: list[Effect]) -> tuple[list[int], list[int]]:
    """Thresholds that were reminded of, and those that were superseded."""
    sent = [one.threshold.value for one in reminders(effects) if one.threshold]
    over = [
        one.threshold
        for one in effects
        if isinstance(one, Audited)
        and one.decision == "superseded"
        and isinstance(one.threshold, int)
    ]
    return sent, over


def reached(granted: int, used: int, percents: list[int]) -> set[int]:
    return {one for one in percents if Fraction(used, granted) >= Fraction(one, 100)}


@budget(150)
@given(
    granted=GRANTS,
    percents=PERCENTS,
    usage=st.lists(st.integers(0, 60), max_size=15),
)
def test_law_12_a_threshold_fires_when_usage_reaches_it_and_never_again(
    granted: int, percents: list[int], usage: list[int]
) -> None:
    line = Line(one_plan(granted, percent_rule(percents)))
    line.activate()
    total, fired = 0, []
    for number, used in enumerate(usage):
        before = reached(granted, min(total, granted), percents)
        total += used
        crossed = reached(granted, min(total, granted), percents) - before
        sent, superseded = told(line.use(used, at=number / 10))
        assert set(sent) | set(superseded) == crossed
        fired += sent + superseded
    assert len(fired) == len(set(fired))


@budget(100)
@given(
    granted=GRANTS,
    left=BYTES_LEFT,
    usage=st.lists(st.integers(0, 60), max_size=15),
)
def test_law_12_a_threshold_of_bytes_left_fires_when_no_more_are_left(
    granted: int, left: list[int], usage: list[int]
) -> None:
    line = Line(one_plan(granted, left_rule(left)))
    line.activate()
    remaining = granted
    for number, used in enumerate(usage):
        after = max(remaining - used, 0)
        crossed = {one for one in left if after <= one < remaining}
        sent, superseded = told(line.use(used, at=number / 10))
        assert set(sent) | set(superseded) == crossed
        assert len(sent) == (1 if crossed else 0)
        assert sent == ([min(crossed)] if crossed else [])
        remaining = after


@budget(100)
@given(granted=GRANTS, percents=PERCENTS)
def test_law_12_a_new_cycle_arms_all_thresholds(granted: int, percents: list[int]) -> None:
    line = Line(one_plan(granted, percent_rule(percents)))
    line.activate()
    first = line.use(granted, at=3)
    second = line.use(granted, at=35)
    assert [told(effects)[0] for effects in (first, second)] == [[max(percents)]] * 2
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids)) == 2


@budget(150)
@given(first=GRANTS, second=GRANTS, data=st.data(), percents=PERCENTS)
def test_law_13_a_top_up_re_arms_exactly_the_thresholds_it_un_crosses(
    first: int, second: int, data: st.DataObject, percents: list[int]
) -> None:
    plans = (Plan("basic", ()),)
    line = Line(rulebook(plans=plans, usage_rules=(percent_rule(percents),)))
    line.activate()
    line.top_up(at=1, granted_bytes=first)
    used = data.draw(st.integers(0, first))
    line.use(used, at=2)
    crossed_before = reached(first, used, percents)

    assert reminders(line.top_up(at=3, granted_bytes=second)) == []

    still_crossed = reached(first + second, used, percents)
    assert still_crossed <= crossed_before
    armed = set(percents) - still_crossed
    fired: set[int] = set()
    for number in range(first + second - used):
        sent, superseded = told(line.use(1, at=4 + number / 1000))
        assert not fired & set(sent + superseded)
        fired |= set(sent + superseded)
    assert fired == armed
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids))


@budget(150)
@given(granted=st.lists(GRANTS, min_size=2, max_size=4), data=st.data(), percents=PERCENTS)
def test_law_13_a_plan_change_re_arms_what_it_un_crosses_and_tells_what_it_crosses(
    granted: list[int], data: st.DataObject, percents: list[int]
) -> None:
    plans = tuple(
        Plan(f"p{number}", (Allowance("data", size, 50),)) for number, size in enumerate(granted)
    )
    line = Line(rulebook(plans=plans, usage_rules=(percent_rule(percents),)))
    line.activate(plan="p0")
    total, at, before = 0, 1.0, 0
    for number, size in enumerate(granted):
        at += 1
        size = max(size, total)
        if number:
            sent, superseded = told(line.change_plan(f"p{number}", at))
            crossed = reached(size, total, percents) - reached(before, total, percents)
            assert set(sent) | set(superseded) == crossed
            assert sent == ([max(crossed)] if crossed else [])
            assert size < before or not crossed
        before = size
        assert line.bucket("data").granted_bytes == size
        used = data.draw(st.integers(0, size - total))
        crossed = reached(size, total + used, percents) - reached(size, total, percents)
        sent, superseded = told(line.use(used, at + 0.5))
        assert set(sent) | set(superseded) == crossed
        total += used
    ids = [one.id for one in reminders(line.effects)]
    assert len(ids) == len(set(ids))


@budget(150)
@given(granted=GRANTS, percents=PERCENTS, left=BYTES_LEFT, used=st.integers(0, 400))
def test_law_14_one_event_makes_one_reminder_of_the_highest_threshold_of_a_rule(
    granted: int, percents: list[int], left: list[int], used: int
) -> None:
    line = Line(one_plan(granted, percent_rule(percents), left_rule(left)))
    line.activate()
    effects = line.use(used, at=1)
    of_low = [one for one in reminders(effects) if one.rule == "low"]
    of_left = [one for one in reminders(effects) if one.rule == "left"]
    crossed = reached(granted, min(used, granted), percents)
    gone_below = {one for one in left if max(granted - used, 0) <= one < granted}
    assert [one.threshold.value for one in of_low if one.threshold] == sorted(crossed)[-1:]
    assert [one.threshold.value for one in of_left if one.threshold] == sorted(gone_below)[:1]
    superseded = sorted(told(effects)[1])
    assert superseded == sorted(sorted(crossed)[:-1] + sorted(gone_below)[1:])


@budget(100)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), used=st.integers(0, 200))
def test_law_14_several_buckets_at_once_make_one_reminder_each(sizes: list[int], used: int) -> None:
    plans = (Plan("basic", tuple(Allowance(f"a{n}", one, n) for n, one in enumerate(sizes))),)
    line = Line(rulebook(plans=plans, usage_rules=(percent_rule([50, 100]),)))
    line.activate()
    found = reminders(line.use(used, at=1))
    crossed = [one.id for one in line.account.buckets if one.used_bytes * 2 >= one.granted_bytes]
    assert [[one.id for one in each.buckets] for each in found] == [[name] for name in crossed]
    for one in found:
        assert one.used_bytes == line.bucket(one.buckets[0].id).used_bytes


@budget(150)
@given(
    granted=GRANTS,
    percent=st.integers(1, 100),
    cuts=st.lists(st.integers(0, 250), max_size=4),
)
def test_law_15_landing_exactly_on_a_threshold_reminds_once(
    granted: int, percent: int, cuts: list[int]
) -> None:
    level = -(-granted * percent // 100)
    line = Line(one_plan(granted, percent_rule([percent])))
    line.activate()
    places = sorted({0, level - 1, *(cut for cut in cuts if cut < level)})
    for number, (start, end) in enumerate(pairwise(places)):
        assert reminders(line.use(end - start, at=number / 10)) == []
    assert line.bucket("data").used_bytes == level - 1
    assert [one.threshold.value for one in reminders(line.use(1, at=1)) if one.threshold] == [
        percent
    ]
    assert reminders(line.use(0, at=1.1)) == []
    assert reminders(line.use(granted, at=1.2)) == []


@budget(100)
@given(granted=GRANTS, before=st.integers(0, 250), beyond=st.integers(0, 100), percents=PERCENTS)
def test_law_15_zero_and_below_zero_and_a_jump_over_everything_remind_once(
    granted: int, before: int, beyond: int, percents: list[int]
) -> None:
    assume(before < granted)
    line = Line(one_plan(granted, percent_rule([*percents, 100])))
    line.activate()
    line.use(before, at=1)
    sent, _ = told(line.use(granted - before + beyond, at=2))
    assert sent == [100]
    assert line.account.overage_bytes == beyond
    assert reminders(line.use(1, at=3)) == []
