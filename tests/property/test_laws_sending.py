"""Law 16 by its single words, on the messages of whole histories and on clocks that are set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import cache
from itertools import pairwise
from operator import itemgetter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.alerts.quiet import quiet_until_ms
from streamproc.core.instants import DAY_MS, from_ms, to_ms
from streamproc.core.rules.rulebook import Allowance, Limits, Plan, Rulebook, UsageRule
from streamproc.core.rules.sending import AlertPolicy, Cap, Policy, QuietHours
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.state.effects import Audited, Effect, Reminder
from tests.property import alert_walks
from tests.property.budget import budget
from tests.property.rulebooks import HOUR_MS, TEXTS
from tests.property.test_alerts_against_oracle import STARTS, everything, live
from tests.property.world import World
from tests.support.clocks import ZONES, changes, is_quiet
from tests.support.line import START, Line, reminders

MINUTE = timedelta(minutes=1)
WAITS = ("quiet_hours", "capped", "cool_down", "coalescing")

times = st.sampled_from(
    [time(22), time(23, 59), time(0), time(2), time(2, 30), time(3), time(7, 30), time(13)]
)
Contract = tuple[Rulebook, list[Effect]]
"""Rules, and what happened under them from an activation to a closing."""


@cache
def contracts() -> list[Contract]:
    """Of histories under any rules, and of longer ones under rules that meet everything.

    They are compared with the oracle on the way.
    """
    found: list[Contract] = []

    @budget(25)
    @given(
        rules=alert_walks.alert_rulebooks(),
        seed=st.integers(0, 2**32 - 1),
        start=st.sampled_from(STARTS),
    )
    def collect(rules: Rulebook, seed: int, start: datetime) -> None:
        found.extend(contracts_of(live(rules, seed, 50, start)))

    collect()
    for world in everything():
        found += contracts_of(world)
    return found


def contracts_of(world: World) -> Iterator[Contract]:
    for effects in world.effects.values():
        own: list[Effect] = []
        for one in effects:
            own.append(one)
            if isinstance(one, Audited) and one.decision == "closed":
                yield world.rules, own
                own = []
        yield world.rules, own


Sent = tuple[datetime, Any, tuple[str, ...]]
"""Instant, rule and buckets of a message."""


def messages(rules: Rulebook, effects: list[Effect]) -> list[list[Sent]]:
    """Every message to each recipient in the order of delivery; answers are none."""
    found: dict[str, list[Sent]] = {}
    for one in effects:
        if not isinstance(one, Reminder) or one.rule not in rules.rules_by_id:
            continue
        to = one.recipient if isinstance(one.recipient, str) else ""
        names = tuple(bucket.id for bucket in one.buckets)
        found.setdefault(to, []).append((one.not_before, rules.rules_by_id[one.rule], names))
    return [sorted(sent, key=itemgetter(0)) for sent in found.values()]


def is_alone(rule: Any, rules: Rulebook) -> bool:
    """Whether no message of a group takes it along."""
    group = rule.policy.group
    return not group or sum(one.policy.group == group for one in rules.rules_by_id.values()) == 1


def test_law_16_no_window_holds_more_messages_than_its_cap() -> None:
    """Up to any message that caps hold for, mandatory ones counted."""
    for rules, effects in contracts():
        for sent in messages(rules, effects):
            for number, (at, rule, _) in enumerate(sent):
                for cap in rules.alerts.caps if not rule.mandatory else ():
                    begin = at - timedelta(milliseconds=cap.window_ms)
                    within = [when for when, *_ in sent[: number + 1] if begin < when <= at]
                    assert len(within) <= cap.messages


def test_law_16_a_rule_is_silent_in_its_cool_down() -> None:
    for rules, effects in contracts():
        for sent in messages(rules, effects):
            for rule in {rule.id: rule for _, rule, _ in sent}.values():
                gap = timedelta(milliseconds=rule.policy.cool_down_ms)
                own = [(at, names) for at, other, names in sent if other.id == rule.id]
                if not gap or not is_alone(rule, rules):
                    continue
                for (before, about), (after, other) in pairwise(own):
                    # Of different buckets at one instant it is one telling.
                    assert after - before >= gap or (after == before and about != other)


def test_law_16_a_message_waits_for_others_as_long_as_its_rule_says() -> None:
    for rules, effects in contracts():
        since: dict[tuple[str, str], datetime] = {}
        before: tuple[Any, ...] = ()
        for one in effects:
            if isinstance(one, Audited) and one.decision in WAITS:
                bucket = one.bucket if isinstance(one.bucket, str) else ""
                since.setdefault((str(one.rule), bucket), one.time)
            if not isinstance(one, Reminder) or one.rule not in rules.rules_by_id:
                continue
            said = (one.as_of, one.rule, one.threshold, one.buckets)
            rule = rules.rules_by_id[one.rule]
            if rule.policy.coalesce_ms and is_alone(rule, rules) and said != before:
                # Messages of one rule about several buckets may wait together.
                places = [(one.rule, name) for name in ("", *(each.id for each in one.buckets))]
                began = [since.pop(place) for place in places if place in since]
                waited = one.not_before - max(began)
                assert waited >= timedelta(milliseconds=rule.policy.coalesce_ms)
            before = said


def test_law_16_nobody_hears_of_a_rule_out_of_force_or_of_a_category_that_was_left() -> None:
    for rules, effects in contracts():
        left: set[str] = set()
        for one in effects:
            if isinstance(one, Audited) and isinstance(one.category, str):
                if one.decision == "left_category":
                    left.add(one.category)
                elif one.decision == "joined_category":
                    left.discard(one.category)
            if isinstance(one, Reminder) and one.rule in rules.rules_by_id:
                rule = rules.rules_by_id[one.rule]
                assert rule.mandatory or rule.category not in left
                policy = rule.policy
                assert policy.valid_from_ms <= to_ms(one.as_of) < policy.valid_until_ms


def check_waiting(effects: list[Effect]) -> int:
    """Nothing waits for longer than it was said to; returns how many messages waited."""
    awaited: dict[tuple[str, str], datetime] = {}
    count = 0
    for one in effects:
        at = one.as_of if isinstance(one, Reminder) else getattr(one, "time", START)
        assert all(until >= at for until in awaited.values()), "its time has passed"
        if isinstance(one, Reminder):
            names = ("", *(bucket.id for bucket in one.buckets))
            awaited = {
                place: until
                for place, until in awaited.items()
                if place[0] != one.rule or place[1] not in names
            }
        if not isinstance(one, Audited) or not isinstance(one.rule, str):
            continue
        place = (one.rule, one.bucket if isinstance(one.bucket, str) else "")
        if one.decision in WAITS:
            count += 1
            awaited[place] = from_ms(one.figures["until_ms"])
            assert awaited[place] > at
        elif one.decision in ("no_longer_true", "merged", "superseded"):
            awaited.pop(place, None)
        elif one.decision in ("opted_out", "out_of_validity"):
            awaited = {other: until for other, until in awaited.items() if other[0] != one.rule}
    return count


def test_law_16_everything_that_waits_goes_out_or_is_told_of() -> None:
    """At the instant that it waits for, or earlier with others."""
    assert sum(check_waiting(effects) for _, effects in contracts()) > 100


# Clocks that are set


@st.composite
def around_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and an instant within two days of one at which its clocks are set."""
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes(zone)))
    minutes = draw(st.integers(-2 * 1440, 2 * 1440) | st.integers(-90, 90))
    return zone, change + minutes * MINUTE


@budget(600)
@given(place=around_a_change(), start=times, end=times, parts=st.lists(st.floats(0, 1), max_size=4))
def test_law_16_a_night_ends_at_the_first_instant_that_is_not_quiet(
    place: tuple[str, datetime], start: time, end: time, parts: list[float]
) -> None:
    """Through gaps and overlaps, and a day that a zone skips."""
    zone, at = place
    if start == end:
        return
    ends = from_ms(quiet_until_ms([QuietHours(start, end)], to_ms(at), known_zone(zone)))
    assert is_quiet(at, start, end, zone) == (ends > at)
    assert not is_quiet(ends, start, end, zone)
    if ends > at:
        for part in (*parts, 1.0):
            within = at + (ends - at - timedelta(milliseconds=1)) * part
            assert is_quiet(within, start, end, zone)


steps = st.lists(
    st.tuples(st.integers(0, 8 * 60), st.integers(0, 400), st.booleans()), min_size=1, max_size=12
)


def waking(start: time, end: time, cap: int) -> Rulebook:
    """Rules that may wake nobody, one that may, and one that is mandatory and may not."""

    def rule(name: str, levels: tuple[int, ...], is_law: bool = False, **fields: Any) -> UsageRule:
        kinds, policy = frozenset({"allowance", "topup"}), Policy(**fields)
        return UsageRule(
            name, "usage_percent", levels, kinds, TEXTS, "c", is_law, 5, DAY_MS, policy
        )

    rules = (
        rule("low", (10, 30, 50, 70, 90)),
        rule("cool", (20, 60, 80), cool_down_ms=5 * HOUR_MS),
        rule("law", (40, 95), is_law=True),
        rule("wakes", (15, 55, 85), in_quiet_hours="send"),
    )
    alerts = AlertPolicy(QuietHours(start, end), (Cap(cap, 12 * HOUR_MS),))
    plans = (Plan("basic", (Allowance("data", 1000, 50),)),)
    return Rulebook(plans, (), rules, (), Limits(max_age_ms=200 * DAY_MS), "en", "EUR", alerts)


@budget(150)
@given(place=around_a_change(), start=times, end=times, steps=steps, cap=st.integers(1, 5))
def test_law_16_nobody_is_woken_and_what_waited_goes_out_at_the_first_instant_it_may(
    place: tuple[str, datetime],
    start: time,
    end: time,
    steps: list[tuple[int, int, bool]],
    cap: int,
) -> None:
    """Mandatory or not: whether a rule may wake is its own word."""
    zone, at = place
    if start == end:
        return
    line = Line(waking(start, end, cap))
    effects = line.activate(at=(at - START) / timedelta(days=1), zone=zone, anchor=15)
    for minutes, amount, is_grant in steps:
        at += minutes * MINUTE
        days = (at - START) / timedelta(days=1)
        effects += (
            line.top_up(days, granted_bytes=amount + 1) if is_grant else line.use(amount, days)
        )
    effects += line.reach(at + timedelta(days=3))
    for reminder in reminders(effects):
        assert reminder.rule == "wakes" or not is_quiet(reminder.as_of, start, end, zone)
    for one in effects:
        if not isinstance(one, Audited) or one.decision != "quiet_hours":
            continue
        until = from_ms(one.figures["until_ms"])
        assert not is_quiet(until, start, end, zone)
        assert is_quiet(until - timedelta(milliseconds=1), start, end, zone)
    check_waiting(effects)
    extra = line.account.extra
    assert extra is None or all(one.until_ms > to_ms(at) for one in extra.waiting)
