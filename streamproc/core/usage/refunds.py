"""Refunds: usage that is taken back, also a whole bad batch.

A refund reverses charging: overage first, then the buckets from the last in charge order to the
first. For usage of one scope and validity, the account is then as if the usage had never happened.
The log knows which events a batch contains. The account only keeps, within its memory of event ids,
what was counted and what was taken back.
"""

from __future__ import annotations

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import (
    CLOSED,
    Account,
    Bucket,
    ClosedCycle,
    quota_of,
)
from streamproc.core.state.effects import Effect, audited, cause_of, rejected
from streamproc.core.state.events import Arrival, UsageRefunded
from streamproc.core.usage import dedupe, pools
from streamproc.core.usage.boundaries import forget_boundaries
from streamproc.core.usage.closed_cycles import (
    change_used,
    closed_cycle,
    keep_own,
    outliving,
    own_buckets,
    used_in_cycle,
)
from streamproc.core.usage.coverage import note_freed, those_covering
from streamproc.core.usage.dedupe import SeenEvents
from streamproc.core.usage.downgrades import take_back_before
from streamproc.core.usage.late import re_arm_moved, standing
from streamproc.core.usage.periods import leave_out, note_refund
from streamproc.core.usage.returning import unuse
from streamproc.core.usage.tariffs import take_back_overage


def refund(
    account: Account,
    event: UsageRefunded,
    arrival: Arrival,
    received_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
) -> tuple[list[Effect], bool]:
    """Apply a refund that came in at ``received_ms``. Returns effects, and whether anything was
    taken back."""
    names_event = isinstance(event.of_id, str) and isinstance(event.of_source, str)
    cause = cause_of(event, arrival)
    of_event = (event.subscriber, str(event.of_source), str(event.of_id))
    if names_event:
        if not dedupe.is_seen(ids, *of_event, received_ms):
            detail = "the event to take back was not counted, or its id is no longer kept"
            return [rejected("not_counted", detail, event, arrival)], False
        if dedupe.is_taken_back(ids, *of_event, received_ms):
            return [audited("duplicate", event.subscriber, arrival.received_ms, cause)], False
    time_ms = to_ms(event.time)
    is_past = time_ms < account.cycle_start_ms or time_ms < account.activated_ms
    cycle = None
    before = standing(account, rules)
    if account.status == CLOSED or is_past:
        cycle = closed_cycle(account, time_ms)
        if cycle is None:
            detail = "its billing cycle is no longer kept"
            return [rejected("cycle_forgotten", detail, event, arrival)], False
        at_first = _take_back_before_overage(account, cycle, event, rules)
        from_overage = min(event.refunded_bytes - at_first, cycle.overage_bytes)
        cycle.overage_bytes -= from_overage
    else:
        # The present cycle knows its overage per tariff, a closed cycle only in total.
        group, zone = event.rating_group, event.roaming_zone
        at_first = _take_back_before_overage(account, None, event, rules)
        rest = event.refunded_bytes - at_first
        from_overage = take_back_overage(account, rest, group, zone, rules)
    rest = event.refunded_bytes - at_first - from_overage
    back = at_first + from_overage + _give_back(account, cycle, event, rest, rules)
    # The follow-up is sent with the last refund of the batch, so the account must remember
    # the un-crossing.
    if re_arm_moved(account, before, rules) and rules.correction_rules:
        quota_of(account).uncrossed = True
    # Members' figures are about the present cycle only.
    if cycle is None and isinstance(event.member, str):
        pools.give_back(account, event.member, back)
    account.charged_bytes -= back
    forget_boundaries(account)
    note_freed(account, rules)
    if time_ms < account.activated_ms:
        leave_out(account, -back)
    note_refund(account)
    now_ms = arrival.received_ms
    out: list[Effect] = [
        audited(
            "refunded",
            event.subscriber,
            now_ms,
            cause,
            refunded_bytes=back,
            overage_bytes=from_overage,
            beyond_usage_bytes=event.refunded_bytes - back,
        )
    ]
    if names_event:
        dedupe.remember_taken_back(ids, *of_event, received_ms, rules.limits)
    return out, True


def _give_back(
    account: Account,
    cycle: ClosedCycle | None,
    event: UsageRefunded,
    most_bytes: int,
    rules: Rulebook,
) -> int:
    """Take usage of a cycle (None: the present one) back from its buckets; returns the bytes taken
    back."""
    own = own_buckets(cycle) if cycle else [*account.buckets, *account.ended]
    rest = most_bytes
    for bucket in _last_first(account, cycle, own, event, rules):
        take = min(rest, used_in_cycle(account, bucket, cycle), bucket.used_bytes)
        if not take:
            continue
        rest -= take
        if cycle is not None:
            unuse(account, cycle, bucket, take, rules)
        else:
            change_used(account, bucket, -take)
    if cycle is not None:
        keep_own(cycle, own)
    return most_bytes - rest


def _take_back_before_overage(
    account: Account, cycle: ClosedCycle | None, event: UsageRefunded, rules: Rulebook
) -> int:
    """Usage from before a downgrade that made no room for overage; returns its bytes.

    It comes before overage: without it the grant would have been less, and the overage the same.
    """
    if account.extra is None or not account.extra.downgrades:
        return 0
    own = own_buckets(cycle) if cycle else [*account.buckets, *account.ended]
    rest, taken_bytes = event.refunded_bytes, 0
    overage_bytes = cycle.overage_bytes if cycle else account.overage_bytes
    for bucket in _last_first(account, cycle, own, event, rules):
        used_bytes = used_in_cycle(account, bucket, cycle)
        known = take_back_before(account, bucket, to_ms(event.time), rest, overage_bytes)
        back, first = (min(rest, used_bytes), 0) if known is None else known
        rest -= back
        change_used(account, bucket, -first)
        taken_bytes += first
    if cycle is not None:
        keep_own(cycle, own)
    return taken_bytes


def _last_first(
    account: Account,
    cycle: ClosedCycle | None,
    own: list[Bucket],
    event: UsageRefunded,
    rules: Rulebook,
) -> list[Bucket]:
    """The buckets that may have been charged, the last in the order of charging first."""
    time_ms = to_ms(event.time)
    every = (*own, *(outliving(account, cycle) if cycle else ()))
    covering = those_covering(every, event, account.time_zone, rules)
    valid = [one for one in covering if one.granted_ms <= time_ms < one.expires_ms]
    return sorted(valid, key=Bucket.charge_order, reverse=True)
