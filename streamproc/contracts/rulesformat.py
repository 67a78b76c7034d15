"""The fields of a rules file, with their types and bounds (docs/rules.md describes them)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from streamproc.contracts.rulesquota import AllowanceEntry as AllowanceEntry
from streamproc.contracts.rulesquota import (
    Count,
    Id,
    Natural,
    PackEntry,
    PlanEntry,
    Priority,
    Strict,
)
from streamproc.core.commands.vocabulary import Action, ReplyName, Word
from streamproc.core.model import ALLOWANCE, PACK, TOPUP
from streamproc.core.rulebook import Every, Misfire

YEAR_SECONDS = 366 * 86_400

LOCALE_PATTERN = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
Locale = Annotated[
    str,
    Meta(
        pattern=LOCALE_PATTERN,
        description="a language tag such as en or zh-CN",
    ),
]
Channel = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="a channel such as push")
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="a currency code such as CNY")]
Seconds = Annotated[int, Meta(ge=0, le=YEAR_SECONDS)]
Days = Annotated[int, Meta(ge=1, le=3660)]
BucketKind = Literal["allowance", "pack", "topup", "rollover", "unlimited", "member"]
BucketKinds = Annotated[frozenset[BucketKind], Meta(min_length=1)]
BucketIds = Annotated[frozenset[Id], Meta(min_length=1)]
"""Of allowances and packs."""
Percent = Annotated[int, Meta(ge=1, le=100)]
PercentLeft = Annotated[int, Meta(ge=0, le=99)]
MuchPercent = Annotated[int, Meta(ge=1, le=100_000)]
Instant = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$",
        description="an instant such as 2026-01-31T16:00:00Z",
    ),
]
ClockTime = Annotated[
    str,
    Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of day such as "09:00"'),
]


CalendarDay = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description='a day such as "2026-12-24"'),
]
Segment = Annotated[str, Meta(min_length=1, max_length=64)]
WindowSeconds = Annotated[int, Meta(ge=0, le=43_200)]
"""At most half a day, or a daily reminder would come on the day after."""


class TextEntry(Strict, frozen=True):
    """A text with what few texts have; most are just a string."""

    text: str
    max_segments: Annotated[int, Meta(ge=1, le=10)] = 1
    """SMS parts that the text may need; ``streamproc texts lint`` holds it to that."""
    channels: dict[Channel, str] = {}
    """Other words for other channels than SMS."""


Texts = Annotated[dict[Locale, str | TextEntry], Meta(min_length=1)]


class SpokenEntry(Strict, frozen=True, tag_field="kind", kw_only=True):
    id: Id
    texts: Texts
    category: Id
    mandatory: bool = False
    priority: Priority = 5
    ttl_seconds: Annotated[int, Meta(ge=1, le=YEAR_SECONDS)] = 86_400


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
    pass


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


class CycleEndEntry(TimedEntry, frozen=True, tag="cycle_end", kw_only=True):
    pass


class BeforeExpiryEntry(ClockedEntry, frozen=True, tag="before_expiry", kw_only=True):
    days_before: Annotated[int, Meta(ge=0, le=365)]
    buckets: BucketIds | None = None


class ExpiryEntry(TimedEntry, frozen=True, tag="expiry", kw_only=True):
    hours_before: Annotated[int, Meta(ge=0, le=365 * 24)] = 0
    buckets: BucketIds | None = None


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


class QuietHoursEntry(Strict, frozen=True):
    start: ClockTime
    end: ClockTime


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


class ServiceEntry(Strict, frozen=True, kw_only=True):
    id: Id
    names: dict[Locale, str] = {}
    price_minor: Natural
    confirm_charge: bool = True
    answer_seconds: Annotated[int, Meta(ge=60, le=YEAR_SECONDS)] = 86_400
    wrong_charge_refund_percent: Annotated[int, Meta(ge=0, le=1000)] = 200


class ZoneEntry(Strict, frozen=True, kw_only=True):
    id: Id
    names: dict[Locale, str] = {}
    price_minor: Natural
    unit_bytes: Count = 1_000_000


class NoticeEntry(SpokenEntry, frozen=True, kw_only=True):
    in_quiet_hours: Literal["hold", "send"] | None = None


class WelcomeEntry(NoticeEntry, frozen=True, tag="activation_welcome", kw_only=True):
    pass


class SubscriptionQuestionEntry(
    NoticeEntry, frozen=True, tag="subscription_question", kw_only=True
):
    pass


class ChargeQuestionEntry(NoticeEntry, frozen=True, tag="charge_question", kw_only=True):
    pass


class TimedNoticeEntry(NoticeEntry, frozen=True, kw_only=True):
    at: ClockTime
    misfire_grace_seconds: Seconds = 21_600


class BeforeChargeEntry(TimedNoticeEntry, frozen=True, tag="before_charge", kw_only=True):
    days_before: Annotated[int, Meta(ge=0, le=31)]


class ChargedEntry(NoticeEntry, frozen=True, tag="service_charged", kw_only=True):
    pass


class ChargedInErrorEntry(NoticeEntry, frozen=True, tag="charged_in_error", kw_only=True):
    pass


class RefundedEntry(NoticeEntry, frozen=True, tag="service_refunded", kw_only=True):
    pass


class RoamingWelcomeEntry(NoticeEntry, frozen=True, tag="roaming_welcome", kw_only=True):
    pass


class PlanAdviceEntry(TimedNoticeEntry, frozen=True, tag="plan_advice", kw_only=True):
    days_after: Annotated[int, Meta(ge=0, le=27)] = 1
    cycles: Annotated[int, Meta(ge=1, le=24)] = 2
    saving_minor: Count = 1


AnyNoticeEntry = (
    WelcomeEntry
    | SubscriptionQuestionEntry
    | ChargeQuestionEntry
    | BeforeChargeEntry
    | ChargedEntry
    | ChargedInErrorEntry
    | RefundedEntry
    | RoamingWelcomeEntry
    | PlanAdviceEntry
)

Keywords = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...], Meta(min_length=1)
]


class CommandsEntry(Strict, frozen=True, kw_only=True):
    keywords: dict[Action, Keywords] = {}
    shown: dict[Locale, dict[Action, str]] = {}
    words: dict[Word, Keywords] = {}
    categories: dict[Id, Keywords] = {}
    texts: dict[ReplyName, Texts] = {}
    category: Id = "replies"
    priority: Priority = 0
    ttl_seconds: Annotated[int, Meta(ge=1, le=YEAR_SECONDS)] = 600
    max_replies: Annotated[int, Meta(ge=1, le=50)] = 10
    window_seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 3600


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
    limits: LimitsEntry = LimitsEntry()
    storms: StormsEntry = StormsEntry()
    alerts: AlertsEntry = AlertsEntry()
    plans: Annotated[tuple[PlanEntry, ...], Meta(min_length=1)]
    packs: tuple[PackEntry, ...] = ()
    rules: Annotated[tuple[AnyRuleEntry, ...], Meta(min_length=1)]
    services: tuple[ServiceEntry, ...] = ()
    roaming_zones: tuple[ZoneEntry, ...] = ()
    notices: tuple[AnyNoticeEntry, ...] = ()
    commands: CommandsEntry | None = None
