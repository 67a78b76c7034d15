"""What a new cycle, or a new contract, does to the quota state of an account."""

from __future__ import annotations

from streamproc.core.state.account import Account, drop_empty_rare_state
from streamproc.core.usage import tariffs
from streamproc.core.usage.boundaries import forget_boundaries
from streamproc.core.usage.costs import forget_costs
from streamproc.core.usage.coverage import forget_freed


def begin_quota_cycle(account: Account) -> None:
    """A new cycle has cost nothing. Members' figures begin again; consents for the old cycle are
    over."""
    forget_costs(account)
    forget_boundaries(account)
    forget_freed(account)
    quota = account.quota
    if quota is None:
        return
    tariffs.begin_cycle(quota)
    for member in quota.members.values():
        member.used_bytes = 0
    drop_empty_rare_state(account)


def forget_quota(account: Account) -> None:
    """A new contract does not pay for the old one. The number of policy records continues."""
    forget_costs(account)
    forget_boundaries(account)
    forget_freed(account)
    quota = account.quota
    if quota is None:
        return
    quota.meters = {}
    quota.lifted_caps = {}
    quota.members = {}
    quota.uncrossed = False
    drop_empty_rare_state(account)
