"""A usage event: charged, and the messages that it causes."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts import speakers
from streamproc.core.alerts.checks import note_use
from streamproc.core.alerts.last_call import LastCall
from streamproc.core.alerts.late_costs import before_purchase
from streamproc.core.alerts.remembered_thresholds import are_at_rest
from streamproc.core.alerts.usage_rules import edges_of_crossed
from streamproc.core.alerts.watch_rules import edges_of_usage, values_before
from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import ACTIVE, CLOSED, Account, Bucket, ClosedCycle, CostlyUse
from streamproc.core.state.decisions import balance_before, balance_of, explained
from streamproc.core.state.effects import Effect, rejected
from streamproc.core.state.events import Arrival, UsageRecorded
from streamproc.core.state.moment import Moment, moment_of_event
from streamproc.core.usage.boundaries import (
    is_before_boundary,
    make_room,
    note_late,
    used_so_far,
)
from streamproc.core.usage.charging import Crossed, charge, charge_late, crossings_between
from streamproc.core.usage.closed_cycles import closed_cycle, is_live
from streamproc.core.usage.costs import note_cost
from streamproc.core.usage.late import (
    charge_closed_cycle,
    charge_to_earlier_plan,
    with_earlier_plan,
)
from streamproc.core.usage.meters import after_usage
from streamproc.core.usage.own_thresholds import own_of
from streamproc.core.usage.periods import leave_out
from streamproc.core.usage.policies import policies_differ
from streamproc.core.usage.tariffs import book_overage, tariff_of

NOTHING: tuple[Effect, ...] = ()


def use(
    account: Account, event: UsageRecorded, time_ms: int, arrival: Arrival, rules: Rulebook
) -> tuple[list[Effect] | tuple[Effect, ...], bool]:
    """Charge usage; the flag says whether it counted (and its id must be remembered)."""
    used_bytes = event.used_bytes
    if used_bytes > rules.limits.max_event_bytes:
        detail = f"more than {rules.limits.max_event_bytes} bytes in one event"
        return [rejected("absurd_bytes", detail, event, arrival)], False
    cycle: ClosedCycle | None = None
    if (
        account.status == CLOSED
        or time_ms < account.cycle_start_ms
        or time_ms < account.activated_ms
    ):
        cycle = closed_cycle(account, time_ms)
        if cycle is None or account.status == CLOSED or time_ms < account.activated_ms:
            return _usage_of_an_earlier_contract(account, cycle, event, time_ms, arrival, rules)
    calls = _last_calls(account, event, arrival, rules)
    account.charged_bytes += used_bytes
    figures = values_before(account, time_ms, rules) if rules.watch_rules else []
    is_late_cost = cycle is None and bool(rules.watched_costs)
    late_costs = before_purchase(account, event, time_ms, rules) if is_late_cost else None
    if rules.wants_last_use:
        note_use(account, time_ms, rules)
    granted_before, used_before, overage_before = 0, 0, account.overage_bytes
    # For an event without effects, this loop is all that balances in the audit cost.
    for bucket in account.buckets:
        granted_before += bucket.granted_bytes
        used_before += bucket.used_bytes
    taken: list[tuple[Bucket, int]] = []
    crossed: list[Crossed] | None
    pushed_out_bytes = 0
    if cycle is not None:
        late = charge_closed_cycle(account, cycle, event, time_ms, rules)
        crossed, pushed_out_bytes = late.crossed or None, late.pushed_out_bytes
    elif account.extra is None and not account.ended:
        crossed = charge(
            account, used_bytes, event.rating_group, event.roaming_zone, time_ms, rules
        )
    else:
        crossed, taken, pushed_out_bytes = _charge_late(account, event, time_ms, rules)
    is_watched = cycle is None and event.member is not UNSET
    if account.extra is not None or account.plan in rules.watched_plans:
        overage_bytes = account.overage_bytes - overage_before
        if overage_bytes and cycle is None:
            book_overage(account, overage_bytes, event.rating_group, event.roaming_zone, rules)
        is_watched = is_watched or policies_differ(account, rules)
    if figures and cycle is None and account.overage_bytes > overage_before:
        _note_cost(account, event, time_ms, rules)
    # Figures and the reminder's lifetime count from now, not from the time of late usage.
    now_ms = arrival.received_ms
    edges = edges_of_usage(account, figures, time_ms, used_bytes, rules) if figures else []
    has_alarms = account.extra is not None and bool(account.extra.alarms)
    is_late = cycle is not None or bool(taken or pushed_out_bytes)
    if account.overage_bytes == overage_before:
        late_costs = None
    is_usual = crossed is None and not (edges or is_watched or is_late or calls or late_costs)
    if is_usual and (not has_alarms or are_at_rest(account, now_ms, rules)):
        return NOTHING, True
    moment = moment_of_event(account, event, arrival, rules)
    out = _late(moment, event, cycle, taken, pushed_out_bytes)
    if calls:
        out += speakers.speak_of_ended_costs(moment, calls)
    if late_costs:
        out += speakers.speak_of_late_costs(moment, late_costs, edges)
    told: list[Effect] = []
    if is_watched:
        told, of_cap = after_usage(moment, event, is_of_cycle=cycle is None)
        crossed = [*(crossed or ()), *of_cap] or None
    if crossed is not None or edges or has_alarms:
        out += speakers.after_usage(
            moment,
            [*edges_of_crossed(crossed or []), *edges],
            figures,
            event.member if isinstance(event.member, str) else "",
            is_of_cycle=cycle is None,
        )
    out.extend(told)
    if not out:
        return NOTHING, True
    after = balance_of(account)
    before = balance_before(after, granted_before, used_before, overage_before)
    return explained(out, before, after), True


def _last_calls(
    account: Account, event: UsageRecorded, arrival: Arrival, rules: Rulebook
) -> list[LastCall]:
    """Held messages about costs, before usage that may reach a cost cap."""
    if account.extra is None or not account.extra.waiting or account.status != ACTIVE:
        return []
    return speakers.last_calls(moment_of_event(account, event, arrival, rules))


def _charge_late(
    account: Account, event: UsageRecorded, time_ms: int, rules: Rulebook
) -> tuple[list[Crossed] | None, list[tuple[Bucket, int]], int]:
    """Charge usage of the present cycle that may be from before a change.

    Returns what :func:`charge_late` does, and how much later usage moved into other buckets.
    """
    earlier = charge_to_earlier_plan(account, event, time_ms, rules)
    rest = event.used_bytes - sum(one.used_bytes for one in earlier)
    if is_before_boundary(account, time_ms):
        crossed, taken, moved_bytes = _charge_before_boundary(account, event, rest, time_ms, rules)
    else:
        group, zone = event.rating_group, event.roaming_zone
        crossed, taken = charge_late(account, rest, group, zone, time_ms, rules)
        moved_bytes = 0
    if earlier:
        crossed = with_earlier_plan(account, crossed, earlier, rules)
        for one in earlier:
            if one.known is None and one.used_bytes:
                more = sum(took for bucket, took in taken if bucket is one.bucket)
                taken = [each for each in taken if each[0] is not one.bucket]
                taken.append((one.bucket, one.used_bytes + more))
    return crossed, taken, moved_bytes


def _charge_before_boundary(
    account: Account, event: UsageRecorded, rest_bytes: int, time_ms: int, rules: Rulebook
) -> tuple[list[Crossed] | None, list[tuple[Bucket, int]], int]:
    """Charge late usage of the present cycle from before a bucket was bought or ended; returns
    the same."""
    used_before, overage_before = used_so_far(account), account.overage_bytes
    group, zone = event.rating_group, event.roaming_zone
    crossed, taken = charge_late(account, rest_bytes, group, zone, time_ms, rules)
    note_late(account, used_before, time_ms)
    rest = account.overage_bytes - overage_before
    moved = make_room(account, rest, group, zone, time_ms, rules) if rest else []
    moved_bytes = sum(one.bucket.used_bytes - one.used_before for one in moved)
    account.overage_bytes -= moved_bytes
    own = own_of(account, rules)
    found = [
        Crossed(one.bucket, levels)
        for one in moved
        if is_live(account, one.bucket)
        and (
            levels := crossings_between(
                rules, one.bucket, one.used_before, one.bucket.used_bytes, own
            )
        )
    ]
    return [*(crossed or ()), *found] or None, taken, moved_bytes


def _note_cost(account: Account, event: UsageRecorded, time_ms: int, rules: Rulebook) -> None:
    group, zone = event.rating_group, event.roaming_zone
    minute = local_minute(time_ms, account.time_zone) % DAY_MINUTES
    tariff = tariff_of(account, group, zone, rules)
    note_cost(account, CostlyUse(tariff, group, zone, minute), rules)


def _late(
    moment: Moment,
    event: UsageRecorded,
    cycle: ClosedCycle | None,
    taken: list[tuple[Bucket, int]],
    pushed_out_bytes: int,
) -> list[Effect]:
    """Audit records of late usage: of a closed cycle, or charged to buckets that have ended."""
    if cycle is not None:
        told = moment.audited(
            "late_usage",
            used_bytes=event.used_bytes,
            cycle_start_ms=cycle.start_ms,
            cycle_overage_bytes=cycle.overage_bytes,
        )
        if pushed_out_bytes:
            told.figures["recharged_bytes"] = pushed_out_bytes
        return [told]
    out: list[Effect] = [
        moment.audited("late_usage", bucket=bucket.id, used_bytes=taken_bytes)
        for bucket, taken_bytes in taken
    ]
    if pushed_out_bytes:
        out.append(
            moment.audited(
                "late_usage", used_bytes=event.used_bytes, recharged_bytes=pushed_out_bytes
            )
        )
    return out


def _usage_of_an_earlier_contract(
    account: Account,
    cycle: ClosedCycle | None,
    event: UsageRecorded,
    time_ms: int,
    arrival: Arrival,
    rules: Rulebook,
) -> tuple[list[Effect], bool]:
    """Usage of an earlier contract changes its history only. No message is sent (law 11)."""
    if account.status == CLOSED and time_ms >= account.closed_ms:
        return [rejected("account_closed", "the account was closed", event, arrival)], False
    if cycle is None:
        if time_ms < account.activated_ms:
            return [rejected("before_activation", "usage before activation", event, arrival)], False
        detail = "its billing cycle is no longer kept"
        return [rejected("cycle_forgotten", detail, event, arrival)], False
    account.charged_bytes += event.used_bytes
    if time_ms < account.activated_ms:
        leave_out(account, event.used_bytes)
    late = charge_closed_cycle(account, cycle, event, time_ms, rules)
    moment = moment_of_event(account, event, arrival, rules)
    return _late(moment, event, cycle, [], late.pushed_out_bytes), True
