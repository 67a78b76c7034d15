"""Usage taken back: refunds, and the retraction of what a bad batch had charged.

A refund goes the way of charging backwards: overage first, then the buckets from the last in charge
order to the first. For usage of one scope and validity that leaves the account as if the usage had
never been. Which events a batch was is known by the log; the account only keeps, within the memory
of event ids, what was counted and what was taken back.
"""

from __future__ import annotations

from streamproc.core import dedupe
from streamproc.core.alerts.own import own_of
from streamproc.core.calendar import local_minute
from streamproc.core.charging import crossings_between
from streamproc.core.effects import Effect, audited, cause_of, rejected
from streamproc.core.events import Arrival, UsageRefunded
from streamproc.core.history import refund_closed_cycle
from streamproc.core.instants import DAY_MINUTES, to_ms
from streamproc.core.model import CLOSED, UNLIMITED, Account, Bucket, quota_of
from streamproc.core.quota import pools
from streamproc.core.quota.periods import note_refund
from streamproc.core.quota.tariffs import take_back_overage
from streamproc.core.rulebook import EVERYTHING, Rulebook

_TAKEN_BACK = "taken back:"


def refund(
    account: Account, event: UsageRefunded, arrival: Arrival, rules: Rulebook
) -> tuple[list[Effect], list[bytes] | None]:
    """Returns effects, and ids to remember beside the event's own (None: nothing was refunded)."""
    keys: list[bytes] = []
    cause = cause_of(event, arrival)
    if isinstance(event.of_id, str) and isinstance(event.of_source, str):
        if not dedupe.is_seen(account, dedupe.digest(event.of_source, event.of_id)):
            detail = "the event to take back was not counted, or its id is no longer kept"
            return [rejected("not_counted", detail, event, arrival)], None
        key = dedupe.digest(_TAKEN_BACK + event.of_source, event.of_id)
        if dedupe.is_seen(account, key):
            return [audited("duplicate", event.subscriber, arrival.received_ms, cause)], None
        keys.append(key)
    time_ms = to_ms(event.time)
    is_past = time_ms < account.cycle_start_ms or time_ms < account.activated_ms
    if account.status == CLOSED or is_past:
        cycle, back = refund_closed_cycle(account, time_ms, event.refunded_bytes)
        if cycle is None:
            detail = "its billing cycle is no longer kept"
            return [rejected("cycle_forgotten", detail, event, arrival)], None
        from_overage = 0
    else:
        from_overage, back = _give_back(account, event, time_ms, rules)
    account.charged_bytes -= back
    note_refund(account)
    now_ms = max(time_ms, arrival.received_ms)
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
    return out, keys


def _give_back(
    account: Account, event: UsageRefunded, time_ms: int, rules: Rulebook
) -> tuple[int, int]:
    """Take usage of the present cycle back; returns how much of overage, and how much in all."""
    group, zone = event.rating_group, event.roaming_zone
    from_overage = take_back_overage(account, event.refunded_bytes, group, zone, rules)
    rest = event.refunded_bytes - from_overage
    minute = local_minute(time_ms, account.time_zone) % DAY_MINUTES
    valid = [
        bucket
        for bucket in (*account.buckets, *account.ended)
        if bucket.granted_ms <= time_ms < bucket.expires_ms
        and rules.scopes.get(bucket.source, EVERYTHING).covers(group, zone, minute)
    ]
    for bucket in sorted(valid, key=Bucket.charge_order, reverse=True):
        take = min(rest, bucket.used_bytes)
        if not take:
            continue
        rest -= take
        _unuse(account, bucket, take, rules)
    back = event.refunded_bytes - rest
    if isinstance(event.member, str):
        pools.give_back(account, event.member, back)
    return from_overage, back


def _unuse(account: Account, bucket: Bucket, back: int, rules: Rulebook) -> None:
    before = bucket.used_bytes
    bucket.used_bytes = after = before - back
    is_over = any(bucket is one for one in account.ended)
    if bucket.kind == UNLIMITED:
        bucket.granted_bytes = after
    elif is_over:
        bucket.expired_bytes += back
    if not is_over and crossings_between(rules, bucket, after, before, own_of(account, rules)):
        # What is un-crossed will be told again, under another id.
        account.grants += 1
        bucket.arming = account.grants
        if rules.correction_rules:
            quota_of(account).uncrossed = True
