"""The entries of a rules file, with their fields and bounds (docs/rules.md describes them)."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, Union

from msgspec import Meta, defstruct

from streamproc.contracts.rules_file.format.conversation import (
    AnyNoticeEntry,
    CommandsEntry,
    ServiceEntry,
    ZoneEntry,
)
from streamproc.contracts.rules_file.format.plans import PackEntry, PlanEntry
from streamproc.core.rules.fields import (
    Count,
    Currency,
    Days,
    Locale,
    Names,
    QuietHoursEntry,
    Seconds,
    Strict,
    WindowSeconds,
    Words,
)
from streamproc.core.rules.kinds import KINDS
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.subscribers import SubscriberKind

AgeDays = Annotated[int, Meta(ge=1, le=200)]
"""Ids of events are remembered for so long; the memory knows 250 days (engine/ids.py)."""
AheadSeconds = Annotated[int, Meta(ge=0, le=30 * 86_400)]
Source = Annotated[str, Meta(min_length=1, max_length=256, description="the source of events")]


class StormsEntry(Strict, frozen=True):
    rate_per_second: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    mandatory_window_seconds: WindowSeconds = 0
    window_seconds: WindowSeconds = 0


class CapEntry(Strict, frozen=True):
    messages: Annotated[int, Meta(ge=1, le=100)]
    window_hours: Annotated[int, Meta(ge=1, le=31 * 24)]


class AlertsEntry(Strict, frozen=True):
    quiet_hours: QuietHoursEntry | None = None
    caps: tuple[CapEntry, ...] = ()


class SourceEntry(Strict, frozen=True):
    max_age_days: AgeDays


class LimitsEntry(Strict, frozen=True):
    max_event_bytes: Count = 1 << 40
    max_ahead_seconds: AheadSeconds = 300
    max_age_days: AgeDays = 40
    sources: dict[Source, SourceEntry] = {}
    dedupe_horizon_days: Days | None = None
    """Without effect: it follows from ``max_age_days``. Earlier releases had it."""
    dedupe_max_ids: Annotated[int, Meta(ge=100, le=65_536)] | None = None
    """Without effect: an account has no ids any more. Earlier releases had it."""
    hold_unknown_seconds: Seconds = 86_400
    hold_max_events: Annotated[int, Meta(ge=1, le=500)] = 100
    """Held events are in one state record, which must fit into a Kafka message."""
    history_cycles: Annotated[int, Meta(ge=1, le=24)] = 2
    subscribers: SubscriberKind = "any"


class RulesFormat(Strict, frozen=True, kw_only=True):
    """The whole file. It is read as :func:`rules_format`, which knows the kinds of rules."""

    version: Literal[1]
    currency: Currency
    default_locale: Locale
    brand: Words | None = None
    care: Words | None = None
    transliterate: tuple[Locale, ...] = ()
    byte_units: Literal["decimal", "binary"] = "decimal"
    currency_display: Literal["narrow", "standard"] = "narrow"
    limits: LimitsEntry = LimitsEntry()
    storms: StormsEntry = StormsEntry()
    alerts: AlertsEntry = AlertsEntry()
    plans: Annotated[tuple[PlanEntry, ...], Meta(min_length=1)]
    packs: tuple[PackEntry, ...] = ()
    topup_names: Names = {}
    rollover_names: Names = {}
    rules: Annotated[tuple[RuleEntry, ...], Meta(min_length=1)]
    """Each is an entry of its kind, see :func:`rules_format`."""
    services: tuple[ServiceEntry, ...] = ()
    roaming_zones: tuple[ZoneEntry, ...] = ()
    notices: tuple[AnyNoticeEntry, ...] = ()
    commands: CommandsEntry | None = None


def rules_format() -> type[RulesFormat]:
    """The type of a file with rules of all kinds that are registered now."""
    return _with_rules(tuple(kind.entry for kind in KINDS.values()))


@cache
def _with_rules(kinds: tuple[type[RuleEntry], ...]) -> type[RulesFormat]:
    entry: Any = Union[kinds]  # noqa: UP007
    rules: Any = Annotated[tuple[entry, ...], Meta(min_length=1)]
    found: Any = defstruct(
        "RulesFormat",
        [("rules", rules)],
        bases=(RulesFormat,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    known: type[RulesFormat] = found
    return known
