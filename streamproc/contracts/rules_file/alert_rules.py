"""The rules file's alert rules and their policies: what must hold between fields, and the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time
from typing import Any

from streamproc.contracts.rules_file.format.entries import (
    AlertsEntry,
    AnomalyEntry,
    EveryBytesEntry,
    ForecastEntry,
    InactivityEntry,
    LimitsEntry,
    OverageStartedEntry,
    PercentEntry,
    QuietHoursEntry,
    ReachingEntry,
    RemainingEntry,
    RemainingPercentEntry,
    ResolvedEntry,
    RuleEntry,
    RulesFormat,
    SpendAmountEntry,
    SpendPercentEntry,
    UsedEntry,
    VelocityEntry,
    WatchEntry,
    ZeroBalanceEntry,
)
from streamproc.contracts.rules_file.format.plans import has_cap
from streamproc.contracts.rules_file.read.as_written import entries, items
from streamproc.contracts.rules_file.read.lines import Path
from streamproc.contracts.rules_file.texts import spoken
from streamproc.core.instants import HOUR_MS, NEVER_MS, to_ms
from streamproc.core.rules.rulebook import UsageKind, UsageRule
from streamproc.core.rules.sending import (
    PLAIN,
    UNRESTRICTED,
    AlertPolicy,
    Cap,
    Policy,
    QuietHours,
)
from streamproc.core.rules.watch import AlertRules, CheckRule, ResolvedRule, WatchRule

BucketRuleEntry = PercentEntry | RemainingPercentEntry | RemainingEntry | UsedEntry
_COUNTS_DOWN = ("remaining_percent", "remaining_bytes")
_HAS_LEVELS = ("usage_percent", "used_bytes", "spend_amount", "spend_percent", "velocity")


def problems(data: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong between fields of the data as it was written."""
    alerts = data.get("alerts")
    hours = alerts.get("quiet_hours") if isinstance(alerts, dict) else None
    if isinstance(hours, dict) and "start" in hours and hours["start"] == hours.get("end"):
        yield ("alerts", "quiet_hours", "end"), "is the start too; leave quiet_hours out"
    reaching = {
        rule.get("id") for _, rule in entries(data, "rules") if rule.get("kind") in _REACHING_KINDS
    }
    kept = kept_cycles(data)
    names = _Names(data)
    for index, rule in entries(data, "rules"):
        yield from _rule_problems(("rules", index), rule, reaching, kept)
        yield from names.problems(("rules", index), rule)


def kept_cycles(data: Mapping[str, Any]) -> int:
    """How many closed cycles are kept; the default if nothing of the right type says so."""
    limits = data.get("limits")
    kept = limits.get("history_cycles") if isinstance(limits, dict) else None
    return kept if isinstance(kept, int) else LimitsEntry().history_cycles


class _Names:
    """What rules can name of plans and packs."""

    def __init__(self, data: dict[str, Any]) -> None:
        plans = [plan for _, plan in entries(data, "plans")]
        tariffs = [one for plan in plans for _, one in entries(plan, "tariffs")]
        allowances = [one for plan in plans for _, one in entries(plan, "allowances")]
        packs = [pack for _, pack in entries(data, "packs")]
        self._buckets = {one.get("id") for one in (*allowances, *packs)}
        self._tariffs = {one.get("id") for one in tariffs}
        self._capped = {one.get("id") for one in tariffs if has_cap(one)}
        self._capped |= {None for plan in plans if has_cap(plan)}

    def problems(self, path: Path, rule: dict[str, Any]) -> Iterator[tuple[Path, str]]:
        for place, name in enumerate(items(rule, "buckets")):
            if isinstance(name, str) and name not in self._buckets:
                yield (*path, "buckets", place), f"there is no allowance or pack {name!r}"
        tariff = rule.get("tariff")
        if isinstance(tariff, str) and tariff not in self._tariffs:
            yield (*path, "tariff"), f"no plan has a tariff {tariff!r}"
        elif (
            rule.get("kind") == "spend_percent"
            and rule.get("cap_minor") is None
            and tariff not in self._capped
        ):
            of = "of its own" if tariff is None else f"for tariff {tariff!r}"
            yield (*path, "cap_minor"), f"is missing, and no plan has a cost_cap_minor {of}"


def _rule_problems(
    path: Path, rule: dict[str, Any], reaching: set[Any], kept_cycles: int
) -> Iterator[tuple[Path, str]]:
    kind = rule.get("kind")
    instants = {name: _instant(rule.get(name)) for name in ("valid_from", "valid_until")}
    for name, at in instants.items():
        if isinstance(rule.get(name), str) and at is None:
            yield (*path, name), "there is no such instant"
    begin, end = instants.values()
    if begin and end and begin >= end:
        yield (*path, "valid_until"), "is not after valid_from"
    if rule.get("evaluate_on_create") is True:
        if kind == "velocity":
            yield (*path, "evaluate_on_create"), "a velocity is not known beforehand"
        elif "valid_from" not in rule:
            yield (*path, "evaluate_on_create"), "needs valid_from: that is when it is evaluated"
    hysteresis, values = rule.get("hysteresis"), rule.get("thresholds")
    if isinstance(hysteresis, int) and hysteresis and isinstance(values, list):
        if kind == "anomaly":
            yield (*path, "hysteresis"), "an anomaly has none: it ends with its cycle"
        elif kind in _HAS_LEVELS and any(type(one) is int and one <= hysteresis for one in values):
            yield (*path, "hysteresis"), "must be less than every threshold"
    if kind == "anomaly":
        cycles = rule.get("cycles", 3)
        if isinstance(cycles, int) and cycles > kept_cycles:
            yield (*path, "cycles"), f"limits.history_cycles keeps only {kept_cycles}"
    if kind == "resolved" and isinstance(rule.get("of"), list):
        for place, name in enumerate(rule["of"]):
            if isinstance(name, str) and name not in reaching:
                yield (*path, "of", place), f"{name!r} is no rule with thresholds to be resolved"


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def policy_of(rule: RuleEntry) -> Policy:
    """How a rule's messages go out."""
    more = rule if isinstance(rule, ReachingEntry) else None
    policy = Policy(
        rule.severity,
        rule.audience,
        rule.in_quiet_hours,
        rule.cool_down_seconds * 1000,
        rule.coalesce_seconds * 1000,
        rule.group or "",
        more.for_count if more else 1,
        more.hysteresis if more else 0,
        more.evaluate_on_create if more else False,
        to_ms(datetime.fromisoformat(rule.valid_from)) if rule.valid_from else 0,
        to_ms(datetime.fromisoformat(rule.valid_until)) if rule.valid_until else NEVER_MS,
    )
    return PLAIN if policy == PLAIN else policy


def alert_policy(alerts: AlertsEntry) -> AlertPolicy:
    """What holds for all messages of a subscriber."""
    policy = AlertPolicy(
        quiet_hours(alerts.quiet_hours),
        tuple(Cap(one.messages, one.window_hours * HOUR_MS) for one in alerts.caps),
    )
    return UNRESTRICTED if policy == UNRESTRICTED else policy


def quiet_hours(hours: QuietHoursEntry | None) -> QuietHours | None:
    """Hours as the core works with them."""
    if hours is None:
        return None
    return QuietHours(time.fromisoformat(hours.start), time.fromisoformat(hours.end))


_USAGE_KINDS: dict[type[BucketRuleEntry], UsageKind] = {
    PercentEntry: "usage_percent",
    RemainingPercentEntry: "remaining_percent",
    RemainingEntry: "remaining_bytes",
    UsedEntry: "used_bytes",
}


def usage_rule(rule: BucketRuleEntry) -> UsageRule:
    """A rule about single buckets."""
    return UsageRule(
        rule.id,
        _USAGE_KINDS[type(rule)],
        tuple(sorted(rule.thresholds)),
        frozenset(map(str, rule.bucket_kinds)),
        *spoken(rule),
        policy_of(rule),
        None if rule.buckets is None else frozenset(map(str, rule.buckets)),
    )


def alert_rules(file: RulesFormat) -> AlertRules:
    """The rules about accounts as a whole."""
    return AlertRules(
        tuple(_watch_rule(rule) for rule in file.rules if isinstance(rule, WatchEntry)),
        tuple(
            _check_rule(rule)
            for rule in file.rules
            if isinstance(rule, ForecastEntry | InactivityEntry)
        ),
        tuple(
            ResolvedRule(
                rule.id,
                frozenset(map(str, rule.of)),
                *spoken(rule),
                policy_of(rule),
            )
            for rule in file.rules
            if isinstance(rule, ResolvedEntry)
        ),
    )


_WATCH_KINDS: dict[type[WatchEntry], Any] = {
    SpendAmountEntry: "spend_amount",
    SpendPercentEntry: "spend_percent",
    OverageStartedEntry: "overage_started",
    EveryBytesEntry: "every_bytes",
    VelocityEntry: "velocity",
    AnomalyEntry: "anomaly",
    ZeroBalanceEntry: "zero_balance",
}
_REACHING_KINDS = frozenset(
    kind for kind in (*_USAGE_KINDS.values(), *_WATCH_KINDS.values()) if kind != "every_bytes"
)
"""Kinds whose thresholds are reached and un-crossed again."""


def _watch_rule(rule: WatchEntry) -> WatchRule:
    thresholds: tuple[int, ...] = ()
    if isinstance(rule, EveryBytesEntry):
        thresholds = (rule.step_bytes,)
    elif not isinstance(rule, OverageStartedEntry | ZeroBalanceEntry):
        thresholds = tuple(sorted(rule.thresholds))
    tariff = None
    if isinstance(rule, SpendAmountEntry | SpendPercentEntry | OverageStartedEntry):
        tariff = rule.tariff
    cap_minor = rule.cap_minor if isinstance(rule, SpendPercentEntry) else None
    if isinstance(rule, SpendPercentEntry) and cap_minor is None:
        tariff = tariff or ""  # percentages of a plan's own cap are of its own tariff
    return WatchRule(
        rule.id,
        _WATCH_KINDS[type(rule)],
        thresholds,
        *spoken(rule),
        policy_of(rule),
        cap_minor,
        tariff,
        rule.of if isinstance(rule, EveryBytesEntry) else "overage",
        rule.window_seconds * 1000 if isinstance(rule, VelocityEntry) else 0,
        rule.cycles if isinstance(rule, AnomalyEntry) else 3,
        rule.min_bytes if isinstance(rule, AnomalyEntry) else 0,
    )


def _check_rule(rule: ForecastEntry | InactivityEntry) -> CheckRule:
    is_forecast = isinstance(rule, ForecastEntry)
    return CheckRule(
        rule.id,
        "forecast" if is_forecast else "inactivity",
        time.fromisoformat(rule.at),
        *spoken(rule),
        rule.misfire_grace_seconds * 1000,
        policy_of(rule),
        rule.days if isinstance(rule, InactivityEntry) else 0,
        rule.silent_hours * HOUR_MS if isinstance(rule, ForecastEntry) else 0,
    )
