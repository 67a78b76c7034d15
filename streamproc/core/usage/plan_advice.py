"""Whether another plan would have been cheaper in the last cycles, and by how much.

What a cycle would have cost under a plan is the plan's price plus what its tariffs ask for what its
allowances would not have covered. History tells how much was used, not of what kind; so the
present plan is taken at its best (every allowance could be used up, the rest was of the cheapest
kind, no cap was lifted) and another one at its worst (allowances for some usage only do not count,
the rest was of the dearest kind). The saving that is told is therefore a lower bound; where
allowances cover everything and plans have one tariff, it is exact. A cap makes no other plan
cheaper: beyond it there would have been no data.
"""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import EVERYTHING, Plan, Rulebook
from streamproc.core.schedule.calendar import cycle_of, known_zone
from streamproc.core.state.account import Account, ClosedCycle
from streamproc.core.usage.tariffs import price_minor


class Advice(Struct, frozen=True, gc=False):
    """A better plan; costs are over all cycles looked at, in minor units."""

    plan: str
    cost_minor: int
    better_cost_minor: int
    used_bytes: int
    cycles: int

    @property
    def saving_minor(self) -> int:
        return self.cost_minor - self.better_cost_minor


def better_plan(account: Account, notice: Notice, rules: Rulebook) -> Advice | None:
    """The cheapest plan for the last cycles, if it saves enough and was dearer in none of them.

    None also if there are fewer whole cycles than the notice looks at, or a change of plan is
    ordered already. Among plans of the same cost the first of the rules file is taken.
    """
    present = rules.plans.get(account.plan)
    usage = used_in_whole_cycles(account)[-notice.cycles :]
    if present is None or account.next_plan or len(usage) < notice.cycles:
        return None
    now = [_cost_minor(present, used, at_best=True) for used in usage]
    best: Advice | None = None
    for plan in rules.plans.values():
        then = [_cost_minor(plan, used, at_best=False) for used in usage]
        is_never_dearer = all(b <= a for a, b in zip(now, then, strict=True))
        found = Advice(plan.id, sum(now), sum(then), sum(usage), len(usage))
        if (
            plan.id != present.id
            and is_never_dearer
            and found.saving_minor >= max(notice.saving_minor, 1)
            and (best is None or found.better_cost_minor < best.better_cost_minor)
        ):
            best = found
    return best


def used_in_whole_cycles(account: Account) -> list[int]:
    """Bytes used in the closed cycles that are whole, allowances and overage, oldest first."""
    return [
        cycle.used_bytes + cycle.overage_bytes
        for cycle in account.history
        if _is_whole(cycle, account)
    ]


def _is_whole(cycle: ClosedCycle, account: Account) -> bool:
    """Not that of an activation or a closing."""
    tz = known_zone(account.time_zone)
    return cycle.start_ms < cycle.end_ms and cycle_of(cycle.start_ms, account.anchor_day, tz) == (
        cycle.start_ms,
        cycle.end_ms,
    )


def _cost_minor(plan: Plan, used_bytes: int, *, at_best: bool) -> int:
    covering = [one for one in plan.allowances if at_best or one.scope == EVERYTHING]
    if any(one.unlimited for one in covering):
        return plan.price_minor
    beyond = max(used_bytes - sum(one.granted_bytes for one in covering), 0)
    tariffs = plan.all_tariffs
    if not at_best:
        # Nobody knows how it would have been split: as if each tariff had to price all of it.
        return plan.price_minor + sum(price_minor(one, beyond) for one in tariffs)
    if len(tariffs) == 1:
        cost = price_minor(tariffs[0], beyond)
    else:
        cost = min(
            beyond * tier.price_minor // tier.unit_bytes for one in tariffs for tier in one.tiers
        )
    caps = [one.cap_minor for one in tariffs if one.cap_minor is not None]
    return plan.price_minor + min([cost, *caps])
