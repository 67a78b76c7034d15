"""The entries of a rules file, with their fields and bounds (docs/rules.md describes them)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from streamproc.contracts.rules_file.format.conversation import (
    AnyNoticeEntry,
    CommandsEntry,
    ServiceEntry,
    ZoneEntry,
)
from streamproc.contracts.rules_file.format.fields import (
    BucketIds,
    BucketKinds,
    CalendarDay,
    ClockTime,
    Currency,
    Days,
    EndingKinds,
    ExpiringKinds,
    Instant,
    MuchPercent,
    Percent,
    PercentLeft,
    Seconds,
    Segment,
    SpokenEntry,
    WindowSeconds,
    Words,
)
from streamproc.contracts.rules_file.format.locales import Locale, Names
from streamproc.contracts.rules_file.format.plans import (
    Count,
    Id,
    Natural,
    PackEntry,
    PlanEntry,
    Strict,
)
from streamproc.core.rules.rulebook import Every, Misfire
from streamproc.core.state.account import ALLOWANCE, PACK, TOPUP


class RuleEntry(SpokenEntry, frozen=True, kw_only=True):
    severity: Literal["info", "warning", "critical"] = "info"
    audience: Literal["device_user", "account_holder", "both"] = "device_user"
    in_quiet_hours: Literal["hold", "send"] = "hold"
    cool_down_seconds: Seconds = 0
    coalesce_seconds: Seconds = 0
    group: Id | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class ReachingEntry(RuleEntry, frozen=True, kw_only=True):
    for_count: Annotated[int, Meta(ge=1, le=1000)] = 1
    hysteresis: Natural = 0
    evaluate_on_create: bool = False


class BucketEntry(ReachingEntry, frozen=True, kw_only=True):
    bucket_kinds: BucketKinds = frozenset((ALLOWANCE, PACK, TOPUP))
    buckets: BucketIds | None = None


class PercentEntry(BucketEntry, frozen=True, tag="usage_percent", kw_only=True):
    thresholds: Annotated[tuple[Percent, ...], Meta(min_length=1)]


class RemainingPercentEntry(BucketEntry, frozen=True, tag="remaining_percent", kw_only=True):
    thresholds: Annotated[tuple[PercentLeft, ...], Meta(min_length=1)]


class RemainingEntry(BucketEntry, frozen=True, tag="remaining_bytes", kw_only=True):
    thresholds: Annotated[tuple[Natural, ...], Meta(min_length=1)]


class UsedEntry(BucketEntry, frozen=True, tag="used_bytes", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]


class SpendAmountEntry(ReachingEntry, frozen=True, tag="spend_amount", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    tariff: Id | None = None


class SpendPercentEntry(ReachingEntry, frozen=True, tag="spend_percent", kw_only=True):
    thresholds: Annotated[tuple[MuchPercent, ...], Meta(min_length=1)]
    cap_minor: Count | None = None
    tariff: Id | None = None


class OverageStartedEntry(ReachingEntry, frozen=True, tag="overage_started", kw_only=True):
    tariff: Id | None = None


class EveryBytesEntry(RuleEntry, frozen=True, tag="every_bytes", kw_only=True):
    step_bytes: Count
    of: Literal["usage", "overage"] = "overage"


class VelocityEntry(ReachingEntry, frozen=True, tag="velocity", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    window_seconds: Annotated[int, Meta(ge=60, le=31 * 86_400)]


class AnomalyEntry(ReachingEntry, frozen=True, tag="anomaly", kw_only=True):
    thresholds: Annotated[tuple[MuchPercent, ...], Meta(min_length=1)]
    cycles: Annotated[int, Meta(ge=1, le=24)] = 3
    min_bytes: Natural = 0


class ZeroBalanceEntry(ReachingEntry, frozen=True, tag="zero_balance", kw_only=True):
    pass


class ResolvedEntry(RuleEntry, frozen=True, tag="resolved", kw_only=True):
    of: Annotated[frozenset[Id], Meta(min_length=1)]


class CorrectedEntry(RuleEntry, frozen=True, tag="usage_corrected", kw_only=True):
    when: Literal["uncrossed", "always"] = "uncrossed"


class TimedEntry(RuleEntry, frozen=True, kw_only=True):
    misfire_grace_seconds: Seconds = 21_600
    misfire: Misfire = "latest"
    plans: Annotated[frozenset[Id], Meta(min_length=1)] | None = None
    segments: Annotated[frozenset[Segment], Meta(min_length=1)] | None = None
    spread: bool = True


class ClockedEntry(TimedEntry, frozen=True, kw_only=True):
    at: ClockTime


class SummaryEntry(ClockedEntry, frozen=True, tag="usage_summary", kw_only=True):
    every: Every = "week"
    day: Annotated[int, Meta(ge=1, le=31)] = 1
    only_chosen: bool = False


class CronEntry(TimedEntry, frozen=True, tag="cron", kw_only=True):
    cron: Annotated[str, Meta(min_length=1, max_length=256)]


class OnceEntry(ClockedEntry, frozen=True, tag="once", kw_only=True):
    date: CalendarDay


class BeforeCycleEndEntry(ClockedEntry, frozen=True, tag="before_cycle_end", kw_only=True):
    # The cycle ends at midnight: one day before is its last day, none would be too late.
    days_before: Annotated[int, Meta(ge=1, le=27)]
    buckets: BucketIds | None = None
    bucket_kinds: EndingKinds | None = None


class CycleEndEntry(TimedEntry, frozen=True, tag="cycle_end", kw_only=True):
    pass


class BeforeExpiryEntry(ClockedEntry, frozen=True, tag="before_expiry", kw_only=True):
    days_before: Annotated[int, Meta(ge=0, le=365)]
    buckets: BucketIds | None = None
    bucket_kinds: ExpiringKinds | None = None


class QuietHoursEntry(Strict, frozen=True):
    start: ClockTime
    end: ClockTime


class ExpiryEntry(TimedEntry, frozen=True, tag="expiry", kw_only=True):
    hours_before: Annotated[int, Meta(ge=0, le=365 * 24)] = 0
    not_between: QuietHoursEntry | None = None
    buckets: BucketIds | None = None
    bucket_kinds: ExpiringKinds | None = None


class AfterActivationEntry(TimedEntry, frozen=True, tag="after_activation", kw_only=True):
    hours_after: Annotated[int, Meta(ge=1, le=10 * 366 * 24)]


class StormsEntry(Strict, frozen=True):
    rate_per_second: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    mandatory_window_seconds: WindowSeconds = 0
    window_seconds: WindowSeconds = 0


class CheckEntry(RuleEntry, frozen=True, kw_only=True):
    at: ClockTime
    misfire_grace_seconds: Seconds = 21_600


class ForecastEntry(CheckEntry, frozen=True, tag="forecast", kw_only=True):
    silent_hours: Annotated[int, Meta(ge=24, le=31 * 24)] = 24


class InactivityEntry(CheckEntry, frozen=True, tag="inactivity", kw_only=True):
    days: Annotated[int, Meta(ge=1, le=3660)]


class CapEntry(Strict, frozen=True):
    messages: Annotated[int, Meta(ge=1, le=100)]
    window_hours: Annotated[int, Meta(ge=1, le=31 * 24)]


class AlertsEntry(Strict, frozen=True):
    quiet_hours: QuietHoursEntry | None = None
    caps: tuple[CapEntry, ...] = ()


class LimitsEntry(Strict, frozen=True):
    max_event_bytes: Count = 1 << 40
    max_ahead_seconds: Seconds = 300
    max_age_days: Days = 40
    dedupe_horizon_days: Days = 75
    dedupe_max_ids: Annotated[int, Meta(ge=100, le=65_536)] = 16_384
    hold_unknown_seconds: Seconds = 86_400
    hold_max_events: Annotated[int, Meta(ge=1, le=500)] = 100
    """Held events lie in one state record, which must fit into a Kafka message."""
    history_cycles: Annotated[int, Meta(ge=1, le=24)] = 2


WatchEntry = (
    SpendAmountEntry
    | SpendPercentEntry
    | OverageStartedEntry
    | EveryBytesEntry
    | VelocityEntry
    | AnomalyEntry
    | ZeroBalanceEntry
)
AnyTimedEntry = (
    SummaryEntry
    | CronEntry
    | OnceEntry
    | BeforeCycleEndEntry
    | CycleEndEntry
    | BeforeExpiryEntry
    | ExpiryEntry
    | AfterActivationEntry
)
AnyRuleEntry = (
    PercentEntry
    | RemainingPercentEntry
    | RemainingEntry
    | UsedEntry
    | WatchEntry
    | ResolvedEntry
    | AnyTimedEntry
    | ForecastEntry
    | InactivityEntry
    | CorrectedEntry
)


class RulesFormat(Strict, frozen=True, kw_only=True):
    """The whole file."""

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
    rules: Annotated[tuple[AnyRuleEntry, ...], Meta(min_length=1)]
    services: tuple[ServiceEntry, ...] = ()
    roaming_zones: tuple[ZoneEntry, ...] = ()
    notices: tuple[AnyNoticeEntry, ...] = ()
    commands: CommandsEntry | None = None
