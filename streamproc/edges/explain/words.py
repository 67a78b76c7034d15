"""Decisions in words. ``tests/unit/test_explain.py`` holds the list to the schema's."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.effects import Audited, Balance
from streamproc.core.events import (
    AccountActivated,
    OptedIn,
    OptedOut,
    PlanChanged,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.core.instants import LAST_MS, from_ms
from streamproc.core.texts.formats import readable_bytes

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
    "held": "not known yet: waits for the activation",
    "duplicate": "applied before, nothing was charged",
    "dedupe_shortened": "more event ids than are kept",
    "late_usage": "charged to what is over, without a reminder",
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


_LEVELS = {
    "percent": "{0} %",
    "percent_remaining": "{0} % left",
    "bytes": "{1} left",
    "bytes_used": "{1} used",
    "minor_units": "{0} minor units spent",
    "percent_of_cap": "{0} % of the cap spent",
    "bytes_in_window": "{1} in its window",
    "percent_of_usual": "{0} % of the usual",
}
"""By the unit of a threshold: its number plain, and as bytes."""


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


def why(audit: Audited) -> str:
    """What was decided and its figures, for people."""
    told = WHY.get(audit.decision, audit.decision.replace("_", " "))
    figures = ", ".join(figure(name, number) for name, number in audit.figures.items())
    return f"{told} ({figures})" if figures else told


def level(value: int, unit: str | None) -> str:
    """A threshold; its unit is known from the rules or from a reminder of the rule only."""
    shown = _LEVELS.get(unit or "", "at {0}")
    return shown.format(value, readable_bytes(value))


def figure(name: str, number: int) -> str:
    """A figure by the unit in its name: ``until 2026-01-05T08:00:00Z``, ``used 1.5 GB``."""
    stem, _, unit = name.rpartition("_")
    stem = stem.replace("_", " ")
    if unit == "bytes":
        return f"{stem} {readable_bytes(number)}"
    if unit != "ms":
        return f"{number} {name.replace('_', ' ')}"
    is_instant = 10**11 <= number < LAST_MS
    return f"{stem} {from_ms(number):%Y-%m-%dT%H:%M:%SZ}" if is_instant else f"{stem} {number} ms"


def balance(one: Balance) -> str:
    """A balance in a few words."""
    beyond = f", {readable_bytes(one.overage_bytes)} beyond" if one.overage_bytes else ""
    return (
        f"{readable_bytes(one.used_bytes)} of {readable_bytes(one.granted_bytes)} used, "
        f"{readable_bytes(one.remaining_bytes)} left{beyond}"
    )


def happened(event: SubscriberEvent) -> str:
    """An event in a few words."""
    if isinstance(event, UsageRecorded):
        zone = "" if event.roaming_zone == "home" else f" in {event.roaming_zone}"
        group = f" (rating group {event.rating_group})" if event.rating_group else ""
        return f"{readable_bytes(event.used_bytes)} used{zone}{group}"
    if isinstance(event, AccountActivated):
        return f"activated with plan {event.plan}"
    if isinstance(event, PlanChanged):
        return f"plan changed to {event.plan}, {event.effective.replace('_', ' ')}"
    if isinstance(event, ToppedUp):
        if event.pack is not UNSET:
            return f"topped up with pack {event.pack}"
        granted = event.granted_bytes
        return f"topped up with {readable_bytes(granted) if granted is not UNSET else 'bytes'}"
    if isinstance(event, OptedOut | OptedIn):
        verb = "left" if isinstance(event, OptedOut) else "joined"
        return f"{verb} category {event.category}"
    kind = type(event).__struct_config__.tag
    return str(kind).rpartition(".")[2].replace("_", " ")
