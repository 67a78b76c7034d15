"""The rulebook as the compiled part reads it: plain attributes.

Each class here has a struct of the same fields in ``native/src/views_generated.rs``, made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final

from streamproc.contracts.records.codec import encode_effect
from streamproc.core.alerts.speakers import telling_changes_nothing
from streamproc.core.rules.account_rules import VELOCITY_SLOTS, WatchRule
from streamproc.core.rules.rulebook import Rulebook, Scope, UsageRule
from streamproc.core.texts.reminding import threshold_of
from streamproc.core.usage.figures import speed_key

Position = Annotated[int, "usize"]
"""A place in a list. The second argument is its type in Rust."""


class LevelsAre(IntEnum):
    """The meaning of the levels of a usage rule."""

    PERCENT = 0
    """Percent used."""
    USED = 1
    """Bytes used."""
    REMAINING = 2
    """Bytes remaining."""


@dataclass(frozen=True)
class Thresholds:
    """A usage rule."""

    bucket_kinds: set[str]
    buckets: set[str] | None
    """Sources of the buckets that the rule is about; None: all of its kinds."""
    levels_are: LevelsAre
    levels: list[int]
    """One level for each of ``values``."""
    values: list[int]
    id: str
    name: str
    """The id as JSON. The next fields are JSON too: they are copied into messages."""
    kind: str
    unit: str
    category: str
    severity: str
    priority: int
    mandatory: bool
    ttl_ms: int


@dataclass(frozen=True)
class AnomalyWatch:
    """Compares the cycle's usage with the average of the cycles before."""

    cycles: int
    thresholds: list[int]
    """Thresholds, ascending, in percent."""
    min_bytes: int


@dataclass(frozen=True)
class Speed:
    """Bytes within a window that moves in steps of one part."""

    key: str
    """The key of the window in accounts."""
    slot_ms: int
    slots: int
    thresholds: list[int]


@dataclass(frozen=True)
class Watch:
    """The watch rules, as far as they decide whether there is a message."""

    of_overage: bool
    """There are rules about overage, or about its cost."""
    of_uncovered: bool
    """There are rules about the first byte that costs."""
    of_nothing_left: bool
    """There are rules about the end of all data."""
    steps: list[int]
    """Step sizes in bytes: a rule sends a message at every multiple of them in the cycle's
    usage."""
    anomalies: list[AnomalyWatch]
    speeds: list[Speed]
    surely_silent_ms: int | None
    """For how long after a use no inactivity reminder can be due; None: there are no such rules."""


@dataclass(frozen=True)
class Tracked:
    """A rule that remembers what is reached, if the compiled part can see that it stays reached."""

    valid_from_ms: int
    valid_until_ms: int
    thresholds: list[int]
    hysteresis: int
    number: Position | None
    """For a rule about buckets: its place in ``Rules.thresholds``."""
    speed: Position | None
    """For a velocity rule: its place in ``Watch.speeds``."""


@dataclass(frozen=True)
class Rules:
    """Everything that the compiled part must know."""

    fingerprint: int
    max_event_bytes: int
    max_ahead_ms: int
    max_age_ms: int
    max_age_by_source: dict[str, int]
    only_told: bool
    """A crossed threshold changes no account: only its message must be made."""
    thresholds: list[Thresholds]
    scopes: dict[str, Scope]
    """Scopes of the buckets that do not cover everything, by source."""
    special_plans: set[str]
    """Plans with tariffs or policies."""
    not_home_data: set[str]
    """Sources of buckets that do not cover ordinary usage."""
    watch: Watch
    tracked: dict[str, Tracked]
    only_numbers: bool
    """Subscribers are phone numbers; the core processes all others."""
    id_key: str
    """The key of ids; empty: there is none."""


def known(rules: Rulebook) -> Rules:
    """Everything that the compiled part must know about these rules."""
    limits = rules.limits
    speeds = [rule for rule in rules.watch_rules if rule.kind == "velocity"]
    return Rules(
        rules.fingerprint,
        limits.max_event_bytes,
        limits.max_ahead_ms,
        limits.max_age_ms,
        limits.max_age_by_source,
        # Velocities and last uses are rarely used state of accounts, and then the core tells. Plans
        # and buckets out of the ordinary are judged account by account. Usage is not plain if it
        # can give watch rules a reason for a message.
        not (speeds or rules.wants_last_use) and telling_changes_nothing(rules),
        [_thresholds(rule) for rule in rules.usage_rules],
        rules.scopes,
        set(rules.watched_plans),
        set(rules.not_home_data),
        _watch(rules, speeds),
        _tracked(rules, speeds),
        limits.subscribers == "numbers",
        rules.id_key,
    )


_LEVELS: Final[dict[str, LevelsAre]] = {
    "usage_percent": LevelsAre.PERCENT,
    "remaining_percent": LevelsAre.PERCENT,
    "remaining_bytes": LevelsAre.REMAINING,
    "used_bytes": LevelsAre.USED,
}


def _thresholds(rule: UsageRule) -> Thresholds:
    levels = list(rule.thresholds)
    # The used bytes at which so many percent are left, exact to the byte.
    if rule.kind == "remaining_percent":
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
    figures = {one.figure for one in rules.shared_figures}
    return Watch(
        not figures.isdisjoint(("overage", "spend")),
        # Usage under plans with tariffs is not plain.
        any(rule.kind == "overage_started" and not rule.tariff for rule in watching),
        "left" in figures,
        [
            rule.thresholds[0]
            for rule in watching
            if rule.kind == "every_bytes" and rule.of == "usage" and rule.thresholds
        ],
        [
            AnomalyWatch(rule.cycles, list(rule.thresholds), rule.min_bytes)
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
    """The rules with a memory that the compiled part knows, by id."""
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
