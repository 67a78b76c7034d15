"""What accounts hold and the rules lack: their next cycle would grant nothing."""

from __future__ import annotations

from collections.abc import Iterator

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state import account as account_row
from streamproc.core.state.account import Account


def sources_of(rules: Rulebook) -> set[str]:
    """The ids of packs and allowances, where buckets come from."""
    return {*rules.packs, *(one.id for plan in rules.plans.values() for one in plan.allowances)}


def what_rules_lack(
    account: Account, rules: Rulebook, sources: set[str]
) -> Iterator[tuple[str, str]]:
    """What an account has and the rules lack: what it is, and its id.

    ``sources``: :func:`sources_of` of the rules.
    """
    plans = [account.plan, account.next_plan] if account.status == account_row.ACTIVE else []
    gone = (plan for plan in dict.fromkeys(plans) if plan and plan not in rules.plans)
    yield from (("plan", plan) for plan in gone)
    held = dict.fromkeys(bucket.source for bucket in account.buckets if bucket.source)
    yield from (("pack or allowance", source) for source in held if source not in sources)
