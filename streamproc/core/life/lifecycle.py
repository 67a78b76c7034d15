"""The life of an account: activation, top-ups, cycle ends, expiry, closing."""

from __future__ import annotations

from streamproc.core.alerts import gate
from streamproc.core.instants import LAST_MS, NEVER_MS, from_ms, to_ms
from streamproc.core.life.cycles import begin_quota_cycle, forget_quota
from streamproc.core.rules.rulebook import TOPUP_PRIORITY, Allowance, Rulebook
from streamproc.core.schedule.calendar import cycle_of, known_zone, zone
from streamproc.core.state.account import (
    ACTIVE,
    ALLOWANCE,
    CLOSED,
    PACK,
    PLAN_KINDS,
    TOPUP,
    UNLIMITED,
    Account,
    Bucket,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.effects import Audited, Cause, Effect, audited, cause_of, rejected
from streamproc.core.state.events import (
    AccountActivated,
    Arrival,
    OptedIn,
    OptedOut,
    ToppedUp,
)
from streamproc.core.state.moment import Moment
from streamproc.core.usage import periods
from streamproc.core.usage.boundaries import note_purchase
from streamproc.core.usage.charging import add_bucket, regrant
from streamproc.core.usage.closed_cycles import close_cycle
from streamproc.core.usage.costs import note_used_up
from streamproc.core.usage.rollover import roll_over

MAX_BOUGHT_BYTES = 1 << 52
"""Total of packs and top-ups of one account: sums with the plan's allowances stay exact in JSON."""


def activate(
    account: Account, event: AccountActivated, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    """Begin a contract, also after a closing. The first cycle grants the whole allowance."""
    if account.status == ACTIVE:
        return [rejected("already_active", "close the account first", event, arrival)]
    if event.plan not in rules.plans:
        return [rejected("unknown_plan", "no such plan in the rules", event, arrival)]
    tz = zone(event.time_zone)
    if tz is None:
        detail = "no such IANA time zone"
        return [rejected("unknown_time_zone", detail, event, arrival)]
    if account.status == CLOSED:
        # The new contract can begin within a cycle of the old one. It gets other armings, and
        # opt-outs of the old contract do not apply to it.
        account.grants += 1
        account.opted_out = []
        forget_quota(account)
    account.status = ACTIVE
    account.plan = event.plan
    account.next_plan = ""
    account.time_zone = event.time_zone
    account.anchor_day = event.billing_anchor_day
    account.locale = event.locale if isinstance(event.locale, str) else ""
    account.activated_ms = to_ms(event.time)
    account.closed_ms = 0
    account.buckets = []
    account.overage_bytes = 0
    # Nothing is sent for instants at which the subscriber was still unknown.
    account.clock_ms = max(account.clock_ms, account.activated_ms, arrival.received_ms)
    account.cycle_start_ms, account.cycle_end_ms = cycle_of(
        account.activated_ms, account.anchor_day, tz
    )
    _grant_allowances(account, rules)
    periods.begin_contract(account, rules)
    return [audited("activated", event.subscriber, account.activated_ms, cause_of(event, arrival))]


def top_up(account: Account, event: ToppedUp, arrival: Arrival, rules: Rulebook) -> list[Effect]:
    """Grant more data. A grant itself reaches no threshold (law 13)."""
    now_ms = to_ms(event.time)
    if isinstance(event.pack, str):
        pack = rules.packs.get(event.pack)
        if pack is None:
            return [rejected("unknown_pack", "no such pack in the rules", event, arrival)]
        granted, expires = pack.granted_bytes, now_ms + pack.validity_ms
    else:
        pack = None
        granted = event.granted_bytes  # type: ignore[assignment]  # one of both is set
        expires = NEVER_MS if not event.expires_time else to_ms(event.expires_time)
        if expires <= now_ms:
            return [rejected("already_expired", "expires_time is not after time", event, arrival)]
        if expires >= LAST_MS:
            expires = NEVER_MS
    bought = sum(
        bucket.granted_bytes for bucket in account.buckets if bucket.kind not in PLAN_KINDS
    )
    if bought + granted > MAX_BOUGHT_BYTES:
        detail = f"more than {MAX_BOUGHT_BYTES} bytes in packs and top-ups at once"
        return [rejected("absurd_bytes", detail, event, arrival)]
    account.grants += 1
    # Top-ups with the same end are one bucket: another one raises its grant.
    same = None if pack else _top_up_until(account, expires)
    if same is not None:
        bucket = same
        regrant(bucket, bucket.granted_bytes + granted, account)
    else:
        kind, source, priority = (
            (PACK, pack.id, pack.priority) if pack else (TOPUP, "", TOPUP_PRIORITY)
        )
        name = f"{source or kind}#{account.grants}"
        bucket = Bucket(name, kind, source, priority, now_ms, expires, granted)
        add_bucket(account, bucket)
        note_purchase(account, bucket, arrival.received_ms)
    return [
        audited(
            "topped_up",
            event.subscriber,
            now_ms,
            cause_of(event, arrival),
            bucket=bucket.id,
            granted_bytes=granted,
            remaining_bytes=bucket.remaining_bytes,
        )
    ]


def _top_up_until(account: Account, expires_ms: int) -> Bucket | None:
    for bucket in account.buckets:
        if bucket.kind == TOPUP and bucket.expires_ms == expires_ms:
            return bucket
    return None


def opt(account: Account, event: OptedOut | OptedIn, arrival: Arrival) -> list[Effect]:
    """Opt out of a category of reminders, or in again."""
    if isinstance(event, OptedOut):
        decision = "left_category"
        leave_category(account, event.category)
    else:
        decision = "joined_category"
        join_category(account, event.category)
        drop_empty_rare_state(account)
    cause = cause_of(event, arrival)
    return [audited(decision, event.subscriber, to_ms(event.time), cause, category=event.category)]


def leave_category(account: Account, category: str) -> bool:
    """Opt out of one category; returns whether anything changed."""
    left, extra = account.opted_out, rare_state_of(account)
    is_news = category not in left
    if category not in left[: extra.left_singly]:
        if not is_news:
            left.remove(category)
        left.insert(extra.left_singly, category)
        extra.left_singly += 1
    return is_news


def join_category(account: Account, category: str) -> bool:
    """Opt in to a category, however it was opted out; returns whether anything changed."""
    left, extra = account.opted_out, account.extra
    if category not in left:
        return False
    if extra is not None and category in left[: extra.left_singly]:
        extra.left_singly -= 1
    left.remove(category)
    return True


def close(moment: Moment) -> list[Effect]:
    """End the contract. The record stays until duplicates of its events cannot arrive any more.

    The last cycle ends here too. Late usage from before the closing still changes its history.
    """
    account, subscriber, rules, at_ms, cause = moment
    account.status = CLOSED
    account.closed_ms = at_ms
    over, account.buckets = account.buckets, []
    out: list[Effect] = []
    for bucket in over:
        # A bucket must not end before its grant.
        bucket.expires_ms = max(bucket.granted_ms, min(bucket.expires_ms, at_ms))
        out.append(end_bucket(account, bucket, subscriber, at_ms, cause))
    out += gate.forget_all(moment)
    close_cycle(account, at_ms, rules)
    account.period_bases = {}
    out.append(moment.audited("closed", overage_bytes=account.overage_bytes))
    return out


def expire_buckets(account: Account, subscriber: str, at_ms: int, rules: Rulebook) -> list[Effect]:
    """Expire packs and top-ups whose validity ends at or before an instant."""
    over = [b for b in account.buckets if b.expires_ms <= at_ms and b.kind not in PLAN_KINDS]
    if not over:
        return []
    account.buckets = [bucket for bucket in account.buckets if bucket not in over]
    cause = Cause(due_time=from_ms(at_ms))
    out = [end_bucket(account, bucket, subscriber, at_ms, cause) for bucket in over]
    for bucket in over:
        if bucket not in account.ended:
            note_used_up(account, bucket, rules)
    return out


def roll_cycle(account: Account, subscriber: str, rules: Rulebook) -> list[Effect]:
    """Close the cycle at its end and open the next one. All thresholds are armed again."""
    end = account.cycle_end_ms
    cause = Cause(due_time=from_ms(end))
    rolled = roll_over(account, rules)
    out: list[Effect] = [
        expire(bucket, subscriber, end, cause)
        for bucket in account.buckets
        if bucket.kind in PLAN_KINDS
    ]
    closed = close_cycle(account, end, rules)
    figures = {
        "granted_bytes": closed.granted_bytes,
        "used_bytes": closed.used_bytes,
        "expired_bytes": closed.expired_bytes,
        "overage_bytes": closed.overage_bytes,
    }
    if closed.rolled_over_bytes:
        figures["rolled_over_bytes"] = closed.rolled_over_bytes
    if closed.spend_minor:
        figures["spend_minor"] = closed.spend_minor
    out.append(Audited("cycle_closed", subscriber, from_ms(end), figures, cause))
    account.buckets = [bucket for bucket in account.buckets if bucket.kind not in PLAN_KINDS]
    account.overage_bytes = 0
    if account.next_plan:
        account.plan, account.next_plan = account.next_plan, ""
    tz = known_zone(account.time_zone)
    # Cycles follow one another without a gap, also if a move to another zone ended one early.
    account.cycle_start_ms = end
    account.cycle_end_ms = cycle_of(end, account.anchor_day, tz)[1]
    begin_quota_cycle(account)
    periods.begin_cycle(account, rules)
    _grant_allowances(account, rules)
    for bucket in rolled:
        add_bucket(account, bucket)
        out.append(
            audited(
                "rolled_over",
                subscriber,
                end,
                cause,
                bucket=bucket.id,
                granted_bytes=bucket.granted_bytes,
            )
        )
    return out


def _grant_allowances(account: Account, rules: Rulebook) -> None:
    plan = rules.plans.get(account.plan)
    if plan is None:
        # The plan is not in the rules file any more: nothing is granted, all usage is
        # overage, and the audit record cycle_closed shows it. The loader is responsible for
        # refusing such a file.
        return
    for allowance in plan.allowances:
        add_bucket(account, allowance_bucket(account, allowance, account.cycle_start_ms))


def allowance_bucket(account: Account, allowance: Allowance, granted_ms: int) -> Bucket:
    return Bucket(
        allowance.id,
        UNLIMITED if allowance.unlimited else ALLOWANCE,
        allowance.id,
        allowance.priority,
        granted_ms,
        account.cycle_end_ms,
        0 if allowance.unlimited else allowance.granted_bytes,
        arming=account.grants,
    )


def end_bucket(
    account: Account, bucket: Bucket, subscriber: str, at_ms: int, cause: Cause
) -> Effect:
    """Expire a bucket within its cycle. Until the cycle ends, late usage can still be charged to
    it.

    A bucket that an earlier cycle could use is kept even if it is used up, because late usage of
    that cycle takes precedence.
    """
    is_of_earlier = bucket.granted_ms <= account.cycle_start_ms
    if bucket.remaining_bytes or bucket.kind in PLAN_KINDS or is_of_earlier:
        account.ended.append(bucket)
    return expire(bucket, subscriber, at_ms, cause)


def expire(bucket: Bucket, subscriber: str, at_ms: int, cause: Cause) -> Effect:
    bucket.expired_bytes += bucket.remaining_bytes
    return audited(
        "bucket_expired",
        subscriber,
        at_ms,
        cause,
        bucket=bucket.id,
        granted_bytes=bucket.granted_bytes,
        used_bytes=bucket.used_bytes,
        expired_bytes=bucket.expired_bytes,
    )
