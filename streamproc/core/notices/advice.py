"""Whether another plan fits the usage of the last cycles better, and by how much.

What a cycle would have cost under a plan is the plan's price plus its overage price for what its
allowances would not have covered. History tells how much was used, not of what kind; so the
present plan is taken at its best (every allowance could be used up) and another one at its worst
(allowances for some usage only do not count). The saving that is told is therefore a lower bound;
where all allowances cover everything, it is exact.
"""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.calendar import cycle_of, known_zone
from streamproc.core.model import Account, ClosedCycle
from streamproc.core.notices.catalogue import Notice
from streamproc.core.notices.money import price_minor_of
from streamproc.core.rulebook import EVERYTHING, Plan, Rulebook


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
    covered = sum(
        one.granted_bytes for one in plan.allowances if at_best or one.scope == EVERYTHING
    )
    beyond = max(used_bytes - covered, 0)
    return plan.price_minor + price_minor_of(
        beyond, plan.overage_price_minor, plan.overage_unit_bytes
    )
