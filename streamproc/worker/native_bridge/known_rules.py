"""The rulebook as the compiled part reads it: plain attributes.

Each class here has a struct of the same fields in ``native/src/views_generated.rs``, made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final

from streamproc.contracts.records.codec import encode_effect
from streamproc.core.alerts.speakers import telling_changes_nothing
from streamproc.core.rules.rulebook import Rulebook, Scope, UsageRule
from streamproc.core.rules.watch import VELOCITY_SLOTS, WatchRule
from streamproc.core.texts.reminding import threshold_of
from streamproc.core.usage.figures import speed_key

Position = Annotated[int, "usize"]
"""A place in a list. The second argument is its type in Rust."""


class LevelsAre(IntEnum):
    """What the levels of a usage rule are."""

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
    """Sources of the buckets that it is about; None: all of its kinds."""
    levels_are: LevelsAre
    levels: list[int]
    """One for each of ``values``."""
    values: list[int]
    id: str
    name: str
    """The id as JSON; so are the next ones: they go into messages as they are."""
    kind: str
    unit: str
    category: str
    severity: str
    priority: int
    mandatory: bool
    ttl_ms: int


@dataclass(frozen=True)
class Anomaly:
    """The cycle's usage against the average of the cycles before."""

    cycles: int
    thresholds: list[int]
    """Ascending, in percent."""
    min_bytes: int


@dataclass(frozen=True)
class Speed:
    """Bytes within a window that slides by parts of it."""

    key: str
    """Under which accounts keep it."""
    slot_ms: int
    slots: int
    thresholds: list[int]


@dataclass(frozen=True)
class Watch:
    """The watch rules, as far as they bear on whether there is something to say."""

    of_overage: bool
    """There are rules about overage, or about what it costs."""
    of_uncovered: bool
    """There are rules about the first byte that costs."""
    of_nothing_left: bool
    """There are rules about nothing being left."""
    steps: list[int]
    """Bytes of the cycle's usage at whose every multiple a rule speaks."""
    anomalies: list[Anomaly]
    speeds: list[Speed]
    surely_silent_ms: int | None
    """For how long nobody is told of a silence after a use; None: nobody asks for silences."""


@dataclass(frozen=True)
class Tracked:
    """A rule that remembers what is reached, as far as that can be seen to stay reached."""

    valid_from_ms: int
    valid_until_ms: int
    thresholds: list[int]
    hysteresis: int
    number: Position | None
    """Of a rule about buckets, among ``Rules.thresholds``."""
    speed: Position | None
    """Of a velocity rule, among ``Watch.speeds``."""


@dataclass(frozen=True)
class Rules:
    """All that the compiled part has to know."""

    fingerprint: int
    max_event_bytes: int
    max_ahead_ms: int
    max_age_ms: int
    dedupe_horizon_ms: int
    dedupe_max_ids: Position
    only_told: bool
    """Crossing a threshold changes no account: it has to be told, and no more."""
    thresholds: list[Thresholds]
    scopes: dict[str, Scope]
    """By source of buckets, those that do not cover everything."""
    special_plans: set[str]
    """Plans with tariffs or policies."""
    not_home_data: set[str]
    """Sources of buckets that do not cover ordinary usage."""
    watch: Watch
    tracked: dict[str, Tracked]


def known(rules: Rulebook) -> Rules:
    """All that the compiled part has to know of these rules."""
    limits = rules.limits
    speeds = [rule for rule in rules.watch_rules if rule.kind == "velocity"]
    return Rules(
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


_LEVELS: Final[dict[str, LevelsAre]] = {
    "usage_percent": LevelsAre.PERCENT,
    "remaining_percent": LevelsAre.PERCENT,
    "remaining_bytes": LevelsAre.REMAINING,
    "used_bytes": LevelsAre.USED,
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
