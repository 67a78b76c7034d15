"""Rulebooks with small numbers, so that thresholds, packs and limits are met all the time."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS
from streamproc.core.rules import kinds
from streamproc.core.rules.rule import Every
from streamproc.core.rules.rulebook import (
    Allowance,
    Limits,
    Pack,
    Plan,
    Rulebook,
    Scope,
    TimedRule,
    UsageRule,
)
from streamproc.core.rules.sending import QuietHours

HOUR_MS = DAY_MS // 24
TEXTS = {"en": "{bucket} {used} {granted} {remaining} {overage} {percent} {threshold} {days}"}
KINDS = ("allowance", "pack", "topup")
VIDEO = Scope(rating_groups=frozenset({20}))
ROAMING = Scope(roaming_zones=frozenset({"eu", "asia"}))
ROAMING_VIDEO = Scope(frozenset({20}), frozenset({"eu"}))

PLANS = (
    Plan("one", (Allowance("data", 1000, 50),)),
    Plan("same", (Allowance("data", 1000, 50), Allowance("films", 300, 40, VIDEO))),
    Plan("big", (Allowance("much", 5000, 50), Allowance("films", 700, 60, VIDEO))),
    Plan("moved", (Allowance("extra", 300, 50), Allowance("data", 800, 50))),
    Plan("odd", (Allowance("odd", 37, 5), Allowance("abroad", 101, 5, ROAMING))),
    Plan("tiny", (Allowance("tiny", 1, 50),)),
    Plan("none", ()),
)
PACKS = (
    Pack("day", 200, DAY_MS, 10),
    Pack("hour", 50, HOUR_MS, 10),
    Pack("long", 400, 60 * DAY_MS, 70),
    Pack("trip", 150, 7 * DAY_MS, 5, ROAMING),
    Pack("trip-video", 99, 7 * DAY_MS, 1, ROAMING_VIDEO),
)


def usage_rule(
    name: str,
    kind: str,
    thresholds: tuple[int, ...],
    kinds: tuple[str, ...] = KINDS,
    category: str = "balance",
    mandatory: bool = False,
    buckets: frozenset[str] | None = None,
) -> UsageRule:
    return UsageRule(
        name,
        kind,
        thresholds,
        frozenset(kinds),
        TEXTS,
        category,
        mandatory,
        5,
        DAY_MS,
        buckets=buckets,
    )


def timed_rule(
    name: str,
    kind: str,
    at: time,
    every: Every = "week",
    day: int = 1,
    days_before: int = 0,
    category: str = "summary",
    mandatory: bool = False,
    **more: Any,
) -> TimedRule:
    return TimedRule(
        name,
        kind,
        at,
        TEXTS,
        category,
        mandatory,
        5,
        DAY_MS,
        DAY_MS,
        every,
        day,
        days_before,
        **more,
    )


DEFAULT_USAGE_RULES = (
    usage_rule("low", "usage_percent", (50, 80, 90, 100)),
    usage_rule("must", "usage_percent", (100,), category="law", mandatory=True),
    usage_rule("last", "remaining_bytes", (0, 10, 100, 250), ("allowance", "topup")),
)
DEFAULT_TIMED_RULES = (
    timed_rule("weekly", "usage_summary", time(9)),
    timed_rule("monthly", "usage_summary", time(2, 30), "month", 31),
    timed_rule("cycle-end", "before_cycle_end", time(10), days_before=3, category="end"),
    timed_rule("pack-end", "before_expiry", time(0), days_before=1, category="end"),
    timed_rule("cycle-over", "cycle_end", time(0), spread_ms=4 * HOUR_MS),
    timed_rule("pack-over", "expiry", time(0), category="end"),
    timed_rule("welcome", "after_activation", time(0), hours_after=48),
    timed_rule("working-days", "cron", time(0), cron="0,30 2,9 * * 1-5", segments=frozenset({"a"})),
)


def make(
    plans: tuple[Plan, ...] = PLANS,
    packs: tuple[Pack, ...] = PACKS,
    usage_rules: tuple[UsageRule, ...] = DEFAULT_USAGE_RULES,
    timed_rules: tuple[TimedRule, ...] = DEFAULT_TIMED_RULES,
    **limits: Any,
) -> Rulebook:
    """A rulebook with limits that are soon reached."""
    known: dict[str, Any] = {
        "max_event_bytes": 100_000,
        "max_age_ms": 40 * DAY_MS,
        "hold_max_events": 3,
        **limits,
    }
    return Rulebook(plans, packs, usage_rules, timed_rules, Limits(**known), "en", "EUR")


TIMED_KINDS = tuple(
    kind for kind in kinds.TIMED_KINDS for _ in range(2 if kind in ("usage_summary", "cron") else 1)
)
"""Of the first two there are more rules, because their times have more forms."""
EVERY: tuple[Every, ...] = (
    *("day", "week", "month", "month_start", "month_middle", "month_end"),
    *("cycle_start", "cycle_middle", "cycle_end"),
)
CRONS = (
    "30 2 * * *",
    "0 0 1,15 * *",
    "15 9-17/4 * * mon-fri",
    "*/20 2 * * sun",
    "0 9 29 2 *",
    "0 20 l * *",
    "5 0 * * 5#2",
    "0 12 13 * 5",
)
START_DAY = date(2026, 1, 1)
BUCKETS = st.sampled_from(["data", "films", "much", "odd", "abroad", "day", "long", "trip"])
ENDING_KINDS = st.sampled_from(["allowance", "pack", "topup", "rollover"])
PLAN_NAMES = st.sampled_from([plan.id for plan in PLANS])
SEGMENTS = st.sampled_from(["a", "b", "c"])
NIGHTS = (
    None,
    QuietHours(time(22), time(8)),
    QuietHours(time(2), time(3)),
    QuietHours(time(12), time(11, 59)),
)
TIMES = st.sampled_from([time(0), time(2, 30), time(9), time(23, 59)])


@st.composite
def usage_rules(draw: st.DrawFn) -> tuple[UsageRule, ...]:
    """Up to three rules, sometimes on some kinds of buckets only, or on some of the catalogue."""
    rules = []
    for number in range(draw(st.integers(0, 3))):
        is_percent = draw(st.booleans())
        values = st.integers(1, 100) if is_percent else st.integers(0, 400)
        rules.append(
            usage_rule(
                f"usage-{number}",
                "usage_percent" if is_percent else "remaining_bytes",
                tuple(sorted(draw(st.sets(values, min_size=1, max_size=4)))),
                tuple(draw(st.sets(st.sampled_from(KINDS), min_size=1))),
                draw(st.sampled_from(["balance", "law"])),
                draw(st.booleans()),
                draw(st.none() | st.none() | st.sets(BUCKETS, min_size=1).map(frozenset)),
            )
        )
    return tuple(rules)


@st.composite
def timed_rules(draw: st.DrawFn) -> tuple[TimedRule, ...]:
    """Up to three rules of any kind."""
    rules = []
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(TIMED_KINDS))
        every: Every = draw(st.sampled_from(EVERY)) if kind == "usage_summary" else "week"
        most_ms = draw(st.sampled_from([0, 0, HOUR_MS, 12 * HOUR_MS]))
        rules.append(
            timed_rule(
                f"timed-{number}",
                kind,
                draw(TIMES),
                every,
                draw(st.integers(1, 7 if every == "week" else 31)),
                draw(st.integers(1 if kind == "before_cycle_end" else 0, 27)),
                draw(st.sampled_from(["summary", "end"])),
                draw(st.booleans()),
                hours_after=draw(st.sampled_from([1, 24, 24 * 60])),
                cron=draw(st.sampled_from(CRONS)),
                on=START_DAY + timedelta(days=draw(st.integers(0, 800))),
                plans=draw(st.none() | st.sets(PLAN_NAMES, min_size=1).map(frozenset)),
                segments=draw(st.none() | st.none() | st.sets(SEGMENTS, min_size=1).map(frozenset)),
                only_chosen=kind == "usage_summary" and draw(st.booleans()),
                misfire=draw(st.sampled_from(["latest", "each"])),
                hours_before=(hours := draw(st.sampled_from([0, 0, 3, 30])))
                if kind == "expiry"
                else 0,
                not_between=draw(st.sampled_from(NIGHTS)) if kind == "expiry" and hours else None,
                buckets=draw(st.none() | st.none() | st.sets(BUCKETS, min_size=1).map(frozenset)),
                bucket_kinds=draw(st.none() | st.sets(ENDING_KINDS, min_size=1).map(frozenset))
                if kind in ("before_cycle_end", "before_expiry", "expiry")
                else None,
                spread_after_ms=draw(st.integers(0, most_ms)),
                spread_ms=draw(st.integers(0, most_ms)),
            )
        )
    return tuple(rules)


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    """The same plans and packs under many rules and limits."""
    max_age_days = draw(st.sampled_from([2, 40]))
    return make(
        usage_rules=draw(st.just(DEFAULT_USAGE_RULES) | usage_rules()),
        timed_rules=draw(st.just(DEFAULT_TIMED_RULES) | timed_rules()),
        max_age_ms=max_age_days * DAY_MS,
        max_age_by_source=draw(st.sampled_from([{}, {"walk": DAY_MS}, {"walk": 60 * DAY_MS}])),
        hold_unknown_ms=draw(st.sampled_from([0, 6 * HOUR_MS, DAY_MS])),
        history_cycles=draw(st.integers(1, 3)),
    )
