"""The compiled plain case of usage, if it is installed (``native/``); the core decides all else.

It applies usage that nothing special happens to, writing byte for byte what the core would write
(tests/property holds them together), and leaves every other record to the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamproc.app.settings import Native
from streamproc.contracts.codec import MAX_RECORD_BYTES
from streamproc.core.rulebook import Rulebook, Scope, UsageRule

try:
    import streamproc_native
except ImportError:  # not built here: the same results, slower
    streamproc_native = None


class NativeMissingError(RuntimeError):
    """The compiled part was demanded and is not installed."""


@dataclass(frozen=True)
class _Thresholds:
    bucket_kinds: set[str]
    is_percent: bool
    values: list[int]


@dataclass(frozen=True)
class _Rules:
    """The attributes that ``Rules`` in native/src/rules.rs reads."""

    fingerprint: int
    max_event_bytes: int
    max_ahead_ms: int
    max_age_ms: int
    dedupe_horizon_ms: int
    dedupe_max_ids: int
    thresholds: list[_Thresholds]
    scopes: dict[str, Scope]


def is_native(choice: Native) -> bool:
    """Whether the compiled part is used; raises :class:`NativeMissingError` for a vain ``on``."""
    if choice == "on" and streamproc_native is None:
        raise NativeMissingError("streamproc_native is not installed: pip install ./native")
    return choice != "off" and streamproc_native is not None


def plain_usage(rules: Rulebook, *, event_clock: bool) -> Any:
    """``apply(records, start, stored, changed, clock_ms) -> (next, clock_ms)`` for these rules.

    None if usage does more under them than the compiled part knows of: then the core decides all.
    """
    if not rules.has_plain_usage or rules.watch_rules or rules.wants_last_use:
        return None
    if any(rule.kind == "used_bytes" for rule in rules.usage_rules):
        return None
    limits = rules.limits
    known = _Rules(
        rules.fingerprint,
        limits.max_event_bytes,
        limits.max_ahead_ms,
        limits.max_age_ms,
        limits.dedupe_horizon_ms,
        limits.dedupe_max_ids,
        [_thresholds(rule) for rule in rules.usage_rules],
        rules.scopes,
    )
    return streamproc_native.PlainUsage(known, event_clock, MAX_RECORD_BYTES)


def _thresholds(rule: UsageRule) -> _Thresholds:
    if rule.kind == "remaining_percent":  # so much left is the rest used, to the byte
        values = [100 - value for value in rule.thresholds]
    else:
        values = list(rule.thresholds)
    return _Thresholds(set(rule.bucket_kinds), rule.kind != "remaining_bytes", values)
