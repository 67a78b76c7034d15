"""The parts of a rulebook that the compiled part does not know. With them the core applies all
usage.

This module lists what was checked for usage: every kind of rule, every field of the structs that
usage meets, and the values of fields that have only certain ones. Anything else is left to the
core: a new kind, a kind of an installed package, a new value, a new field that differs from its
default. List it here when the compiled part does what the core does, or when usage certainly does
not meet it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from inspect import signature
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from streamproc.core.rules.account_rules import CheckRule, ResolvedRule, WatchRule
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, Limits, Pack, Plan, Rulebook, UsageRule
from streamproc.core.rules.scope import Scope
from streamproc.core.rules.sending import AlertPolicy, Cap, Policy, QuietHours
from streamproc.worker.native_bridge.interface.struct_fields import default_of

KINDS: Final = frozenset(
    (
        # Compiled: first kinds about buckets, then kinds about accounts.
        *("usage_percent", "remaining_percent", "remaining_bytes", "used_bytes"),
        *("spend_amount", "spend_percent", "overage_started", "every_bytes", "velocity"),
        *("anomaly", "zero_balance", "inactivity"),
        # Usage under plans with policies is left to the core.
        "access_limited",
        # Usage does not meet these kinds: they fire at instants, after other rules, or
        # after other events.
        *("forecast", "resolved", "usage_corrected"),
        *("usage_summary", "cron", "once", "before_cycle_end", "cycle_end", "before_expiry"),
        *("expiry", "after_activation"),
        *("activation_welcome", "subscription_question", "charge_question", "before_charge"),
        *("service_charged", "charged_in_error", "service_refunded", "roaming_welcome"),
        *("plan_advice", "command_reply"),
    )
)

_HIDDEN: Final = object()
_SPEAKING: Final = ("id", "kind", "texts", "category", "mandatory", "priority", "ttl_ms", "policy")
FIELDS: Final[dict[type[Struct], tuple[str, ...]]] = {
    Scope: ("rating_groups", "roaming_zones", "hours"),
    Allowance: ("id", "granted_bytes", "priority", "scope", "unlimited", "rollover", "names"),
    Plan: (
        *("id", "allowances", "overage_price_minor", "overage_unit_bytes", "price_minor"),
        *("overage_tiers", "cost_cap_minor", "tariffs", "policies", "names"),
    ),
    Pack: ("id", "granted_bytes", "validity_ms", "priority", "scope", "price_minor", "names"),
    Limits: (
        *("max_event_bytes", "max_ahead_ms", "max_age_ms", "max_age_by_source"),
        *("hold_unknown_ms", "hold_max_events", "history_cycles", "subscribers"),
    ),
    AlertPolicy: ("quiet_hours", "caps"),
    Policy: (
        *("severity", "audience", "in_quiet_hours", "cool_down_ms", "coalesce_ms", "group"),
        *("for_count", "hysteresis", "evaluate_on_create", "valid_from_ms", "valid_until_ms"),
    ),
    UsageRule: (*_SPEAKING, "thresholds", "bucket_kinds", "buckets"),
    WatchRule: (
        *(*_SPEAKING, "thresholds", "cap_minor", "tariff", "of", "window_ms", "cycles"),
        *("min_bytes", "policies"),
    ),
    CheckRule: (*_SPEAKING, "at", "misfire_grace_ms", "days", "silent_ms"),
    ResolvedRule: (*_SPEAKING, "of"),
    Tier: ("from_bytes", "price_minor", "unit_bytes"),
    Tariff: ("id", "tiers", "scope", "cap_minor"),
    PolicyCounter: (*("id", "when", "state", "after_bytes", "tariff", "throttle_kbps"), "scope"),
    Rollover: ("max_bytes", "cycles", "used"),
    QuietHours: ("start", "end"),
    Cap: ("messages", "window_ms"),
}
VALUES: Final[dict[tuple[type[Struct], str], frozenset[str]]] = {
    (Limits, "subscribers"): frozenset(("any", "numbers", "ids")),
    (Policy, "severity"): frozenset(("info", "warning", "critical")),
    (Policy, "audience"): frozenset(("device_user", "account_holder", "both")),
    (Policy, "in_quiet_hours"): frozenset(("hold", "send")),
    (UsageRule, "bucket_kinds"): frozenset(
        ("allowance", "unlimited", "pack", "topup", "rollover", "member")
    ),
    (WatchRule, "of"): frozenset(("usage", "overage")),
    (PolicyCounter, "when"): frozenset(("fair_use", "nothing_left", "cost_cap", "member_cap")),
    (PolicyCounter, "state"): frozenset(("throttled", "barred")),
    (Rollover, "used"): frozenset(("first", "last")),
}
"""The values of fields that have only certain ones."""


PARTS: Final = frozenset(
    (
        *("plans", "packs", "usage_rules", "timed_rules", "limits", "default_locale", "currency"),
        *("alerts", "text_options", "services", "zones", "notices", "commands"),
        *("correction_rules", "storms", "alert_rules", "wording", "id_key"),
    )
)
"""The parts of a rulebook."""


def unsupported(rules: Rulebook) -> list[str]:
    """Kinds and fields that these rules use and the compiled part does not know, by name."""
    kinds = (f"kind {rule.kind}" for rule in rules.speaking() if rule.kind not in KINDS)
    used = (name for part in _met_by_usage(rules) for name in _unsupported_fields(part))
    return sorted({*kinds, *used, *_unsupported_parts(rules)})


def _unsupported_parts(rules: Rulebook) -> Iterator[str]:
    """Parts that differ from their default, or that the rulebook does not show."""
    for name, parameter in signature(type(rules)).parameters.items():
        if name not in PARTS and getattr(rules, name, _HIDDEN) != parameter.default:
            yield f"Rulebook.{name}"


def _met_by_usage(rules: Rulebook) -> Iterator[Struct]:
    """The structs that usage meets, with all that are in them."""
    yield from _structs_in((rules.limits, rules.alerts))
    yield from _structs_in((*rules.plans.values(), *rules.packs.values()))
    yield from _structs_in((*rules.usage_rules, *rules.watch_rules))
    yield from _structs_in((*rules.check_rules, *rules.resolved_rules))


def _structs_in(value: Any) -> Iterator[Struct]:
    if isinstance(value, Struct):
        yield value
        for field in _fields_of(type(value)):
            yield from _structs_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _structs_in(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for one in value:
            yield from _structs_in(one)


@cache
def _fields_of(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """The fields of a struct. msgspec reads the annotations again at each call."""
    return fields(kind)


def _unsupported_fields(part: Struct) -> Iterator[str]:
    """Fields that differ from their default, and values that nobody has looked at. A subclass
    declares nothing beyond its base class."""
    kind = next((base for base in type(part).__mro__ if base in FIELDS), type(part))
    known = FIELDS.get(kind, ())
    for field in _fields_of(type(part)):
        value, name = getattr(part, field.name), f"{type(part).__name__}.{field.name}"
        if field.name not in known:
            if value != default_of(field):
                yield name
        elif (kind, field.name) in VALUES:
            given = {value} if isinstance(value, str) else set(value)
            for one in sorted(given - VALUES[kind, field.name]):
                yield f"{name} {one}"
