"""What happened, in words, with instants on the subscriber's clocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from itertools import groupby, islice
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct, to_builtins
from msgspec.structs import replace

from streamproc.core.instants import from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import (
    Audited,
    ConfirmationDecided,
    Order,
    PolicyChanged,
    RefundRequested,
    Rejected,
)
from streamproc.core.state.events import (
    AccountActivated,
    MemberJoined,
    MemberLeft,
    PlanChanged,
    SmsReceived,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.core.texts.formats import formats
from streamproc.core.texts.quantities import readable_bytes
from streamproc.tools.explain.decision_words import about, happened, why
from streamproc.tools.explain.decision_words import level as level_words
from streamproc.tools.explain.showing import Units
from streamproc.tools.play.balances import Balances, BucketBalance, MemberBalance

SAID_BY_THE_EVENT = frozenset(
    (
        *("activated", "closed", "plan_changed", "plan_change_scheduled", "topped_up"),
        *("profile_changed", "preferences_set", "left_category", "joined_category"),
        *("cost_cap_lifted", "cost_cap_restored", "member_joined", "member_left", "located"),
        *("service_subscribed", "service_unsubscribed", "service_charged", "service_refunded"),
        *("refunded", "command"),
    )
)
"""Decisions that repeat what their event says."""

HELD = frozenset({"held", "quiet_hours", "capped", "cool_down", "coalescing"})
TOLD_BY_ANOTHER = frozenset({"superseded", "merged"})
DROPPED = frozenset({"opted_out", "missed", "hysteresis", "no_longer_true", "out_of_validity"})
"""Decisions grouped by their result for a message."""

_MOST_NAMES = 20
_NOT_SHOWN = frozenset({"type", "id", "subscriber", "time", "cause"})
"""Fields of most records. A timeline has them already, or they say nothing to people."""

ENCODINGS = {"gsm7": "GSM-7", "ucs2": "UCS-2"}

Clock = Callable[[int], str]


def day_of(instant_ms: int, zone: str) -> str:
    """``Mon 5 Jan 2026``."""
    local = from_ms(instant_ms).astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y}"


def clock_of(instant_ms: int, zone: str) -> str:
    """``09:00``, with seconds unless they are 0."""
    local = from_ms(instant_ms).astimezone(ZoneInfo(zone))
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def instant_in(zone: str) -> Clock:
    """Shows instants in a zone: ``Mon 5 Jan 2026 09:00``."""
    return lambda instant_ms: f"{day_of(instant_ms, zone)} {clock_of(instant_ms, zone)}"


def event_words(event: SubscriberEvent) -> str:
    """An event in words, with numbers and SMS texts: the subscribers of a play are invented."""
    if isinstance(event, SmsReceived):
        return f'sent an SMS: "{event.text}"'
    if isinstance(event, MemberJoined | MemberLeft):
        return f"{event.member} {happened(event)}"
    if isinstance(event, UsageRecorded) and event.member is not UNSET:
        return f"{happened(event)} by {event.member}"
    return happened(event)


def together(
    audits: Iterable[Audited], units: Units, clock: Clock
) -> Iterator[tuple[str, Audited]]:
    """Decisions in words. Decisions that differ in the threshold alone are one line."""

    def key(audit: Audited) -> object:
        member = audit.member or ""
        return audit.decision, audit.rule or "", audit.bucket or "", member, why(audit, clock)

    for _, group in groupby(audits, key):
        some = list(group)
        last = some[-1]
        levels = [level(one, units) for one in some]
        member = f" ({last.member})" if last.member else ""
        subject = about(replace(last, threshold=UNSET), None)
        if levels[0] and last.rule:
            of = f" of {last.bucket}" if last.bucket else ""
            subject = f"{last.rule} {', '.join(levels)}{of}"
        told = f"{subject}{member}: " if subject else ""
        yield f"{last.decision.replace('_', ' ')}: {told}{why(last, clock)}", last


def level(audit: Audited, units: Units) -> str:
    """The threshold of a decision, in its unit; empty if it has none."""
    if audit.threshold is UNSET or audit.rule is UNSET:
        return ""
    return level_words(audit.threshold, units.get(audit.rule))


def reject_words(reject: Rejected, event: SubscriberEvent, rules: Rulebook) -> str:
    """Why an event was rejected; for an unknown name also the names that the rules have."""
    told = f"{reject.reason}: {reject.detail}"
    if reject.reason == "unknown_plan" and isinstance(event, AccountActivated | PlanChanged):
        return f"{told}{_instead(event.plan, rules.plans)}"
    if reject.reason == "unknown_pack" and isinstance(event, ToppedUp):
        return f"{told}{_instead(str(event.pack), rules.packs)}"
    return told


def _instead(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f" ({name!r}; did you mean {near[0]}?)"
    names = list(islice(known, _MOST_NAMES))
    more = f" and {len(known) - len(names)} more" if len(known) > len(names) else ""
    return f" ({name!r}; there are: {', '.join(names) or 'none'}{more})"


def record_words(record: Struct) -> tuple[str, str]:
    """A record for another system: its sort, and the record in words.

    A record of a new type is shown with its fields until it has words of its own.
    """
    if isinstance(record, PolicyChanged):
        return "policy", _policy_words(record)
    if isinstance(record, Order):
        return "order", _order_words(record)
    told = [f"{name} {one}" for name, one in to_builtins(record).items() if name not in _NOT_SHOWN]
    return "record", f"{record.__struct_config__.tag}: {', '.join(told)}"


def _order_words(order: Order) -> str:
    """A record for billing in words."""
    service = order.service
    if isinstance(order, ConfirmationDecided):
        return f"to billing: {order.about} of {service} {order.outcome.replace('_', ' ')}"
    if isinstance(order, RefundRequested):
        amount = money(order.amount_minor, order.currency)
        return f"to billing: give back {amount} for {service}"
    return f"to billing: end {service}"


def _policy_words(policy: PolicyChanged) -> str:
    """A record for the policy system in words."""
    speed = "" if policy.throttle_kbps is UNSET else f" to {policy.throttle_kbps} kbit/s"
    member = "" if policy.member is UNSET else f" for {policy.member}"
    return (
        f"to the policy system: {policy.counter} {policy.state}{speed}{member} "
        f"({policy.reason.replace('_', ' ')})"
    )


def money(minor: int, currency: str) -> str:
    """``CN¥17.40``."""
    return formats("en", currency).money(minor)


def balance_words(one: BucketBalance) -> str:
    """The balance of one bucket: ``150 MB left of 500 MB``."""
    if one.is_unlimited:
        return f"unlimited, {readable_bytes(one.used_bytes)} used"
    return f"{readable_bytes(one.remaining_bytes)} left of {readable_bytes(one.granted_bytes)}"


def changed_words(before: Balances | None, after: Balances | None, clock: Clock) -> list[str]:
    """What changed, bucket by bucket; empty if nothing changed."""
    told = []
    known = (before, after)
    names = dict.fromkeys(one.id for side in known if side for one in side.buckets)
    for name in names:
        was = before.bucket(name) if before else None
        now = after.bucket(name) if after else None
        if was != now:
            told.append(f"{name}: {_bucket_change(was, now, clock)}")
    members = dict.fromkeys(one.member for side in known if side for one in side.members)
    for name in members:
        drew, draws = _member(before, name), _member(after, name)
        if drew != draws and draws is not None:
            told.append(f"{name}: {_member_words(drew, draws)}")
    return told


def beyond_words(before: Balances | None, after: Balances | None, currency: str) -> str:
    """The overage and its price; empty if it did not change."""
    was = (before.overage_bytes, before.spend_minor) if before else (0, 0)
    now = (after.overage_bytes, after.spend_minor) if after else (0, 0)
    if was == now:
        return ""
    price = f" ({money(now[1], currency)} in this cycle)" if now[1] or was[1] else ""
    return f"overage: {readable_bytes(was[0])} -> {readable_bytes(now[0])}{price}"


def _bucket_change(was: BucketBalance | None, now: BucketBalance | None, clock: Clock) -> str:
    if now is None:
        assert was is not None
        if was.is_unlimited:
            return "ended"
        left = was.remaining_bytes
        return f"ended, {f'{readable_bytes(left)} were left' if left else 'nothing was left'}"
    if was is None:
        size = "unlimited" if now.is_unlimited else readable_bytes(now.granted_bytes)
        used = f", {readable_bytes(now.used_bytes)} used" if now.used_bytes else ""
        return f"new, {size}{used}{_until(now, clock)}"
    if now.is_unlimited:
        used = f"{readable_bytes(was.used_bytes)} -> {readable_bytes(now.used_bytes)} used"
        return f"unlimited, {used}"
    has_moved = was.expires_ms != now.expires_ms
    if (was.remaining_bytes, was.granted_bytes) == (now.remaining_bytes, now.granted_bytes):
        change = balance_words(now)  # only its end differs
    else:
        change = f"{readable_bytes(was.remaining_bytes)} -> {balance_words(now)}"
    return change + (_until(now, clock) if has_moved else "")


def _until(bucket: BucketBalance, clock: Clock) -> str:
    if bucket.expires_ms is None:
        return ", without end"
    return f", until {clock(bucket.expires_ms)}"


def _member(side: Balances | None, name: str) -> MemberBalance | None:
    return next((one for one in side.members if one.member == name), None) if side else None


def _member_words(was: MemberBalance | None, now: MemberBalance) -> str:
    cap = "" if now.cap_bytes is None else f" of at most {readable_bytes(now.cap_bytes)}"
    before = "" if was is None else f"{readable_bytes(was.used_bytes)} -> "
    return f"{before}{readable_bytes(now.used_bytes)} used{cap} ({now.role})"
