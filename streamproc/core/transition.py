"""The heart: ``step`` applies one event, ``advance`` lets time pass. Both are total and pure.

Bad, late or duplicate input is an effect with a reason, never an exception. What falls due before
an event arrived is done before the event is applied, so the outcome does not depend on whether the
worker's timer or the event came first.
"""

from __future__ import annotations

from streamproc.core import dedupe
from streamproc.core.account_events import account_event, activate, is_reject
from streamproc.core.advancing import adopt_rules, advance, reschedule
from streamproc.core.alerts import sending
from streamproc.core.alerts.gate import terms_of
from streamproc.core.alerts.losses import LESSENING, standing_of
from streamproc.core.decisions import balance_of, explained
from streamproc.core.effects import Effect, audited, cause_of, rejected
from streamproc.core.events import (
    AccountActivated,
    Arrival,
    MemberJoined,
    SubscriberEvent,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.instants import to_ms
from streamproc.core.model import ACTIVE, HELD, Account, Held
from streamproc.core.quota.corrected import messages_of_refund
from streamproc.core.quota.policies import policy_changes
from streamproc.core.quota.refunds import refund
from streamproc.core.rulebook import Rulebook
from streamproc.core.using import use

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
        effects, counted = use(account, event, time_ms, arrival, rules)
    else:
        before, terms, standing = balance_of(account), terms_of(account), None
        if type(event) is UsageRefunded:
            effects, also = refund(account, event, arrival, rules)
            if event.notify and account.status == ACTIVE:
                cause = cause_of(event, arrival)
                # What an earlier contract is given back is no news of this one.
                is_applied = also is not None and time_ms >= account.activated_ms
                messages = messages_of_refund(
                    account, event, now_ms, cause, rules, is_applied=is_applied
                )
                effects.extend(sending.submit(account, event.subscriber, messages, now_ms, rules))
        else:
            standing = standing_of(account, rules) if isinstance(event, LESSENING) else None
            effects = account_event(account, event, arrival, rules)
        if account.extra is not None:
            cause = cause_of(event, arrival)
            effects += sending.after_change(account, event.subscriber, now_ms, cause, rules)
        if standing is not None:
            cause = cause_of(event, arrival)
            member = event.member if isinstance(event, MemberJoined) else ""
            effects += sending.after_loss(
                account, event.subscriber, standing, now_ms, cause, rules, member
            )
        if account.status == ACTIVE and account.extra is not None and terms_of(account) != terms:
            cause = cause_of(event, arrival)
            effects += sending.look_again(account, event.subscriber, now_ms, cause, rules)
        effects = explained(effects, before, balance_of(account))
        effects.extend(
            policy_changes(account, event.subscriber, now_ms, cause_of(event, arrival), rules)
        )
        # Everything due up to now has been done: what the event brings with it counts from here.
        account.clock_ms = max(account.clock_ms, now_ms)
        counted = not any(is_reject(effect) for effect in effects)
        reschedule(account, event.subscriber, rules)
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
        reschedule(account, event.subscriber, rules)
        out.append(audited("held", event.subscriber, arrival.received_ms, cause_of(event, arrival)))
        return account, out

    fresh = Account()
    before = balance_of(fresh)
    effects = activate(fresh, event, arrival, rules)
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
    reschedule(fresh, event.subscriber, rules)
    current: Account | None = fresh
    for held in account.held if account else ():
        current, released = step(current, held.event, held.arrival, rules)
        out.extend(released)
    return current, out
