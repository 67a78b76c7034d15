"""A plan change: in the middle of a cycle (with the whole allowance or prorated), or with the next
cycle."""

from __future__ import annotations

from streamproc.core.alerts.remembered_thresholds import rename_bucket
from streamproc.core.instants import to_ms
from streamproc.core.life.lifecycle import allowance_bucket, end_bucket
from streamproc.core.rules.rulebook import EVERYTHING, Allowance, Plan, Rulebook
from streamproc.core.state.account import ALLOWANCE, PLAN_KINDS, UNLIMITED, Account, Bucket
from streamproc.core.state.effects import Effect, audited, cause_of, rejected
from streamproc.core.state.events import Arrival, PlanChanged
from streamproc.core.usage.arming import re_arm
from streamproc.core.usage.boundaries import forget_boundaries
from streamproc.core.usage.charging import add_bucket, regrant
from streamproc.core.usage.coverage import note_freed
from streamproc.core.usage.downgrades import (
    ENDLESS_BYTES,
    ENDLESS_SHARE_BYTES,
    end_bucket_early,
    forget_changes,
    note_change,
    planned_bytes,
    rename_changes,
)
from streamproc.core.usage.tariffs import settle


def change_plan(
    account: Account, event: PlanChanged, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    """Change the plan: at once (used bytes stay used, thresholds re-arm) or with the next cycle.

    An order for the next cycle that arrives after the start of that cycle takes effect at once.
    """
    if event.plan not in rules.plans:
        return [rejected("unknown_plan", "no such plan in the rules", event, arrival)]
    cause = cause_of(event, arrival)
    now_ms = to_ms(event.time)
    if event.effective == "next_cycle" and now_ms >= account.cycle_start_ms:
        account.next_plan = event.plan
        return [audited("plan_change_scheduled", event.subscriber, now_ms, cause)]
    # Overage before this instant costs what the old plan says.
    settle(account, rules)
    forget_boundaries(account)
    note_freed(account, rules)
    before = rules.plans.get(account.plan)
    account.plan = event.plan
    account.next_plan = ""
    account.grants += 1
    out: list[Effect] = [audited("plan_changed", event.subscriber, now_ms, cause)]
    old = [bucket for bucket in account.buckets if bucket.kind in PLAN_KINDS]
    account.buckets = [bucket for bucket in account.buckets if bucket.kind not in PLAN_KINDS]
    new = rules.plans[event.plan].allowances
    share = _Share(account, now_ms) if event.prorated and event.effective == "now" else None
    for allowance in new:
        heir = _heir(old, allowance, new, rules)
        if heir is None:
            bucket = allowance_bucket(account, allowance, now_ms)
            if share is not None:
                bucket.granted_bytes = share.of(bucket.granted_bytes)
            add_bucket(account, bucket)
            continue
        old.remove(heir)
        granted = allowance.granted_bytes
        endless_bytes = ENDLESS_BYTES
        if share is not None:
            endless_bytes = ENDLESS_SHARE_BYTES
            now_bytes = planned_bytes(account, heir)
            granted = share.instead(now_bytes, _granted_by(before, heir, now_bytes), granted)
        before_bytes = endless_bytes if heir.kind == UNLIMITED else heir.granted_bytes
        _inherit(account, heir, allowance, before_bytes, granted, now_ms)
    for bucket in old:
        end_bucket_early(account, bucket, max(now_ms, bucket.granted_ms))
        out.append(end_bucket(account, bucket, event.subscriber, now_ms, cause))
    return out


class _Share:
    """The share of the cycle that is left at a change. Bytes are cut off to whole numbers."""

    def __init__(self, account: Account, now_ms: int) -> None:
        start, self._end = account.cycle_start_ms, account.cycle_end_ms
        self._length = self._end - start
        self._left = self._end - min(max(now_ms, start), self._end)

    def of(self, granted_bytes: int) -> int:
        return granted_bytes * self._left // self._length

    def instead(self, granted_bytes: int, before_bytes: int, after_bytes: int) -> int:
        """A grant in which the old plan's grant for the rest of the cycle is replaced by the new
        plan's.

        A change forth and back at one instant leaves the grant unchanged.
        """
        return max(granted_bytes - self.of(before_bytes), 0) + self.of(after_bytes)


def _granted_by(plan: Plan | None, heir: Bucket, granted_bytes: int) -> int:
    """The old plan's grant for a whole cycle; the size of its bucket if the plan is gone."""
    for allowance in plan.allowances if plan else ():
        if allowance.id == heir.source:
            return allowance.granted_bytes
    return granted_bytes


def _inherit(
    account: Account,
    heir: Bucket,
    allowance: Allowance,
    before_bytes: int,
    granted_bytes: int,
    at_ms: int,
) -> None:
    if heir.id != allowance.id:
        rename_changes(account, heir, allowance.id)
        rename_bucket(account, heir.id, allowance.id)
    heir.id = heir.source = allowance.id
    heir.priority = allowance.priority
    was_unlimited = heir.kind == UNLIMITED
    heir.kind = UNLIMITED if allowance.unlimited else ALLOWANCE
    if allowance.unlimited:
        forget_changes(account, heir)
        heir.granted_bytes = heir.used_bytes
    else:
        note_change(account, heir, at_ms, before_bytes, granted_bytes)
        regrant(heir, granted_bytes, account)
    if was_unlimited != allowance.unlimited:
        re_arm(heir, account)
    add_bucket(account, heir)


def _heir(
    old: list[Bucket], allowance: Allowance, new: tuple[Allowance, ...], rules: Rulebook
) -> Bucket | None:
    """The old plan's bucket that continues as ``allowance`` and keeps its used bytes.

    It is the bucket with the same id. Otherwise it is the first that covers the same usage and
    whose id the new plan does not have. So usage of one kind never becomes usage of another.
    """
    for bucket in old:
        if bucket.source == allowance.id:
            return bucket
    claimed = {one.id for one in new}
    for bucket in old:
        if (
            bucket.source not in claimed
            and rules.scopes.get(bucket.source, EVERYTHING) == allowance.scope
        ):
            return bucket
    return None
