"""Law 16 by itself: holding a message back delays or merges it, and never loses it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, from_ms, to_ms
from streamproc.core.rules.rulebook import Allowance, Limits, Pack, Plan, Rulebook, UsageRule
from streamproc.core.rules.sending import AlertPolicy, Cap, Policy, QuietHours
from streamproc.core.state.effects import Audited, Effect, Reminder
from tests.property.budget import budget
from tests.property.rulebooks import HOUR_MS, KINDS, TEXTS
from tests.support.line import Line, day

ZONES = ("UTC", "Asia/Shanghai", "America/Havana", "Europe/Berlin", "America/St_Johns")
GRANTED = 1000
HELD = ("quiet_hours", "capped", "cool_down", "coalescing")
ENDED = ("superseded", "merged", "no_longer_true", "opted_out")

policies = st.builds(
    Policy,
    severity=st.sampled_from(["info", "warning", "critical"]),
    in_quiet_hours=st.sampled_from(["hold", "hold", "send"]),
    cool_down_ms=st.sampled_from([0, 0, HOUR_MS, 30 * HOUR_MS]),
    coalesce_ms=st.sampled_from([0, 0, 1, 3 * HOUR_MS]),
    group=st.sampled_from(["", "", "one"]),
)
quiet_hours = st.none() | st.builds(
    QuietHours,
    st.sampled_from([time(22), time(0), time(2, 30), time(13)]),
    st.sampled_from([time(8), time(2), time(0, 30), time(14)]),
)
caps = st.lists(
    st.builds(Cap, st.integers(1, 3), st.sampled_from([HOUR_MS, DAY_MS, 7 * DAY_MS])), max_size=2
).map(tuple)


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    rules = []
    for number in range(draw(st.integers(1, 3))):
        kind: Any = draw(st.sampled_from(["usage_percent", "remaining_bytes"]))
        values = st.integers(1, 100) if kind == "usage_percent" else st.integers(0, 900)
        rules.append(
            UsageRule(
                f"rule-{number}",
                kind,
                tuple(sorted(draw(st.sets(values, min_size=1, max_size=4)))),
                frozenset(KINDS),
                TEXTS,
                "balance",
                draw(st.booleans()),
                draw(st.integers(0, 9)),
                DAY_MS,
                draw(policies),
            )
        )
    alerts = AlertPolicy(draw(quiet_hours), draw(caps))
    plans = (
        Plan("basic", (Allowance("data", GRANTED, 50),)),
        Plan("big", (Allowance("data", 3000, 50),)),
    )
    packs = (Pack("day", 100, DAY_MS, 10),)
    return Rulebook(plans, packs, tuple(rules), (), Limits(), "en", "EUR", alerts)


@dataclass
class Reason:
    """A threshold that was reached, by what the audit and the reminders show."""

    rule: str
    bucket: str
    threshold: int


def is_quiet(hours: QuietHours, when: datetime, zone: str) -> bool:
    """By what clocks show; the tests' days are none on which they change."""
    shown = when.astimezone(ZoneInfo(zone)).time().replace(tzinfo=None)
    if hours.start < hours.end:
        return hours.start <= shown < hours.end
    return shown >= hours.start or shown < hours.end


actions = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "use", "use", "pack", "plan", "out", "in", "wait"]),
        st.sampled_from([1, 60_000, HOUR_MS, 5 * HOUR_MS, DAY_MS]) | st.integers(0, 3 * DAY_MS),
        st.integers(0, 600),
    ),
    max_size=14,
)


def run(rules: Rulebook, zone: str, steps: list[tuple[str, int, int]]) -> tuple[Line, list[Effect]]:
    """Everything happens in May and June: no clock changes in any of the zones."""
    line = Line(rules)
    at = 120.0
    line.activate(at=at, zone=zone)
    out = False
    for number, (what, step_ms, amount) in enumerate(steps):
        at += step_ms / DAY_MS
        if what == "use":
            line.use(amount, at=at)
        elif what == "pack":
            line.top_up(at=at, pack="day")
        elif what == "plan":
            line.change_plan("big" if number % 2 else "basic", at=at)
        elif what in ("out", "in"):
            out = what == "out"
            line.opt("balance", at=at, out=out)
        else:
            line.reach(day(at))
    return line, line.effects


@budget(250)
@given(rules=rulebooks(), zone=st.sampled_from(ZONES), steps=actions)
def test_law_16_no_message_in_quiet_hours_beyond_a_cap_or_within_a_cool_down(
    rules: Rulebook, zone: str, steps: list[tuple[str, int, int]]
) -> None:
    line, effects = run(rules, zone, steps)
    line.reach(day(150))
    by_id = {rule.id: rule for rule in rules.usage_rules}
    sent: list[tuple[datetime, str, str]] = []
    for one in effects:
        if not isinstance(one, Reminder):
            continue
        rule = by_id[one.rule]
        companions = [
            r for r in by_id.values() if r.policy.group and r.policy.group == rule.policy.group
        ]
        may_be_taken_along = len(companions) > 1
        hours = rules.alerts.quiet_hours
        if hours and rule.policy.in_quiet_hours == "hold" and not may_be_taken_along:
            assert not is_quiet(hours, one.as_of, zone)
        if not rule.mandatory and not may_be_taken_along:
            for cap in rules.alerts.caps:
                window = timedelta(milliseconds=cap.window_ms)
                recent = [when for when, *_ in sent if when > one.as_of - window]
                assert len(recent) < cap.messages
        if rule.policy.cool_down_ms and not may_be_taken_along:
            # Of different buckets at one instant it is one telling.
            about = (one.as_of, one.buckets[0].id)
            last = [
                when
                for when, name, bucket in sent
                if name == rule.id and (when != about[0] or bucket == about[1])
            ]
            gap = timedelta(milliseconds=rule.policy.cool_down_ms)
            assert not last or one.as_of - last[-1] >= gap
        sent.append((one.as_of, one.rule, one.buckets[0].id))


@budget(250)
@given(rules=rulebooks(), zone=st.sampled_from(ZONES), steps=actions)
def test_law_16_what_was_held_goes_out_is_merged_or_is_dropped_with_a_record(
    rules: Rulebook, zone: str, steps: list[tuple[str, int, int]]
) -> None:
    line, effects = run(rules, zone, steps)
    open_reasons: Counter[tuple[str, str, int]] = Counter()
    for one in effects:
        if isinstance(one, Audited) and one.decision in (*HELD, *ENDED):
            assert isinstance(one.rule, str)
            assert isinstance(one.bucket, str)
            assert isinstance(one.threshold, int)
            reason = (one.rule, one.bucket, one.threshold)
            if one.decision in HELD:
                open_reasons[reason] = 1
                assert one.figures["until_ms"] > to_ms(one.time)
            else:
                open_reasons.pop(reason, None)
        elif isinstance(one, Reminder):
            for bucket in one.buckets:
                # Of a held rule one threshold per bucket waits: the last one it reached.
                for reason in [r for r in open_reasons if r[:2] == (one.rule, bucket.id)]:
                    del open_reasons[reason]
    extra = line.account.extra
    waiting = {
        (held.rule, mark.bucket, mark.threshold)
        for held in (extra.waiting if extra else ())
        for mark in held.marks
    }
    assert waiting == set(open_reasons)
    # In the end nothing waits: time alone lets everything out.
    line.reach(day(240))
    assert line.account.extra is None or not line.account.extra.waiting


@budget(250)
@given(rules=rulebooks(), zone=st.sampled_from(ZONES), steps=actions)
def test_law_16_a_message_goes_out_only_while_it_is_true(
    rules: Rulebook, zone: str, steps: list[tuple[str, int, int]]
) -> None:
    line, effects = run(rules, zone, steps)
    line.reach(day(150))
    kinds = {rule.id: rule.kind for rule in rules.usage_rules}
    for one in effects:
        if not isinstance(one, Reminder):
            continue
        assert one.threshold is not None
        reached = [
            bucket.used_bytes * 100 >= bucket.granted_bytes * one.threshold.value
            if kinds[one.rule] == "usage_percent"
            else bucket.remaining_bytes <= one.threshold.value
            for bucket in one.buckets
        ]
        assert any(reached)
        assert one.as_of == one.not_before
        if one.cause.due_time:
            assert one.cause.due_time == one.as_of
    ids = [one.id for one in effects if isinstance(one, Reminder)]
    assert len(ids) == len(set(ids))
    assert all(one.as_of.tzinfo is UTC for one in effects if isinstance(one, Reminder))


def _buckets_before(
    rules: Rulebook, steps: list[tuple[str, int, int]], when: datetime
) -> dict[str, tuple[int, int, datetime]]:
    """Granted and used bytes and begin of each bucket just before an instant, with no gate."""
    open_rules = Rulebook(
        tuple(rules.plans.values()), tuple(rules.packs.values()), (), (), Limits(), "en", "EUR"
    )
    before, at = [], 120.0
    for step in steps:
        at += step[1] / DAY_MS
        if day(at) < when:
            before.append(step)
    line, _ = run(open_rules, "UTC", before)
    return {
        one.id: (one.granted_bytes, one.used_bytes, from_ms(one.granted_ms))
        for one in line.account.buckets
        if from_ms(one.expires_ms) >= when
    }


@budget(150)
@given(rules=rulebooks(), steps=actions)
def test_law_16_what_is_dropped_is_true_no_more(
    rules: Rulebook, steps: list[tuple[str, int, int]]
) -> None:
    line, effects = run(rules, "UTC", steps)
    line.reach(day(150))  # within the cycle of May
    kinds = {rule.id: rule.kind for rule in rules.usage_rules}
    for one in effects:
        if not isinstance(one, Audited) or one.decision != "no_longer_true":
            continue
        assert isinstance(one.rule, str)
        assert isinstance(one.bucket, str)
        assert isinstance(one.threshold, int)
        bucket = _buckets_before(rules, steps, one.time).get(one.bucket)
        if bucket is None:
            continue
        granted, used, _ = bucket
        if kinds[one.rule] == "usage_percent":
            assert used * 100 < granted * one.threshold
        else:
            assert granted - used > one.threshold or granted <= one.threshold
