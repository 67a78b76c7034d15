"""Cycles that are over: their totals, and late usage that still adjusts them (law 11)."""

from __future__ import annotations

from streamproc.core.model import ALLOWANCE, Account, ClosedCycle
from streamproc.core.rulebook import Rulebook


def close_cycle(account: Account, end_ms: int, rules: Rulebook) -> ClosedCycle:
    """Put the present cycle's totals into the history; its allowances have expired."""
    over = [b for b in (*account.ended, *account.buckets) if b.kind == ALLOWANCE]
    start_ms = max(account.cycle_start_ms, account.activated_ms)
    closed = ClosedCycle(
        start_ms,
        max(start_ms, end_ms),
        sum(bucket.granted_bytes for bucket in over),
        sum(bucket.used_bytes for bucket in over),
        sum(bucket.expired_bytes for bucket in over),
        account.overage_bytes,
    )
    account.history = [*account.history, closed][-rules.limits.history_cycles :]
    account.ended = []
    return closed


def adjust_closed_cycle(account: Account, time_ms: int, used_bytes: int) -> ClosedCycle | None:
    """Late usage of a closed cycle: corrects its history; None if that is no longer kept."""
    for cycle in reversed(account.history):
        if cycle.start_ms <= time_ms < cycle.end_ms:
            covered = min(used_bytes, cycle.expired_bytes)
            cycle.expired_bytes -= covered
            cycle.used_bytes += covered
            cycle.overage_bytes += used_bytes - covered
            cycle.late_bytes += used_bytes
            return cycle
    return None
