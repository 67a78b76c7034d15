"""The heart: ``step`` applies one event, ``advance`` lets time pass. Both are total and pure.

Bad, late or duplicate input is an effect with a reason, never an exception. What falls due before
an event arrived is done before the event is applied, so the outcome does not depend on whether the
worker's timer or the event came first.
"""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core import dedupe, lifecycle
from streamproc.core.alerts import gate, sending
from streamproc.core.alerts.checks import forget_forecasts, next_check_ms
from streamproc.core.alerts.figures import remaining_bytes
from streamproc.core.alerts.watch import values_before
from streamproc.core.charging import charge, charge_late
from streamproc.core.commands.answering import sms_received
from streamproc.core.decisions import balance_before, balance_of, explained
from streamproc.core.effects import Cause, Effect, audited, cause_of, rejected
from streamproc.core.events import (
    AccountActivated,
    AccountClosed,
    Arrival,
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
    SmsReceived,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.history import adjust_closed_cycle
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.model import ACTIVE, CLOSED, HELD, Account, Held, drop_empty_extra, extra_of
from streamproc.core.notices.beginning import begin_contract
from streamproc.core.notices.roaming import location_updated
from streamproc.core.notices.services import end_contract, service_event
from streamproc.core.notices.timing import do_due, forget_cycle
from streamproc.core.plan_change import change_plan
from streamproc.core.quota import consent, pools
from streamproc.core.quota.corrected import messages_of_refund
from streamproc.core.quota.policies import policies_differ, policy_changes
from streamproc.core.quota.refunds import refund
from streamproc.core.quota.tariffs import book_overage
from streamproc.core.quota.usage import after_usage
from streamproc.core.rulebook import Rulebook
from streamproc.core.schedule.choices import set_preferences
from streamproc.core.schedule.misfire import message_of_late
from streamproc.core.schedule.profile import change_profile
from streamproc.core.timed import next_due_ms, reminders_due

NOTHING: tuple[Effect, ...] = ()

MAX_PARTS = 500
"""Buckets and categories of one account: its record must fit into a Kafka message."""

Step = tuple[Account | None, "list[Effect] | tuple[Effect, ...]"]


def step(
    account: Account | None, event: SubscriberEvent, arrival: Arrival, rules: Rulebook
) -> Step:
    """Apply an event to its subscriber's account, which this call takes over.

    Returns the account to keep (None: nothing is known of the subscriber any more) and effects in
    the order in which they happened.
    """
    limits = rules.limits
    received_ms = arrival.received_ms
    time_ms = to_ms(event.time)
    if time_ms > received_ms + limits.max_ahead_ms:
        detail = f"event time is {time_ms - received_ms} ms after its arrival"
        return account, [rejected("time_in_future", detail, event, arrival)]
    if time_ms < received_ms - limits.max_age_ms:
        detail = f"event time is {received_ms - time_ms} ms before its arrival"
        return account, [rejected("time_in_past", detail, event, arrival)]

    out: list[Effect] = []
    now_ms = time_ms if time_ms > received_ms else received_ms
    if account is not None:
        if account.rules_id != rules.fingerprint:
            adopt_rules(account, event.subscriber, now_ms, rules)
        if now_ms >= account.next_due_ms:
            account, done = advance(account, event.subscriber, now_ms, rules)
            out.extend(done)
    if account is None or account.status == HELD:
        return _hold_or_begin(account, event, arrival, rules, out)

    key = dedupe.digest(event.source, event.id)
    if dedupe.is_seen(account, key):
        cause = cause_of(event, arrival)
        out.append(audited("duplicate", event.subscriber, received_ms, cause))
        return account, out
    also: list[bytes] | None = None
    if type(event) is UsageRecorded:
        effects, counted = _usage(account, event, time_ms, arrival, rules)
    else:
        before = balance_of(account)
        if type(event) is UsageRefunded:
            effects, also = refund(account, event, arrival, rules)
            if event.notify and account.status == ACTIVE:
                cause = cause_of(event, arrival)
                messages = messages_of_refund(
                    account, event, now_ms, cause, rules, is_applied=also is not None
                )
                effects.extend(sending.submit(account, event.subscriber, messages, now_ms, rules))
        else:
            effects = _account_event(account, event, arrival, rules)
        if account.extra is not None:
            cause = cause_of(event, arrival)
            effects += sending.after_change(account, event.subscriber, now_ms, cause, rules)
        effects = explained(effects, before, balance_of(account))
        effects.extend(
            policy_changes(account, event.subscriber, now_ms, cause_of(event, arrival), rules)
        )
        # Everything due up to now has been done: what the event brings with it counts from here.
        account.clock_ms = max(account.clock_ms, now_ms)
        counted = not any(_is_reject(effect) for effect in effects)
        _reschedule(account, event.subscriber, rules)
    if counted:
        lost = dedupe.remember(
            account, key, received_ms, limits.dedupe_horizon_ms, limits.dedupe_max_ids
        )
        for other in also or ():
            lost += dedupe.remember(
                account, other, received_ms, limits.dedupe_horizon_ms, limits.dedupe_max_ids
            )
        if lost:
            cause = cause_of(event, arrival)
            out.append(
                audited(
                    "dedupe_shortened", event.subscriber, received_ms, cause, forgotten_ids=lost
                )
            )
    if not out:
        return account, effects
    out.extend(effects)
    return account, out


def advance(
    account: Account,
    subscriber: str,
    now_ms: int,
    rules: Rulebook,
    *,
    lateness_counts: bool = False,
) -> tuple[Account | None, list[Effect]]:
    """Do everything that falls due up to and including ``now_ms``, in order of its instants.

    ``lateness_counts`` is for a clock that really passed while nobody worked: reminders later than
    their rule's misfire grace are then audited as missed. Time that passes between two records of
    the log is never late, so a replay decides as the first run did (law 5).
    """
    out: list[Effect] = []
    if account.rules_id != rules.fingerprint:
        adopt_rules(account, subscriber, now_ms, rules)
    while (due_ms := account.next_due_ms) <= now_ms:
        if account.status == HELD:
            _let_go_of_held(account, now_ms, rules, out)
            if not account.held:
                return None, out
            continue
        if account.status == CLOSED:
            return None, out
        before = balance_of(account)
        # A reminder of this very instant speaks of the state before the cycle or pack ends.
        wall_ms = now_ms if lateness_counts else due_ms
        told: list[Effect] = []
        if account.extra is not None:
            told.extend(sending.release(account, subscriber, due_ms, wall_ms, rules))
        _remind_due(account, subscriber, due_ms, wall_ms, rules, told)
        told.extend(do_due(account, subscriber, due_ms, wall_ms, rules))
        if rules.has_checks:
            told.extend(sending.at_instant(account, subscriber, due_ms, wall_ms, rules))
        out.extend(explained(told, before, before))
        left_bytes = remaining_bytes(account) if rules.watch_rules else 0
        ended = lifecycle.expire_buckets(account, subscriber, due_ms)
        if ended and left_bytes:
            ended += sending.after_expiry(account, subscriber, left_bytes, due_ms, rules)
        if due_ms >= account.cycle_end_ms:
            ended += lifecycle.roll_cycle(account, subscriber, rules)
            forget_forecasts(account)
            forget_cycle(account, rules)
        if account.extra is not None:
            cause = Cause(due_time=from_ms(due_ms))
            ended += sending.after_change(account, subscriber, due_ms, cause, rules)
        if ended:
            out.extend(explained(ended, before, balance_of(account)))
        if account.extra is not None or account.plan in rules.policies:
            cause = Cause(due_time=from_ms(due_ms))
            out.extend(policy_changes(account, subscriber, due_ms, cause, rules))
        # A validity may end before the present (a late top-up); the clock never runs backwards, or
        # reminders would be sent twice.
        account.clock_ms = max(account.clock_ms, due_ms)
        account.next_due_ms = next_due_ms(account, subscriber, rules)
    return account, out


def _remind_due(
    account: Account,
    subscriber: str,
    due_ms: int,
    wall_ms: int,
    rules: Rulebook,
    out: list[Effect],
) -> None:
    """The timed reminders of an instant, which may be past by the wall clock."""
    messages = []
    for due in reminders_due(account, subscriber, due_ms, rules):
        found = message_of_late(account, subscriber, due, wall_ms)
        if isinstance(found, gate.Message):
            messages.append(found)
        else:
            out.append(found)
    if messages:
        out.extend(sending.submit(account, subscriber, messages, due_ms, rules, wall_ms))


def adopt_rules(account: Account, subscriber: str, now_ms: int, rules: Rulebook) -> None:
    """Schedule an account anew after a change of rules that is in force since ``now_ms``.

    What only the new rules would have asked for before is not made up for; what was due under the
    old ones and has not been done is.
    """
    account.clock_ms = max(account.clock_ms, min(now_ms, account.next_due_ms - 1))
    _reschedule(account, subscriber, rules)


def _let_go_of_held(account: Account, now_ms: int, rules: Rulebook, out: list[Effect]) -> None:
    """Reject the held events that have waited long enough."""
    kept: list[Held] = []
    for held in account.held:
        if held.arrival.received_ms + rules.limits.hold_unknown_ms > now_ms:
            kept.append(held)
            continue
        detail = "no activation arrived while the event was held"
        out.append(rejected("unknown_subscriber", detail, held.event, held.arrival))
    account.held = kept
    if kept:
        _reschedule(account, "", rules)  # nothing of a held account is spread


def _reschedule(account: Account, subscriber: str, rules: Rulebook) -> None:
    account.next_due_ms = next_due_ms(account, subscriber, rules)
    account.rules_id = rules.fingerprint


def _is_reject(effect: Effect) -> bool:
    return type(effect).__name__ == "Rejected"


def _usage(
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
    figures = values_before(account, time_ms, rules) if rules.watch_rules else None
    if rules.wants_last_use:
        extra_of(account).used_ms = max(extra_of(account).used_ms, time_ms)
        account.next_due_ms = min(account.next_due_ms, next_check_ms(account, rules))
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
    has_alarms = account.extra is not None and bool(account.extra.alarms)
    is_of_interest = is_watched or has_alarms or figures is not None
    if crossed is None and not taken and not is_of_interest:
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
    # Figures are of now, not of when late usage happened, and so is the reminder's lifetime.
    as_of_ms = max(time_ms, arrival.received_ms)
    told: list[Effect] = []
    if is_watched:
        told, of_cap = after_usage(account, event, as_of_ms, cause, rules)
        crossed = [*(crossed or ()), *of_cap] or None
    if crossed is not None or figures is not None or has_alarms:
        out += sending.after_usage(
            account,
            event.subscriber,
            crossed or [],
            figures,
            time_ms,
            used_bytes,
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


def _account_event(
    account: Account, event: SubscriberEvent, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    if isinstance(event, AccountActivated):
        return _activate(account, event, arrival, rules)
    if account.status != ACTIVE:
        return [rejected("account_closed", "the account was closed", event, arrival)]
    if isinstance(event, PlanChanged | AccountClosed) and to_ms(event.time) < account.activated_ms:
        detail = "it is about an earlier contract"
        return [rejected("before_activation", detail, event, arrival)]
    if isinstance(event, PlanChanged | ToppedUp | OptedOut | MemberJoined) and _is_full(account):
        detail = f"the account holds {MAX_PARTS} buckets and categories already"
        return [rejected("account_full", detail, event, arrival)]
    if isinstance(event, PlanChanged):
        return change_plan(account, event, arrival, rules)
    if isinstance(event, ToppedUp):
        return lifecycle.top_up(account, event, arrival, rules)
    if isinstance(event, AccountClosed):
        cause = cause_of(event, arrival)
        decided = end_contract(account, event.subscriber, arrival.received_ms, cause, rules)
        closed = lifecycle.close(account, event.subscriber, to_ms(event.time), cause, rules)
        drop_empty_extra(account)
        return [*decided, *closed]
    if isinstance(event, OptedOut | OptedIn):
        return lifecycle.opt(account, event, arrival)
    if isinstance(event, LocationUpdated):
        return location_updated(account, event, arrival, rules)
    if isinstance(event, SmsReceived):
        return sms_received(account, event, arrival, rules)
    if isinstance(event, ProfileChanged):
        return change_profile(account, event, arrival, rules)
    if isinstance(event, PreferencesSet):
        return set_preferences(account, event, arrival)
    if isinstance(event, CostCapLifted | CostCapRestored):
        return consent.change(account, event, arrival, rules)
    if isinstance(event, MemberJoined):
        return pools.join(account, event, arrival)
    if isinstance(event, MemberLeft):
        return pools.leave(account, event, arrival)
    if isinstance(event, UsageRecorded | UsageRefunded):  # pragma: no cover - step's own
        raise TypeError("usage is not an account event")
    return service_event(account, event, arrival, rules)


def _activate(
    account: Account, event: AccountActivated, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    effects = lifecycle.activate(account, event, arrival, rules)
    if not any(_is_reject(effect) for effect in effects):
        effects.extend(begin_contract(account, event, arrival, rules))
    return effects


def _is_full(account: Account) -> bool:
    members = pools.member_count(account)
    parts = len(account.buckets) + len(account.ended) + len(account.opted_out) + members
    return parts >= MAX_PARTS


def _hold_or_begin(
    account: Account | None,
    event: SubscriberEvent,
    arrival: Arrival,
    rules: Rulebook,
    out: list[Effect],
) -> Step:
    """An unknown subscriber: begin with an activation, hold anything else for a while."""
    limits = rules.limits
    if not isinstance(event, AccountActivated):
        if limits.hold_unknown_ms == 0:
            out.append(rejected("unknown_subscriber", "never activated", event, arrival))
            return account, out
        account = account or Account()
        if len(account.held) >= limits.hold_max_events:
            detail = f"already {limits.hold_max_events} events held for this subscriber"
            out.append(rejected("unknown_subscriber", detail, event, arrival))
            return account, out
        account.held.append(Held(event, arrival))
        _reschedule(account, event.subscriber, rules)
        out.append(audited("held", event.subscriber, arrival.received_ms, cause_of(event, arrival)))
        return account, out

    fresh = Account()
    before = balance_of(fresh)
    effects = _activate(fresh, event, arrival, rules)
    out.extend(explained(effects, before, balance_of(fresh)))
    if fresh.status != ACTIVE:
        return account, out
    now_ms = max(to_ms(event.time), arrival.received_ms)
    cause = cause_of(event, arrival)
    out.extend(policy_changes(fresh, event.subscriber, now_ms, cause, rules))
    key = dedupe.digest(event.source, event.id)
    dedupe.remember(
        fresh, key, arrival.received_ms, limits.dedupe_horizon_ms, limits.dedupe_max_ids
    )
    _reschedule(fresh, event.subscriber, rules)
    current: Account | None = fresh
    for held in account.held if account else ():
        current, released = step(current, held.event, held.arrival, rules)
        out.extend(released)
    return current, out
