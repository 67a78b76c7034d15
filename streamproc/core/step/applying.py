"""Applies one event to an account. Work that was due before is done already."""

from __future__ import annotations

from streamproc.core.alerts import speakers, stops
from streamproc.core.alerts.correction_rules import messages_of_refund
from streamproc.core.alerts.gate import Terms, terms_of
from streamproc.core.alerts.reductions import REDUCING, Costs, costs_of, standing_of
from streamproc.core.instants import to_ms
from streamproc.core.life.ends import follow_quiet_hours
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ACTIVE, Account
from streamproc.core.state.decisions import balance_of, explained
from streamproc.core.state.effects import Effect, audited, cause_of
from streamproc.core.state.events import (
    Arrival,
    MemberJoined,
    SubscriberEvent,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.state.moment import Moment, moment_of_event
from streamproc.core.step.account_events import account_event, is_reject
from streamproc.core.step.advancing import reschedule
from streamproc.core.step.usage_event import use
from streamproc.core.usage import dedupe
from streamproc.core.usage.arming import re_arm_all
from streamproc.core.usage.dedupe import SeenEvents
from streamproc.core.usage.policies import policy_changes
from streamproc.core.usage.refunds import refund


def apply_event(
    account: Account,
    event: SubscriberEvent,
    arrival: Arrival,
    received_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
) -> list[Effect] | tuple[Effect, ...]:
    """Apply an event to an active or closed account. An event that counted already changes nothing.

    ``arrival`` has the present of the account. ``received_ms`` is when the event came in; the
    memory of ids uses it.
    """
    now_ms, limits, subscriber = arrival.received_ms, rules.limits, event.subscriber
    source, event_id = event.source, event.id
    if account.seen_ids:
        dedupe.move_old_ids(account, subscriber, ids, limits)
    name = dedupe.name_of(subscriber, source, event_id)
    if ids.is_seen(name, received_ms) or (
        received_ms < ids.old_until_ms
        and dedupe.is_seen_by_old(ids, subscriber, source, event_id, received_ms)
    ):
        return [audited("duplicate", subscriber, now_ms, cause_of(event, arrival))]
    if type(event) is UsageRecorded:
        effects, counted = use(account, event, to_ms(event.time), arrival, rules)
    else:
        effects = _change(account, event, arrival, received_ms, rules, ids)
        # All work due up to now is done. Instants that the event adds count from here.
        account.clock_ms = max(account.clock_ms, now_ms)
        counted = not any(is_reject(effect) for effect in effects)
        reschedule(account, event.subscriber, rules)
    if counted:
        dedupe.remember(ids, name, source, received_ms, limits)
    return effects


def _change(
    account: Account,
    event: SubscriberEvent,
    arrival: Arrival,
    received_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
) -> list[Effect]:
    """Apply any event except usage."""
    moment = moment_of_event(account, event, arrival, rules)
    before, terms, standing = balance_of(account), terms_of(account), None
    costs: Costs | None = None
    stopped = stops.LimitsBefore(account, event, rules)
    is_held = account.extra is not None and bool(account.extra.waiting)
    calls = speakers.last_calls(moment) if is_held else []
    if type(event) is UsageRefunded:
        costs = costs_of(account, rules) if account.status == ACTIVE else None
        effects, is_applied = refund(account, event, arrival, received_ms, rules, ids)
        if event.notify and account.status == ACTIVE:
            # A refund for an earlier contract sends no message to the present one.
            is_present = is_applied and to_ms(event.time) >= account.activated_ms
            messages = messages_of_refund(moment, event, is_applied=is_present)
            effects.extend(speakers.submit(moment, messages))
    else:
        standing = standing_of(account, rules) if isinstance(event, REDUCING) else None
        chosen = _own_percents(account)
        effects = account_event(moment, event, arrival)
        if account.status == ACTIVE and _own_percents(account) != chosen:
            re_arm_all(account)
    if calls:
        effects += speakers.speak_of_ended_costs(moment, calls)
    if account.extra is not None:
        effects += speakers.after_change(moment)
    if costs:
        effects += speakers.after_refund(moment, costs)
    still = stopped.edges_still(account, event, rules)
    if standing is not None:
        member = event.member if isinstance(event, MemberJoined) else ""
        effects += speakers.after_loss(moment, standing, member, still)
    else:
        effects += speakers.after_purchase(moment, still)
    if account.status == ACTIVE:
        effects += _after_change_of_terms(moment, terms)
    effects = explained(effects, before, balance_of(account))
    effects.extend(policy_changes(moment))
    return effects


def _own_percents(account: Account) -> list[int]:
    return account.extra.own_percents if account.extra is not None else []


def _after_change_of_terms(moment: Moment, before: Terms) -> list[Effect]:
    """Messages whose instants depend on the terms of an account, if an event changed them."""
    terms = terms_of(moment.account)
    if terms == before:
        return []
    out: list[Effect] = []
    if terms.quiet_minutes != before.quiet_minutes:
        out += follow_quiet_hours(moment, list(before.quiet_minutes))
    if moment.account.extra is not None:
        out += speakers.look_again(moment)
    return out
