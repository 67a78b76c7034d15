"""Decisions in words. ``tests/unit/test_explain.py`` holds the list to the schema's."""

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
    "activated": "the account began",
    "plan_changed": "another plan at once",
    "plan_change_scheduled": "another plan from the next cycle on",
    "topped_up": "granted",
    "left_category": "no more reminders of the category",
    "joined_category": "reminders of the category again",
    "closed": "the account ended",
    "profile_changed": "another time zone, language or set of segments",
    "preferences_set": "the subscriber chose about reminders",
    "cycle_closed": "the billing cycle ended",
    "bucket_expired": "what was left expired",
    "held": "waits for the activation, or for its own time",
    "duplicate": "applied before, nothing was charged",
    "dedupe_shortened": "more event ids than are kept",
    "late_usage": "charged to what was valid then; no reminder of what is over",
    "refunded": "usage taken back",
    "rolled_over": "unused bytes go on into the new cycle",
    "cost_cap_lifted": "consent to spend beyond a cost cap",
    "cost_cap_restored": "consent to spend beyond a cost cap taken back",
    "member_joined": "somebody draws on the pool",
    "member_left": "somebody draws on the pool no more",
    "unknown_member": "charged to the pool, to no member: nobody of that name joined",
    "fired": "reminded",
    "superseded": "not sent: a higher threshold was reached at the same time, or while it waited",
    "opted_out": "not sent: the subscriber left the category",
    "missed": "not sent: too late to be useful",
    "quiet_hours": "held back by quiet hours",
    "capped": "held back by the frequency cap",
    "cool_down": "held back by the rule's cool-down",
    "coalescing": "waits for others to be told with it",
    "merged": "not sent by itself: told by a more urgent one of its group",
    "hysteresis": "not sent: reached again, but not far enough below it in between",
    "resolved": "what was told is over",
    "no_longer_true": "not sent: no longer true when it could have gone out",
    "out_of_validity": "not sent: outside the rule's validity",
    "asked": "asked for a second confirmation",
    "confirmed": "confirmed",
    "refused": "refused by the subscriber, or about something that is over",
    "timed_out": "nobody answered in time: nothing may be charged",
    "service_subscribed": "has the service",
    "service_unsubscribed": "has the service no more",
    "service_charged": "charged as confirmed",
    "charged_in_error": "charged without confirmation: to be given back",
    "service_refunded": "money was given back",
    "unsubscription_requested": "ended by a text",
    "located": "seen by the network in a zone",
    "location_outdated": "seen in a zone, but before what is known already",
    "plan_advised": "a better plan was found",
    "command": "the text was understood",
    "unknown_text": "the text was no command",
    "reply_limited": "done, but not answered: too many replies",
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
    """An instant as it is shown where many zones meet."""
    return f"{from_ms(instant_ms):%Y-%m-%dT%H:%M:%SZ}"


def why(audit: Audited, instant: Callable[[int], str] = utc) -> str:
    """What was decided and its figures, for people; ``instant`` shows points in time."""
    told = WHY.get(audit.decision, audit.decision.replace("_", " "))
    figures = ", ".join(figure(name, number, instant) for name, number in audit.figures.items())
    return f"{told} ({figures})" if figures else told


def level(value: int, unit: str | None) -> str:
    """A threshold; its unit is known from the rules or from a reminder of the rule only."""
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
    """An event in a few words; neither numbers nor texts of subscribers (law 21)."""
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
    OptedOut: lambda event: f"left category {event.category}",
    OptedIn: lambda event: f"joined category {event.category}",
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
"""Of each event, what happened."""
