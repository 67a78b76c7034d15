"""Rulebooks with every kind of alert rule and of sending, in small numbers, and histories."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import time
from typing import Any

from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, NEVER_MS, to_ms
from streamproc.core.rules import kinds
from streamproc.core.rules.account_rules import (
    AlertRules,
    CheckRule,
    ResolvedRule,
    WatchRule,
)
from streamproc.core.rules.rulebook import (
    CorrectionRule,
    Limits,
    Plan,
    Rulebook,
    UsageRule,
)
from streamproc.core.rules.sending import AlertPolicy, Cap, Policy, QuietHours
from tests.property import quota_walks, rulebooks
from tests.property.rulebooks import HOUR_MS, TEXTS
from tests.property.walks import Entry
from tests.support.line import day
from tests.support.talking import talking_rules

USAGE_KINDS = tuple(kinds.BUCKET_KINDS)
WATCH_KINDS = tuple(kinds.WATCH_KINDS)
CHECK_KINDS = tuple(kinds.CHECK_KINDS)
BUCKETS = (*rulebooks.KINDS, "rollover", "unlimited", "member")
CATEGORIES = ("balance", "summary", "law", "end")
PLANS = (*quota_walks.PLANS, *(one for one in rulebooks.PLANS if one.id in ("one", "odd", "tiny")))
PACKS = (*quota_walks.PACKS, *(one for one in rulebooks.PACKS if one.id in ("day", "long")))
SOURCES = sorted({one.id for plan in PLANS for one in plan.allowances} | {one.id for one in PACKS})
START_MS = to_ms(day(0))

quiet_hours = st.builds(
    QuietHours,
    st.sampled_from([time(22), time(0), time(2, 30), time(13)]),
    st.sampled_from([time(8), time(2), time(0, 30), time(14)]),
)
sources = st.sets(st.sampled_from(SOURCES), min_size=1).map(frozenset)
caps = st.lists(
    st.builds(Cap, st.integers(1, 4), st.sampled_from([HOUR_MS, DAY_MS, 7 * DAY_MS])), max_size=2
).map(tuple)


@st.composite
def policies(draw: st.DrawFn, has_levels: bool = True) -> Policy:
    """Mostly plain, and seldom everything at once."""

    def seldom(values: st.SearchStrategy[Any], default: Any) -> Any:
        return draw(values) if draw(st.integers(0, 3)) == 0 else default

    hour, after = st.integers(0, 60 * 24), st.integers(1, 40 * 24)
    valid_from_ms = seldom(hour.map(lambda n: START_MS + n * HOUR_MS), 0)
    begin_ms = valid_from_ms or START_MS
    valid_until_ms = seldom(after.map(lambda n: begin_ms + n * HOUR_MS), NEVER_MS)
    return Policy(
        severity=draw(st.sampled_from(["info", "warning", "critical"])),
        audience=draw(st.sampled_from(["device_user", "account_holder", "both"])),
        in_quiet_hours=draw(st.sampled_from(["hold", "hold", "send"])),
        cool_down_ms=seldom(st.sampled_from([HOUR_MS, 30 * HOUR_MS]), 0),
        coalesce_ms=seldom(st.sampled_from([1, HOUR_MS, 5 * HOUR_MS]), 0),
        group=seldom(st.sampled_from(["one", "other"]), ""),
        for_count=seldom(st.integers(2, 4), 1) if has_levels else 1,
        hysteresis=seldom(st.integers(1, 40), 0) if has_levels else 0,
        evaluate_on_create=has_levels and bool(valid_from_ms) and draw(st.booleans()),
        valid_from_ms=valid_from_ms,
        valid_until_ms=valid_until_ms,
    )


POLICIES = frozenset({"roam-cap", "cap", "fair", "end"})
"""The policies of the plans of ``quota_walks``, without those of members' caps."""


@st.composite
def _common(draw: st.DrawFn) -> tuple[dict[str, str], str, bool, int, int]:
    """Texts, category, whether it is mandatory, priority and lifetime."""
    is_mandatory = draw(st.integers(0, 3)) == 0
    return TEXTS, draw(st.sampled_from(CATEGORIES)), is_mandatory, draw(st.integers(1, 9)), DAY_MS


@st.composite
def usage_rules(draw: st.DrawFn, most: int = 4) -> tuple[UsageRule, ...]:
    rules = []
    for number in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(USAGE_KINDS))
        values = {
            "usage_percent": st.integers(1, 100),
            "remaining_percent": st.integers(0, 99),
        }.get(kind, st.integers(1, 600))
        rules.append(
            UsageRule(
                f"usage-{number}",
                kind,
                tuple(sorted(draw(st.sets(values, min_size=1, max_size=4)))),
                draw(st.sets(st.sampled_from(BUCKETS), min_size=2).map(frozenset)),
                *draw(_common()),
                draw(policies()),
                draw(st.none() | st.none() | sources),
            )
        )
    return tuple(rules)


def watch_rule(draw: st.DrawFn, number: int, kind: str) -> WatchRule:
    thresholds: tuple[int, ...] = ()
    if kind == "every_bytes":
        thresholds = (draw(st.integers(20, 300)),)
    elif kind not in ("overage_started", "zero_balance", "access_limited"):
        values = {
            "spend_amount": st.integers(1, 60),
            "spend_percent": st.integers(1, 150),
            "anomaly": st.integers(20, 300),
        }.get(kind, st.integers(1, 400))
        thresholds = tuple(sorted(draw(st.sets(values, min_size=1, max_size=3))))
    policy = draw(policies(has_levels=kind != "every_bytes"))
    if kind in ("anomaly", "velocity") and policy.evaluate_on_create:
        policy = draw(policies(has_levels=False))
    return WatchRule(
        f"watch-{number}",
        kind,
        thresholds,
        *draw(_common()),
        policy,
        cap_minor=draw(st.none() | st.integers(1, 90)),
        tariff=draw(st.sampled_from([None, None, "", "roaming", "video"])),
        of=draw(st.sampled_from(["usage", "overage"])),
        window_ms=draw(st.sampled_from([HOUR_MS, 12 * HOUR_MS, 3 * DAY_MS])),
        cycles=draw(st.integers(1, 2)),
        min_bytes=draw(st.sampled_from([0, 50])),
        policies=draw(st.sampled_from([POLICIES, frozenset({"cap"}), frozenset({"end", "fair"})])),
    )


@st.composite
def alert_rules(draw: st.DrawFn, usage: tuple[UsageRule, ...]) -> AlertRules:
    watch = tuple(
        watch_rule(draw, number, draw(st.sampled_from(WATCH_KINDS)))
        for number in range(draw(st.integers(0, 4)))
    )
    checks = tuple(
        CheckRule(
            f"check-{number}",
            draw(st.sampled_from(CHECK_KINDS)),
            draw(rulebooks.TIMES),
            *draw(_common()),
            DAY_MS,
            draw(policies(has_levels=False)),
            days=draw(st.integers(1, 4)),
            silent_ms=draw(st.sampled_from([DAY_MS, 5 * DAY_MS])),
        )
        for number in range(draw(st.integers(0, 2)))
    )
    firing: tuple[UsageRule | WatchRule, ...] = (*usage, *watch)
    followed = [one.id for one in firing if one.kind != "every_bytes"]
    resolved = tuple(
        ResolvedRule(
            f"resolved-{number}",
            draw(st.sets(st.sampled_from(followed), min_size=1, max_size=3).map(frozenset)),
            *draw(_common()),
            draw(policies(has_levels=False)),
        )
        for number in range(draw(st.integers(0, 2)) if followed else 0)
    )
    return AlertRules(watch, checks, resolved)


@st.composite
def alert_rulebooks(draw: st.DrawFn) -> Rulebook:
    """Any mixture of alert rules, of what else speaks, and of what holds messages back."""
    usage = draw(usage_rules())
    return made(
        usage,
        draw(alert_rules(usage)),
        AlertPolicy(draw(st.none() | quiet_hours), draw(caps)),
        draw(st.booleans()),
    )


def everything() -> Rulebook:
    """Every kind of rule, each way to hold a message back, and some of both that meet."""
    nobody_in_particular = ("balance", False, 5, DAY_MS)
    all_kinds = frozenset(BUCKETS)

    def usage(name: str, kind: str, levels: tuple[int, ...], **fields: Any) -> UsageRule:
        mandatory = fields.pop("mandatory", False)
        common = ("balance", mandatory, fields.pop("priority", 5), DAY_MS)
        return UsageRule(name, kind, levels, all_kinds, TEXTS, *common, Policy(**fields))

    def watch(name: str, kind: str, *levels: int, **fields: Any) -> WatchRule:
        names = ("cap_minor", "of", "window_ms", "policies")
        own = {key: fields.pop(key) for key in names if key in fields}
        policy = Policy(**fields)
        return WatchRule(name, kind, levels, TEXTS, *nobody_in_particular, policy, cycles=1, **own)

    def check(name: str, kind: str, **fields: Any) -> CheckRule:
        policy = Policy(**fields)
        return CheckRule(
            name, kind, time(9), TEXTS, "summary", False, 5, DAY_MS, DAY_MS, policy, 2, DAY_MS
        )

    usage_rules: tuple[UsageRule, ...] = (
        usage("percent", "usage_percent", (50, 80, 100), mandatory=True, in_quiet_hours="send"),
        usage("left", "remaining_percent", (5, 20), group="low", coalesce_ms=HOUR_MS),
        usage("bytes", "remaining_bytes", (100,), group="low", severity="warning", hysteresis=500),
        usage("used", "used_bytes", (200, 500), cool_down_ms=6 * HOUR_MS, audience="both"),
        usage("steady", "usage_percent", (30,), for_count=3),
        usage(
            "new", "usage_percent", (10, 40), evaluate_on_create=True,
            valid_from_ms=START_MS + 20 * DAY_MS, valid_until_ms=START_MS + 60 * DAY_MS,
        ),
    )  # fmt: skip
    watch_rules: tuple[WatchRule, ...] = (
        watch("spent", "spend_amount", 5, 20, hysteresis=4),
        watch("cap", "spend_percent", 50, 100, severity="critical"),
        watch("beyond", "overage_started"),
        watch("step", "every_bytes", 150, of="usage"),
        watch("fast", "velocity", 250, window_ms=12 * HOUR_MS, for_count=2),
        watch("odd", "anomaly", 120),
        watch("empty", "zero_balance"),
        watch("limited", "access_limited", policies=POLICIES),
    )
    # A kind that nothing above is about is tried all the same.
    tried = {*(one.kind for one in usage_rules), *(one.kind for one in watch_rules)}
    usage_rules += tuple(usage(one, one, (50,)) for one in USAGE_KINDS if one not in tried)
    watch_rules += tuple(watch(one, one, 50) for one in WATCH_KINDS if one not in tried)
    checks = (check("soon", "forecast"), check("idle", "inactivity", coalesce_ms=HOUR_MS))
    over = ResolvedRule(
        "over", frozenset({"bytes", "fast", "empty", "limited"}), TEXTS, "end", False, 5, DAY_MS
    )
    return made(
        usage_rules,
        AlertRules(watch_rules, checks, (over,)),
        AlertPolicy(QuietHours(time(22), time(7)), (Cap(6, DAY_MS),)),
    )


def made(
    usage: tuple[UsageRule, ...],
    alerts: AlertRules,
    sending: AlertPolicy,
    has_others: bool = True,
    plans: tuple[Plan, ...] = PLANS,
) -> Rulebook:
    """With timed rules and follow-ups (or without), which all wait in quiet hours."""
    limits = Limits(max_event_bytes=100_000, hold_max_events=3, history_cycles=3)
    follow_ups = (CorrectionRule("sorry", TEXTS, "balance", False, 5, DAY_MS),)
    return Rulebook(
        plans,
        PACKS,
        usage,
        rulebooks.DEFAULT_TIMED_RULES if has_others else (),
        limits,
        "en",
        "EUR",
        sending,
        commands=talking_rules().commands,
        correction_rules=follow_ups if has_others else (),
        alert_rules=alerts,
    )


def sent_as(rules: Rulebook, others: Rulebook) -> Rulebook:
    """Other rules, with the caps and quiet hours of these."""
    alerts = AlertRules(others.watch_rules, others.check_rules, others.resolved_rules)
    return made(others.usage_rules, alerts, rules.alerts, bool(others.timed_rules))


def stretched(entries: Iterable[Entry], start_ms: int, times: int) -> Iterator[Entry]:
    """The same history in so many times the time."""
    for stamp_ms, entry in entries:
        if isinstance(entry, dict):
            instants: list[str] = [name for name in ("time", "expires_time") if name in entry]
            longer = {name: start_ms + (entry[name] - start_ms) * times for name in instants}
            entry = {**entry, **longer}
        yield start_ms + (stamp_ms - start_ms) * times, entry


def walk(seed: int, start_ms: int, count: int, names: tuple[str, ...]) -> Iterator[Entry]:
    """As :func:`quota_walks.walk`, and subscribers choose thresholds and quiet hours."""
    chance = random.Random(seed * 11 + 5)
    serial = 0
    for stamp_ms, entry in quota_walks.walk(seed, start_ms, count, names):
        if isinstance(entry, dict):
            if entry["type"] in ("account.activated", "account.plan_changed"):
                entry = {**entry, "plan": chance.choice(PLANS).id}
            if "pack" in entry:
                entry = {**entry, "pack": chance.choice(PACKS).id}
        yield stamp_ms, entry
        if chance.random() < 0.02:
            serial += 1
            yield (
                stamp_ms,
                {
                    "id": f"own-{seed}-{serial}",
                    "source": "choice",
                    "subscriber": chance.choice(names),
                    "time": stamp_ms,
                    **_choice(chance),
                },
            )


def _choice(chance: random.Random) -> dict[str, Any]:
    draw = chance.random()
    if draw < 0.4:
        some = sorted(chance.sample(range(1, 101), chance.randrange(0, 4)))
        return {"type": "account.preferences_set", "own_percents": some}
    span = chance.choice(("22:00-7:00", "0-6", "13:00-14:30", "OFF", "DEFAULT", "2:30-3"))
    percents = chance.choice(("50", "10 60", "DEFAULT"))
    text = f"QUIET {span}" if draw < 0.8 else f"ALERT {percents}"
    return {"type": "sms.received", "text": text}
