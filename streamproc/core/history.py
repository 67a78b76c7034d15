"""Cycles that are over: their totals, and late usage that still adjusts them (law 11)."""

from __future__ import annotations

from streamproc.core.model import PLAN_KINDS, ROLLOVER, UNLIMITED, Account, ClosedCycle
from streamproc.core.quota.tariffs import spend_minor
from streamproc.core.rulebook import Rulebook


def close_cycle(account: Account, end_ms: int, rules: Rulebook) -> ClosedCycle:
    """Put the present cycle's totals into the history; its allowances have expired."""
    over = [b for b in (*account.ended, *account.buckets) if b.kind in PLAN_KINDS]
    start_ms = max(account.cycle_start_ms, account.activated_ms)
    closed = ClosedCycle(
        start_ms,
        max(start_ms, end_ms),
        sum(bucket.granted_bytes for bucket in over),
        sum(bucket.used_bytes for bucket in over),
        sum(bucket.expired_bytes for bucket in over),
        account.overage_bytes,
        rolled_over_bytes=sum(bucket.rolled_over_bytes for bucket in over),
        spend_minor=spend_minor(account, rules),
        is_unlimited=any(b.kind == UNLIMITED and b.source not in rules.scopes for b in over),
    )
    account.history = [*account.history, closed][-rules.limits.history_cycles :]
    account.ended = []
    return closed


def adjust_closed_cycle(account: Account, time_ms: int, used_bytes: int) -> ClosedCycle | None:
    """Late usage of a closed cycle: corrects its history; None if that is no longer kept.

    It takes what expired of the cycle, then what rolled over from it and is still unused, and the
    rest is overage: as if it had come in time.
    """
    cycle = _closed_cycle(account, time_ms)
    if cycle is None:
        return None
    covered = min(used_bytes, cycle.expired_bytes)
    cycle.expired_bytes -= covered
    for bucket in account.buckets:
        if bucket.kind == ROLLOVER and bucket.granted_ms == cycle.end_ms:
            back = min(used_bytes - covered, bucket.remaining_bytes, cycle.rolled_over_bytes)
            bucket.granted_bytes -= back
            cycle.rolled_over_bytes -= back
            covered += back
    if cycle.is_unlimited:
        cycle.granted_bytes += used_bytes - covered
        covered = used_bytes
    cycle.used_bytes += covered
    cycle.overage_bytes += used_bytes - covered
    cycle.late_bytes += used_bytes
    return cycle


def refund_closed_cycle(
    account: Account, time_ms: int, refunded_bytes: int
) -> tuple[ClosedCycle | None, int]:
    """A refund of a closed cycle corrects its history: nothing of it can be used any more.

    Returns the cycle, None if it is no longer kept, and how much there was to take back.
    """
    cycle = _closed_cycle(account, time_ms)
    if cycle is None:
        return None, 0
    from_overage = min(refunded_bytes, cycle.overage_bytes)
    from_used = min(refunded_bytes - from_overage, cycle.used_bytes)
    cycle.overage_bytes -= from_overage
    cycle.used_bytes -= from_used
    cycle.expired_bytes += from_used
    return cycle, from_overage + from_used


def _closed_cycle(account: Account, time_ms: int) -> ClosedCycle | None:
    for cycle in reversed(account.history):
        if cycle.start_ms <= time_ms < cycle.end_ms:
            return cycle
    return None
