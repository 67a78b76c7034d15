"""Whether another plan would have been cheaper in the last cycles, and by how much.

The cost of a cycle under a plan is the plan's price plus the price of the usage that its allowances
would not have covered. The history knows how much was used, but not what kind of usage. So the
comparison favours the present plan:

- present plan, lowest possible cost: every allowance could be used up, the rest was of the cheapest
  kind, no cap was lifted;
- other plan, highest possible cost: allowances for some usage only do not count, the rest was of
  the most expensive kind.

The saving in the message is therefore a lower bound. It is exact if allowances cover everything and
plans have one tariff. A cap does not make another plan cheaper: beyond it there would be no data.
"""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import EVERYTHING, Plan, Rulebook
from streamproc.core.schedule.calendar import cycle_of, known_zone
from streamproc.core.state.account import Account, ClosedCycle
from streamproc.core.usage.tariffs import price_minor


class Advice(Struct, frozen=True, gc=False):
    """A better plan. Costs are over all compared cycles, in minor units."""

    plan: str
    cost_minor: int
    better_cost_minor: int
    used_bytes: int
    cycles: int

    @property
    def saving_minor(self) -> int:
        return self.cost_minor - self.better_cost_minor


def better_plan(account: Account, notice: Notice, rules: Rulebook) -> Advice | None:
    """The cheapest plan for the last cycles, if it saves enough and was not more expensive in any
    of them.

    None if there are fewer complete cycles than the notice compares, or if a change of plan is
    ordered already. Among plans of the same cost, the first of the rules file is taken.
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
    """Bytes used in complete closed cycles, allowances and overage, oldest first."""
    return [
        cycle.used_bytes + cycle.overage_bytes
        for cycle in account.history
        if _is_whole(cycle, account)
    ]


def _is_whole(cycle: ClosedCycle, account: Account) -> bool:
    """Not a cycle that an activation began late or a closing ended early."""
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
        # Nobody knows how the usage would have been split, so assume that each tariff
        # prices all of it.
        return plan.price_minor + sum(price_minor(one, beyond) for one in tariffs)
    if len(tariffs) == 1:
        cost = price_minor(tariffs[0], beyond)
    else:
        cost = min(
            beyond * tier.price_minor // tier.unit_bytes for one in tariffs for tier in one.tiers
        )
    caps = [one.cap_minor for one in tariffs if one.cap_minor is not None]
    return plan.price_minor + min([cost, *caps])
