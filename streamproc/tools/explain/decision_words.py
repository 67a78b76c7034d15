"""Decisions in words. ``tests/commands/test_explain.py`` compares the list with the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from streamproc.core.commands.preferences import chosen_words
from streamproc.core.instants import LAST_MS, from_ms
from streamproc.core.rules.kinds import KINDS, RuleKind
from streamproc.core.state.effects import Audited, Balance
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    CostCapLifted,
    CostCapRestored,
    LocationUpdated,
    MemberJoined,
    MemberLeft,
    OptedIn,
    OptedOut,
    PlanChanged,
    PreferencesSet,
    ProfileChanged,
    ServiceCharged,
    ServiceChargeRequested,
    ServiceRefunded,
    ServiceRequested,
    ServiceSubscribed,
    ServiceUnsubscribed,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.texts.quantities import readable_bytes

WHY: dict[str, str] = {
    "activated": "the contract began",
    "plan_changed": "the plan changed at once",
    "plan_change_scheduled": "the plan will change with the next cycle",
    "topped_up": "data was granted",
    "left_category": "the subscriber opted out of the category",
    "joined_category": "the subscriber opted in to the category again",
    "closed": "the contract ended",
    "profile_changed": "the time zone, language or segments changed",
    "preferences_set": "the subscriber chose how to be reminded",
    "cycle_closed": "the billing cycle ended",
    "bucket_expired": "the bucket has ended",
    "held": "the event waits for the activation, or for its own time",
    "duplicate": "the event was applied before; nothing was charged",
    "dedupe_shortened": "the oldest event ids were forgotten, because the account has too many",
    "late_usage": "charged to the buckets of its time; no reminder about buckets that have ended",
    "refunded": "usage was taken back",
    "rolled_over": "unused bytes roll over into the new cycle",
    "cost_cap_lifted": "the subscriber allowed spending beyond a cost cap",
    "cost_cap_restored": "the subscriber no longer allows spending beyond a cost cap",
    "member_joined": "a member uses the pool from now on, or its role or cap changed",
    "member_left": "a member does not use the pool any more",
    "unknown_member": "charged to the pool only: the pool has no such member",
    "fired": "the message was written for the dispatcher",
    "superseded": "not sent: a higher threshold was reached at the same time, or while it waited",
    "opted_out": "not sent: the subscriber opted out of the category",
    "missed": "not sent: it is too late to be useful",
    "quiet_hours": "held by quiet hours",
    "capped": "held by the frequency cap",
    "cool_down": "held by the rule's cool-down",
    "coalescing": "waits for other messages of its group",
    "merged": "not sent: a more urgent message of its group says it",
    "hysteresis": "not sent: reached again, but the figure had not fallen far enough in between",
    "resolved": "the reason of an earlier message is over",
    "no_longer_true": "not sent: it was no longer true when it was due",
    "out_of_validity": "not sent: outside the rule's validity",
    "asked": "the subscriber was asked for a second confirmation",
    "confirmed": "confirmed by the subscriber, or the rules need no confirmation",
    "refused": "the subscriber refused, or the service or contract ended",
    "timed_out": "no answer in time: nothing may be charged",
    "service_subscribed": "the subscriber has the service now",
    "service_unsubscribed": "the subscriber does not have the service any more",
    "service_charged": "charged as confirmed",
    "charged_in_error": "charged without confirmation: billing must give the money back",
    "service_refunded": "billing gave money back",
    "unsubscription_requested": "the subscriber ended the service by SMS",
    "located": "the network saw the subscriber in a zone",
    "location_outdated": "ignored: a later location is already known",
    "plan_advised": "a better plan was found",
    "command": "the SMS was understood",
    "unknown_text": "the SMS is not a command",
    "reply_limited": "done, but without a reply: too many replies were sent",
}
"""A decision of a later release is shown by its own name."""


def about(audit: Audited, unit: str | None) -> str:
    """Rule, level and bucket of a decision: ``low-balance 80 % of data-basic``."""
    parts = []
    if audit.rule is not UNSET:
        parts.append(audit.rule)
    if audit.threshold is not UNSET:
        parts.append(level(audit.threshold, unit))
    if audit.bucket is not UNSET:
        parts.append(f"of {audit.bucket}" if parts else audit.bucket)
    if audit.category is not UNSET and audit.rule is UNSET:
        parts.append(audit.category)
    return " ".join(parts)


def utc(instant_ms: int) -> str:
    """An instant in UTC, for output about several time zones."""
    return f"{from_ms(instant_ms):%Y-%m-%dT%H:%M:%SZ}"


def why(audit: Audited, instant: Callable[[int], str] = utc) -> str:
    """A decision and its figures, for people. ``instant`` formats points in time."""
    told = WHY.get(audit.decision, audit.decision.replace("_", " "))
    figures = ", ".join(figure(name, number, instant) for name, number in audit.figures.items())
    return f"{told} ({figures})" if figures else told


def level(value: int, unit: str | None) -> str:
    """A threshold in words. Only the rules, or a reminder of the rule, tell its unit."""
    of_unit = (kind.level_words for kind in KINDS.values() if unit and kind.unit == unit)
    shown = next(of_unit, RuleKind.level_words)
    return shown.format(value, readable_bytes(value))


def figure(name: str, number: int, instant: Callable[[int], str] = utc) -> str:
    """A figure by the unit in its name: ``until 2026-01-05T08:00:00Z``, ``used 1.5 GB``."""
    stem, _, unit = name.rpartition("_")
    stem = stem.replace("_", " ")
    if unit == "bytes":
        return f"{stem} {readable_bytes(number)}"
    if unit == "minor":
        return f"{stem} {number} minor units"
    if unit != "ms":
        return f"{number} {name.replace('_', ' ')}"
    is_instant = 10**11 <= number < LAST_MS
    return f"{stem} {instant(number)}" if is_instant else f"{stem} {number} ms"


def balance(one: Balance) -> str:
    """A balance in a few words."""
    beyond = f", {readable_bytes(one.overage_bytes)} beyond" if one.overage_bytes else ""
    return (
        f"{readable_bytes(one.used_bytes)} of {readable_bytes(one.granted_bytes)} used, "
        f"{readable_bytes(one.remaining_bytes)} left{beyond}"
    )


def happened(event: SubscriberEvent) -> str:
    """An event in a few words, without numbers and SMS texts of subscribers (law 21)."""
    words = _EVENTS.get(type(event))
    if words is not None:
        return words(event)
    kind = type(event).__struct_config__.tag
    return str(kind).rpartition(".")[2].replace("_", " ")


def _usage(event: UsageRecorded) -> str:
    return f"{readable_bytes(event.used_bytes)} used{_where(event)}"


def _refund(event: UsageRefunded) -> str:
    return f"{readable_bytes(event.refunded_bytes)} of usage taken back{_where(event)}"


def _where(event: UsageRecorded | UsageRefunded) -> str:
    zone = "" if event.roaming_zone == "home" else f" in {event.roaming_zone}"
    group = f" (rating group {event.rating_group})" if event.rating_group else ""
    return zone + group


def _top_up(event: ToppedUp) -> str:
    if event.pack is not UNSET:
        return f"topped up with pack {event.pack}"
    granted = event.granted_bytes
    return f"topped up with {readable_bytes(granted) if granted is not UNSET else 'bytes'}"


def _profile(event: ProfileChanged) -> str:
    told = []
    if event.time_zone is not UNSET:
        told.append(f"time zone {event.time_zone}")
    if event.locale is not UNSET:
        told.append(f"language {event.locale}")
    if event.segments is not UNSET:
        told.append(f"segments {', '.join(event.segments) or 'none'}")
    return f"profile changed: {'; '.join(told)}"


def _choice(event: PreferencesSet) -> str:
    return f"chosen: {'; '.join(chosen_words(event))}"


def _consent(event: CostCapLifted | CostCapRestored) -> str:
    tariff = f" of {event.tariff}" if event.tariff else ""
    if isinstance(event, CostCapRestored):
        return f"consent to spend beyond the cap{tariff} taken back"
    return f"consent to spend beyond the cap{tariff} until {event.until.replace('_', ' ')}"


def _joined(event: MemberJoined) -> str:
    cap = "" if event.cap_bytes is UNSET else f", at most {readable_bytes(event.cap_bytes)}"
    return f"joined the pool as {event.role}{cap}"


def _location(event: LocationUpdated) -> str:
    zone = event.roaming_zone
    return "seen at home" if zone == "home" else f"seen in {zone}"


_EVENTS: dict[type[SubscriberEvent], Callable[[Any], str]] = {
    UsageRecorded: _usage,
    UsageRefunded: _refund,
    AccountActivated: lambda event: f"activated with plan {event.plan}",
    PlanChanged: lambda one: f"plan changed to {one.plan}, {one.effective.replace('_', ' ')}",
    ToppedUp: _top_up,
    OptedOut: lambda event: f"opted out of category {event.category}",
    OptedIn: lambda event: f"opted in to category {event.category}",
    ProfileChanged: _profile,
    PreferencesSet: _choice,
    CostCapLifted: _consent,
    CostCapRestored: _consent,
    MemberJoined: _joined,
    MemberLeft: lambda event: "left the pool",
    LocationUpdated: _location,
    ServiceRequested: lambda event: f"ordered {event.service}",
    ServiceSubscribed: lambda event: f"subscribed to {event.service}",
    ServiceUnsubscribed: lambda event: f"unsubscribed from {event.service}",
    ServiceChargeRequested: lambda one: f"billing is about to charge {one.service}",
    ServiceCharged: lambda one: f"billing charged {one.service}",
    ServiceRefunded: lambda one: f"billing gave money back for {one.service}",
    AccountClosed: lambda event: "contract closed",
}
"""What happened, by type of event."""
