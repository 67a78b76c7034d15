"""Unused bytes of an allowance that roll over into later cycles."""

from __future__ import annotations

from msgspec.structs import replace

from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.schedule.calendar import cycle_of, known_zone
from streamproc.core.schedule.cycle_end import ending_with_cycle
from streamproc.core.state.account import ALLOWANCE, ROLLOVER, Account, Bucket


def lost_with_cycle(account: Account, rule: TimedRule, rules: Rulebook) -> list[Bucket]:
    """Copies of those buckets without the bytes that roll over: their remaining bytes will be
    lost."""
    plan = rules.plans.get(account.plan)
    rollovers = {one.id: one.rollover for one in plan.allowances} if plan else {}
    found = []
    for bucket in ending_with_cycle(account, rule):
        rollover = rollovers.get(bucket.source) if bucket.kind == ALLOWANCE else None
        if rollover is not None:
            carried = min(bucket.remaining_bytes, rollover.max_bytes)
            bucket = replace(bucket, rolled_over_bytes=bucket.rolled_over_bytes + carried)
        found.append(bucket)
    return found


def roll_over(account: Account, rules: Rulebook) -> list[Bucket]:
    """Move rolling bytes out of the ending cycle's allowances; returns the new buckets.

    The plan that was in force decides whether bytes roll over, and how many. Rolled-over bytes do
    not roll over again: they have an end of their own.
    """
    plan = rules.plans.get(account.plan)
    found: list[Bucket] = []
    for allowance in plan.allowances if plan else ():
        rollover = allowance.rollover
        if rollover is None:
            continue
        for bucket in account.buckets:
            if bucket.source != allowance.id or bucket.kind != ALLOWANCE:
                continue
            carried = min(bucket.remaining_bytes, rollover.max_bytes)
            if carried <= 0:
                continue
            bucket.rolled_over_bytes += carried
            account.grants += 1
            beside = -1 if rollover.used == "first" else 1
            found.append(
                Bucket(
                    f"{allowance.id}#{account.grants}",
                    ROLLOVER,
                    allowance.id,
                    bucket.priority + beside,
                    account.cycle_end_ms,
                    _end_ms(account, rollover.cycles),
                    carried,
                    arming=account.grants,
                )
            )
    return found


def _end_ms(account: Account, cycles: int) -> int:
    tz = known_zone(account.time_zone)
    end_ms = account.cycle_end_ms
    for _ in range(cycles):
        end_ms = cycle_of(end_ms, account.anchor_day, tz)[1]
    return end_ms
