"""Usage: charged, and what there is to say of it."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts import sending
from streamproc.core.alerts.alarms import are_at_rest
from streamproc.core.alerts.checks import note_use
from streamproc.core.alerts.usage import edges_of_crossed
from streamproc.core.alerts.watch import edges_of_usage, values_before
from streamproc.core.charging import charge, charge_late
from streamproc.core.decisions import balance_before, balance_of, explained
from streamproc.core.effects import Effect, audited, cause_of, rejected
from streamproc.core.events import Arrival, UsageRecorded
from streamproc.core.history import adjust_closed_cycle
from streamproc.core.model import CLOSED, Account
from streamproc.core.quota.policies import policies_differ
from streamproc.core.quota.tariffs import book_overage
from streamproc.core.quota.usage import after_usage
from streamproc.core.rulebook import Rulebook

NOTHING: tuple[Effect, ...] = ()


def use(
    account: Account, event: UsageRecorded, time_ms: int, arrival: Arrival, rules: Rulebook
) -> tuple[list[Effect] | tuple[Effect, ...], bool]:
    """Charge usage; the flag says whether it counted (and its id must be remembered)."""
    used_bytes = event.used_bytes
    if used_bytes > rules.limits.max_event_bytes:
        detail = f"more than {rules.limits.max_event_bytes} bytes in one event"
        return [rejected("absurd_bytes", detail, event, arrival)], False
    if (
        account.status == CLOSED
        or time_ms < account.cycle_start_ms
        or time_ms < account.activated_ms
    ):
        return _usage_of_the_past(account, event, time_ms, arrival)
    account.charged_bytes += used_bytes
    figures = values_before(account, time_ms, rules) if rules.watch_rules else []
    if rules.wants_last_use:
        note_use(account, time_ms, rules)
    granted_before, used_before, overage_before = 0, 0, account.overage_bytes
    for bucket in account.buckets:  # all that an event without effects pays for explanations
        granted_before += bucket.granted_bytes
        used_before += bucket.used_bytes
    if account.ended:
        crossed, taken = charge_late(
            account, used_bytes, event.rating_group, event.roaming_zone, time_ms, rules
        )
    else:
        taken = []
        crossed = charge(
            account, used_bytes, event.rating_group, event.roaming_zone, time_ms, rules
        )
    is_watched = event.member is not UNSET
    if account.extra is not None or account.plan in rules.watched_plans:
        overage_bytes = account.overage_bytes - overage_before
        if overage_bytes:
            book_overage(account, overage_bytes, event.rating_group, event.roaming_zone, rules)
        is_watched = is_watched or policies_differ(account, rules)
    # Figures are of now, not of when late usage happened, and so is the reminder's lifetime.
    as_of_ms = max(time_ms, arrival.received_ms)
    edges = edges_of_usage(account, figures, time_ms, used_bytes, rules) if figures else []
    has_alarms = account.extra is not None and bool(account.extra.alarms)
    is_usual = crossed is None and not (taken or edges or is_watched)
    if is_usual and (not has_alarms or are_at_rest(account, as_of_ms, rules)):
        return NOTHING, True
    cause = cause_of(event, arrival)
    out: list[Effect] = [
        audited(
            "late_usage",
            event.subscriber,
            arrival.received_ms,
            cause,
            bucket=bucket.id,
            used_bytes=taken_bytes,
        )
        for bucket, taken_bytes in taken
    ]
    told: list[Effect] = []
    if is_watched:
        told, of_cap = after_usage(account, event, as_of_ms, cause, rules)
        crossed = [*(crossed or ()), *of_cap] or None
    if crossed is not None or edges or has_alarms:
        out += sending.after_usage(
            account,
            event.subscriber,
            [*edges_of_crossed(crossed or []), *edges],
            figures,
            as_of_ms,
            cause,
            rules,
            event.member if isinstance(event.member, str) else "",
        )
    out.extend(told)
    if not out:
        return NOTHING, True
    after = balance_of(account)
    before = balance_before(after, granted_before, used_before, overage_before)
    return explained(out, before, after), True


def _usage_of_the_past(
    account: Account, event: UsageRecorded, time_ms: int, arrival: Arrival
) -> tuple[list[Effect], bool]:
    """Usage of a closed cycle or contract adjusts its history (law 11)."""
    if account.status == CLOSED and time_ms >= account.closed_ms:
        return [rejected("account_closed", "the account was closed", event, arrival)], False
    used_bytes = event.used_bytes
    cycle = adjust_closed_cycle(account, time_ms, used_bytes)
    if cycle is None:
        if time_ms < account.activated_ms:
            return [rejected("before_activation", "usage before activation", event, arrival)], False
        detail = "its billing cycle is no longer kept"
        return [rejected("cycle_forgotten", detail, event, arrival)], False
    account.charged_bytes += used_bytes
    late = audited(
        "late_usage",
        event.subscriber,
        arrival.received_ms,
        cause_of(event, arrival),
        used_bytes=used_bytes,
        cycle_start_ms=cycle.start_ms,
        cycle_overage_bytes=cycle.overage_bytes,
    )
    return [late], True
