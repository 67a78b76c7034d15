"""The rulebook as the compiled part reads it: plain attributes, one class for each of its own.

What is not here is not plain: the compiled part then leaves usage to the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamproc.contracts.records.codec import encode_effect
from streamproc.core.alerts.speakers import telling_changes_nothing
from streamproc.core.rules.rulebook import Rulebook, Scope, UsageKind, UsageRule
from streamproc.core.rules.watch import VELOCITY_SLOTS, WatchRule
from streamproc.core.texts.reminding import threshold_of
from streamproc.core.usage.figures import speed_key


@dataclass(frozen=True)
class Thresholds:
    """As ``Thresholds`` in native/src/rules.rs."""

    bucket_kinds: set[str]
    buckets: set[str] | None
    levels_are: str
    levels: list[int]
    values: list[int]
    id: str
    name: str
    """The id as JSON; so are the next ones."""
    kind: str
    unit: str
    category: str
    severity: str
    priority: int
    mandatory: bool
    ttl_ms: int


@dataclass(frozen=True)
class Anomaly:
    """As ``Anomaly`` in native/src/watching.rs."""

    cycles: int
    thresholds: list[int]
    min_bytes: int


@dataclass(frozen=True)
class Speed:
    """As ``Speed`` in native/src/watching.rs."""

    key: str
    slot_ms: int
    slots: int
    thresholds: list[int]


@dataclass(frozen=True)
class Watch:
    """As ``Watch`` in native/src/watching.rs."""

    of_overage: bool
    of_uncovered: bool
    of_nothing_left: bool
    steps: list[int]
    anomalies: list[Anomaly]
    speeds: list[Speed]
    surely_silent_ms: int | None


@dataclass(frozen=True)
class Tracked:
    """As ``Tracked`` in native/src/rules.rs."""

    valid_from_ms: int
    valid_until_ms: int
    thresholds: list[int]
    hysteresis: int
    number: int | None
    speed: int | None


@dataclass(frozen=True)
class Known:
    """As ``Rules`` in native/src/rules.rs."""

    fingerprint: int
    max_event_bytes: int
    max_ahead_ms: int
    max_age_ms: int
    dedupe_horizon_ms: int
    dedupe_max_ids: int
    only_told: bool
    thresholds: list[Thresholds]
    scopes: dict[str, Scope]
    special_plans: set[str]
    not_home_data: set[str]
    watch: Watch
    tracked: dict[str, Tracked]


def known(rules: Rulebook) -> Known:
    """All that the compiled part has to know of these rules."""
    limits = rules.limits
    speeds = [rule for rule in rules.watch_rules if rule.kind == "velocity"]
    return Known(
        rules.fingerprint,
        limits.max_event_bytes,
        limits.max_ahead_ms,
        limits.max_age_ms,
        limits.dedupe_horizon_ms,
        limits.dedupe_max_ids,
        # What else these rules have may go into a message's words, or change the account. Usage
        # that gives watch rules a reason to speak is not plain.
        rules.has_plain_usage
        and not (speeds or rules.wants_last_use)
        and telling_changes_nothing(rules),
        [_thresholds(rule) for rule in rules.usage_rules],
        rules.scopes,
        set(rules.watched_plans),
        set(rules.not_home_data),
        _watch(rules, speeds),
        _tracked(rules, speeds),
    )


_LEVELS: Final[dict[UsageKind, str]] = {
    "usage_percent": "percent",
    "remaining_percent": "percent",
    "remaining_bytes": "remaining",
    "used_bytes": "used",
}


def _thresholds(rule: UsageRule) -> Thresholds:
    levels = list(rule.thresholds)
    if rule.kind == "remaining_percent":  # so much left is the rest used, to the byte
        levels = [100 - value for value in levels]
    unit = threshold_of(rule, 0)
    assert unit is not None, "usage rules have thresholds"
    return Thresholds(
        set(rule.bucket_kinds),
        None if rule.buckets is None else set(rule.buckets),
        _LEVELS[rule.kind],
        levels,
        list(rule.thresholds),
        rule.id,
        _json(rule.id),
        _json(rule.kind),
        _json(unit.unit),
        _json(rule.category),
        _json(rule.policy.severity),
        rule.priority,
        rule.mandatory,
        rule.ttl_ms,
    )


def _watch(rules: Rulebook, speeds: list[WatchRule]) -> Watch:
    watching = rules.watch_rules
    figures = {one.figure for one in rules.watchers}
    return Watch(
        not figures.isdisjoint(("overage", "spend")),
        # Plans with tariffs are not plain.
        any(rule.kind == "overage_started" and not rule.tariff for rule in watching),
        "left" in figures,
        [
            rule.thresholds[0]
            for rule in watching
            if rule.kind == "every_bytes" and rule.of == "usage" and rule.thresholds
        ],
        [
            Anomaly(rule.cycles, list(rule.thresholds), rule.min_bytes)
            for rule in watching
            if rule.kind == "anomaly"
        ],
        [
            Speed(
                speed_key(rule),
                rule.window_ms // VELOCITY_SLOTS,
                VELOCITY_SLOTS,
                list(rule.thresholds),
            )
            for rule in speeds
        ],
        rules.surely_silent_ms if rules.wants_last_use else None,
    )


def _tracked(rules: Rulebook, speeds: list[WatchRule]) -> dict[str, Tracked]:
    """By id the rules with a memory of which the compiled part knows."""
    numbers = {rule.id: number for number, rule in enumerate(rules.usage_rules)}
    speed_numbers = {rule.id: number for number, rule in enumerate(speeds)}
    known_rules: tuple[UsageRule | WatchRule, ...] = (*rules.usage_rules, *speeds)
    return {
        rule.id: Tracked(
            rule.policy.valid_from_ms,
            rule.policy.valid_until_ms,
            list(rule.thresholds),
            rule.policy.hysteresis,
            numbers.get(rule.id),
            speed_numbers.get(rule.id),
        )
        for rule in known_rules
        if rule.id in rules.tracked
    }


def _json(text: str) -> str:
    return encode_effect(text).decode()
