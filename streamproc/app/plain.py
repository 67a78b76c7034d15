"""The compiled plain case of usage, if it is installed (``native/``); the core decides all else.

It applies usage that nothing special happens to, writing byte for byte what the core would write
(tests/property holds them together), and leaves every other record to the core. Usage that crosses
thresholds is plain under rules whose messages change no account; the core then tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streamproc.app.settings import Native
from streamproc.contracts.codec import MAX_RECORD_BYTES, encode_effect
from streamproc.core.alerts.sending import after_plain_usage, telling_changes_nothing
from streamproc.core.charging import crossed_from
from streamproc.core.effects import Cause, Effect
from streamproc.core.model import Account
from streamproc.core.reminding import threshold_of
from streamproc.core.rulebook import Rulebook, Scope, UsageKind, UsageRule

INTERFACE = 2
"""What the compiled part and this module agree on. Raised with every change of either side's part:
an older build, left in an environment, would write wrong states."""

try:
    import streamproc_native
except ImportError:  # not built here: the same results, slower
    streamproc_native = None


class NativeMissingError(RuntimeError):
    """The compiled part was demanded and is not installed, or is one of another release."""


@dataclass(frozen=True)
class _Thresholds:
    """The attributes that ``Thresholds`` in native/src/rules.rs reads."""

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
class _Rules:
    """The attributes that ``Rules`` in native/src/rules.rs reads."""

    fingerprint: int
    max_event_bytes: int
    max_ahead_ms: int
    max_age_ms: int
    dedupe_horizon_ms: int
    dedupe_max_ids: int
    only_told: bool
    thresholds: list[_Thresholds]
    scopes: dict[str, Scope]


def is_native(choice: Native) -> bool:
    """Whether the compiled part is used.

    Raises :class:`NativeMissingError` for a vain ``on``, and for a build of another release.
    """
    if choice == "off":
        return False
    if streamproc_native is None:
        if choice == "on":
            raise NativeMissingError("streamproc_native is not installed: pip install ./native")
        return False
    if getattr(streamproc_native, "INTERFACE", 1) != INTERFACE:
        # Not passed over in silence: a worker would be half as fast for no visible reason.
        raise NativeMissingError(
            "streamproc_native is of another release: pip install ./native, or --native off"
        )
    return True


def plain_usage(rules: Rulebook, *, event_clock: bool) -> Any:
    """``apply(records, start, stored, changed, told, topic, partition, clock_ms)``, which returns
    ``(next, clock_ms, crossed)``.

    ``told`` gets (key, reminder, audit record) of all that the compiled part tells of itself.
    ``crossed`` is None, or the fields of a :class:`Crossed`: then the record before ``next`` is
    applied, and has to be told of.

    None if usage does more under these rules than the compiled part knows of: then the core decides
    all.
    """
    if not rules.has_plain_usage or rules.watch_rules or rules.wants_last_use:
        return None
    limits = rules.limits
    known = _Rules(
        rules.fingerprint,
        limits.max_event_bytes,
        limits.max_ahead_ms,
        limits.max_age_ms,
        limits.dedupe_horizon_ms,
        limits.dedupe_max_ids,
        telling_changes_nothing(rules),
        [_thresholds(rule) for rule in rules.usage_rules],
        rules.scopes,
    )
    return streamproc_native.PlainUsage(known, event_clock, MAX_RECORD_BYTES)


class Crossed(NamedTuple):
    """Usage that was applied and crossed thresholds, in the order of ``native/src/lib.rs``."""

    event_id: str
    source: str
    time_ms: int
    received_ms: int
    used_bytes: int
    overage_bytes: int
    """Of these, what no bucket covered."""
    buckets: list[tuple[int, int]]
    """Position of a bucket in which thresholds were crossed, and what was used of it before."""


def effects_of(
    crossed: Crossed,
    account: Account,
    key: bytes,
    topic: str,
    partition: int,
    offset: int,
    rules: Rulebook,
) -> list[Effect]:
    """What the core says of it; ``account`` is the one afterwards."""
    cause = Cause(crossed.event_id, crossed.source, topic, partition, offset)
    as_of_ms = max(crossed.time_ms, crossed.received_ms)
    found = [
        crossed_from(account.buckets[position], used_bytes, rules)
        for position, used_bytes in crossed.buckets
    ]
    return after_plain_usage(
        account,
        key.decode(),
        found,
        crossed.used_bytes,
        crossed.overage_bytes,
        as_of_ms,
        cause,
        rules,
    )


_LEVELS: Final[dict[UsageKind, str]] = {
    "usage_percent": "percent",
    "remaining_percent": "percent",
    "remaining_bytes": "remaining",
    "used_bytes": "used",
}


def _thresholds(rule: UsageRule) -> _Thresholds:
    levels = list(rule.thresholds)
    if rule.kind == "remaining_percent":  # so much left is the rest used, to the byte
        levels = [100 - value for value in levels]
    unit = threshold_of(rule, 0)
    assert unit is not None, "usage rules have thresholds"
    return _Thresholds(
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


def _json(text: str) -> str:
    return encode_effect(text).decode()
