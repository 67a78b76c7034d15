"""The heart: ``step`` applies one event, ``advance`` lets time pass. Both are total and pure.

Bad, late or duplicate input gives an effect with a reason, never an exception. Work that falls due
before an event's arrival is done before the event is applied. So the result does not depend on
whether the worker's timer or the event came first.

The present is the time of arrivals. An event whose own time lies ahead of the present does not move
the present forward. If work falls due until that time, or if the event begins or ends a validity,
it waits for its time (:func:`_hold`) and is applied then.
"""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ACTIVE, HELD, Account, Held
from streamproc.core.state.decisions import balance_of, explained
from streamproc.core.state.effects import Effect, audited, cause_of, rejected
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    Arrival,
    PlanChanged,
    SubscriberEvent,
    ToppedUp,
)
from streamproc.core.state.moment import moment_of_event
from streamproc.core.step.account_events import activate
from streamproc.core.step.advancing import adopt_rules, do_instant, reschedule
from streamproc.core.step.applying import apply_event
from streamproc.core.step.next_due import forgotten_ms, let_go_ms, next_due_ms
from streamproc.core.subscribers import SubscriberKind, foreign_form
from streamproc.core.usage import dedupe
from streamproc.core.usage.ages import oldest_ms
from streamproc.core.usage.dedupe import SeenEvents
from streamproc.core.usage.policies import policy_changes

Step = tuple[Account | None, "list[Effect] | tuple[Effect, ...]"]

_KEYS = (
    "write phone numbers as digits with country code, or set limits.subscribers to ids in the "
    "rules file"
)
_SETTING = (AccountActivated, PlanChanged, ToppedUp, AccountClosed)
"""Events whose time is the start or the end of a validity."""


def step(
    account: Account | None,
    event: SubscriberEvent,
    arrival: Arrival,
    rules: Rulebook,
    ids: SeenEvents,
) -> Step:
    """Apply an event to its subscriber's account. The call changes the account that it gets, and
    ``ids``, the memory of the partition.

    Returns the account to keep (None: nothing is stored for the subscriber any more) and effects in
    the order in which they happened.
    """
    refused = refusal(event, arrival, rules, ids)
    if refused is not None:
        return account, [refused]
    return _take(account, event, arrival, rules, ids)


def refusal(
    event: SubscriberEvent, arrival: Arrival, rules: Rulebook, ids: SeenEvents | None
) -> Effect | None:
    """Why an event is refused before any due work is done, whatever the account; None if it is not.

    Without ``ids``, it was judged before whether the event is one of those that are forgotten. The
    bounds are checked before anything is stored, so that a wrong year cannot stay in the state.
    """
    limits, source = rules.limits, event.source
    form = _foreign_form(event, limits.subscribers)
    if form is not None:
        return rejected("subscriber_form", form, event, arrival)
    received_ms = arrival.received_ms
    time_ms = to_ms(event.time)
    if time_ms > received_ms + limits.max_ahead_ms:
        detail = f"event time is {time_ms - received_ms} ms after its arrival"
        return rejected("time_in_future", detail, event, arrival)
    max_age_ms = limits.max_age_of(source)
    if time_ms < received_ms - max_age_ms:
        detail = f"event time is {received_ms - time_ms} ms before its arrival"
        return rejected("time_in_past", detail, event, arrival)
    if (
        ids is not None
        and (time_ms < ids.forgotten_ms - max_age_ms or time_ms < ids.unsure_until_ms)
        and time_ms < oldest_ms(ids, source, time_ms, limits)
    ):
        # Input that waited behind other input for days, or limits that were stricter.
        detail = "the ids of events of its time are no longer kept"
        return rejected("time_in_past", detail, event, arrival)
    return None


def _take(
    account: Account | None,
    event: SubscriberEvent,
    arrival: Arrival,
    rules: Rulebook,
    ids: SeenEvents,
) -> Step:
    """Apply an event that is not refused, or let it wait."""
    received_ms, time_ms = arrival.received_ms, to_ms(event.time)
    out: list[Effect] = []
    if account is not None:
        # Other rules can make other work due before this event, so they are adopted first.
        if account.rules_id != rules.fingerprint:
            adopt_rules(account, event.subscriber, received_ms, rules)
        if received_ms >= account.next_due_ms:
            account, out = advance(account, event.subscriber, received_ms, rules, ids)
    if account is None or account.status == HELD:
        return _hold_or_begin(account, event, arrival, rules, ids, out)
    # A timer has already moved the account's clock past the arrival.
    if account.clock_ms > received_ms:
        arrival = _at(arrival, account.clock_ms)
    if time_ms > arrival.received_ms and (
        isinstance(event, _SETTING) or _is_due_by(account, event.subscriber, time_ms, rules)
    ):
        out.append(_hold_known(account, event, arrival, received_ms, rules, ids))
        return account, out
    effects = apply_event(account, event, arrival, received_ms, rules, ids)
    # The common case is an event without due work before it. It needs no second list.
    if not out:
        return account, effects
    out.extend(effects)
    return account, out


def _foreign_form(event: SubscriberEvent, kind: SubscriberKind) -> str | None:
    """Why the subscriber or the member of an event is not written as a key; None if they are."""
    form = foreign_form(event.subscriber, kind)
    if form is not None:
        return f"the subscriber {form}; {_KEYS}"
    member = getattr(event, "member", UNSET)
    form = foreign_form(member, kind) if isinstance(member, str) else None
    return None if form is None else f"the member {form}; {_KEYS}"


def advance(
    account: Account,
    subscriber: str,
    now_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
    *,
    lateness_counts: bool = False,
) -> tuple[Account | None, list[Effect]]:
    """Do all work that falls due up to and including ``now_ms``, in order of its instants.

    ``lateness_counts`` is true if time passed while no worker ran: then reminders later than their
    rule's misfire grace get an audit record ``missed`` instead. Time between two records of the log
    is never late, so a replay decides as the first run did (law 5).
    """
    out: list[Effect] = []
    if account.rules_id != rules.fingerprint:
        adopt_rules(account, subscriber, now_ms, rules)
    current: Account | None = account
    while current is not None and (due_ms := current.next_due_ms) <= now_ms:
        if current.status == HELD:
            current = _let_go(current, subscriber, due_ms, rules, ids, out)
            continue
        if current.status == ACTIVE:
            # Between two records no time is lost, so nothing is late.
            wall_ms = now_ms if lateness_counts else due_ms
            out.extend(do_instant(current, subscriber, due_ms, wall_ms, rules))
        # A closed account stays until no duplicate can arrive any more. Events for its next
        # contract stay longer.
        elif due_ms >= forgotten_ms(current, rules):
            current = _of_held(current.held, subscriber, rules)
            continue
        _apply_ready(current, subscriber, due_ms, rules, ids, out)
    return current, out


def _is_due_by(account: Account, subscriber: str, time_ms: int, rules: Rulebook) -> bool:
    """Whether any work falls due until then. The cached due instant of an account can be too
    early."""
    return time_ms >= account.next_due_ms and time_ms >= next_due_ms(account, subscriber, rules)


def _hold_known(
    account: Account,
    event: SubscriberEvent,
    arrival: Arrival,
    received_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
) -> Effect:
    """Let an event wait for its own time, or return the reason why it does not."""
    cause, now_ms = cause_of(event, arrival), arrival.received_ms
    dedupe.move_old_ids(account, event.subscriber, ids, rules.limits)
    if dedupe.is_seen(ids, event.subscriber, event.source, event.id, received_ms):
        return audited("duplicate", event.subscriber, now_ms, cause)
    most = rules.limits.hold_max_events
    if len(account.held) >= most:
        detail = f"already {most} events of this subscriber wait for their time"
        return rejected("time_in_future", detail, event, arrival)
    time_ms = to_ms(event.time)
    # With its real arrival: the memory of ids uses it when the event is applied.
    account.held.append(Held(event, _at(arrival, received_ms)))
    account.next_due_ms = min(account.next_due_ms, time_ms)
    return audited("held", event.subscriber, now_ms, cause, until_ms=time_ms)


def _apply_ready(
    account: Account,
    subscriber: str,
    due_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
    out: list[Effect],
) -> None:
    """Apply the events that waited for this instant, as if they arrived now."""
    if not account.held:
        return
    ready = [one for one in account.held if to_ms(one.event.time) <= due_ms]
    if not ready:
        return
    account.held = [one for one in account.held if to_ms(one.event.time) > due_ms]
    for event, arrival in ((one.event, one.arrival) for one in ready):
        # A clock that is already further never goes back.
        present_ms = max(due_ms, account.clock_ms)
        out.extend(apply_event(account, event, _at(arrival, present_ms), due_ms, rules, ids))
    reschedule(account, subscriber, rules)


def _let_go(
    account: Account,
    subscriber: str,
    due_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
    out: list[Effect],
) -> Account | None:
    """For an unknown subscriber: begin with an activation whose time has come, and reject events
    that have waited too long for one."""
    for held in account.held:
        if let_go_ms(held, rules) > due_ms:
            continue
        # Removed one by one, because an activation takes the rest with it.
        account.held = [one for one in account.held if one is not held]
        event = held.event
        if isinstance(event, AccountActivated):
            begun, effects = _begin(account, event, _at(held.arrival, due_ms), rules, ids)
            out.extend(effects)
            return begun
        detail = "no activation arrived while the event was held"
        out.append(rejected("unknown_subscriber", detail, event, held.arrival))
    return _of_held(account.held, subscriber, rules)


def _of_held(held: list[Held], subscriber: str, rules: Rulebook) -> Account | None:
    """The account of a subscriber without contract: the events that wait, or None."""
    if not held:
        return None
    account = Account(held=held)
    reschedule(account, subscriber, rules)
    return account


def _hold_or_begin(
    account: Account | None,
    event: SubscriberEvent,
    arrival: Arrival,
    rules: Rulebook,
    ids: SeenEvents,
    out: list[Effect],
) -> Step:
    """For an unknown subscriber: begin with an activation, or hold any other event for a while."""
    limits = rules.limits
    is_begin = isinstance(event, AccountActivated)
    if isinstance(event, AccountActivated) and to_ms(event.time) <= arrival.received_ms:
        begun, effects = _begin(account, event, arrival, rules, ids)
        out.extend(effects)
        return begun, out
    reason = "time_in_future" if is_begin else "unknown_subscriber"
    if limits.hold_unknown_ms == 0 and not is_begin:
        out.append(rejected(reason, "never activated", event, arrival))
        return account, out
    account = account or Account()
    if len(account.held) >= limits.hold_max_events:
        detail = f"already {limits.hold_max_events} events held for this subscriber"
        out.append(rejected(reason, detail, event, arrival))
        return account, out
    account.held.append(Held(event, arrival))
    reschedule(account, event.subscriber, rules)
    told = audited("held", event.subscriber, arrival.received_ms, cause_of(event, arrival))
    if is_begin:
        told.figures["until_ms"] = to_ms(event.time)
    out.append(told)
    return account, out


def _begin(
    account: Account | None,
    event: AccountActivated,
    arrival: Arrival,
    rules: Rulebook,
    ids: SeenEvents,
) -> tuple[Account | None, list[Effect]]:
    """Begin the first contract of a subscriber. Events that were held for it follow."""
    fresh = Account()
    held = account.held if account is not None else []
    before = balance_of(fresh)
    moment = moment_of_event(fresh, event, arrival, rules)
    out = explained(activate(moment, event, arrival), before, balance_of(fresh))
    if fresh.status != ACTIVE:
        return _of_held(held, event.subscriber, rules), out
    now_ms = arrival.received_ms
    out.extend(policy_changes(moment))
    name = dedupe.name_of(event.subscriber, event.source, event.id)
    dedupe.remember(ids, name, event.source, now_ms, rules.limits)
    reschedule(fresh, event.subscriber, rules)
    current: Account | None = fresh
    # The held events arrived before, so they are applied in their order of arrival.
    for one in held:
        # Their age was judged when they arrived. Nothing of this subscriber counted since.
        refused = refusal(one.event, one.arrival, rules, None)
        if refused is not None:
            out.append(refused)
            continue
        current, released = _take(current, one.event, one.arrival, rules, ids)
        out.extend(released)
    return current, out


def _at(arrival: Arrival, now_ms: int) -> Arrival:
    """The same record, as if it arrived at this instant."""
    if arrival.received_ms == now_ms:
        return arrival
    return Arrival(now_ms, arrival.topic, arrival.partition, arrival.offset)
