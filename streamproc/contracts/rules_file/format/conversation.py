"""Entries of a rules file about services, notices and commands (docs/notices.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from streamproc.core.rules.commands import Action, ReplyName, Word
from streamproc.core.rules.fields import (
    YEAR_SECONDS,
    ClockTime,
    Count,
    Id,
    Locale,
    Names,
    Natural,
    Priority,
    Seconds,
    SpokenEntry,
    Strict,
    Texts,
)


class ServiceEntry(Strict, frozen=True, kw_only=True):
    id: Id
    names: Names = {}
    price_minor: Natural
    confirm_charge: bool = True
    answer_seconds: Annotated[int, Meta(ge=60, le=YEAR_SECONDS)] = 86_400
    wrong_charge_refund_percent: Annotated[int, Meta(ge=0, le=1000)] = 200


class ZoneEntry(Strict, frozen=True, kw_only=True):
    id: Id
    names: Names = {}
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
    category_names: dict[Id, Names] = {}
    texts: dict[ReplyName, Texts] = {}
    category: Id = "replies"
    priority: Priority = 0
    ttl_seconds: Annotated[int, Meta(ge=1, le=YEAR_SECONDS)] = 600
    max_replies: Annotated[int, Meta(ge=1, le=50)] = 10
    window_seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 3600
