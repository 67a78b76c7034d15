"""The recipients of a reminder."""

from __future__ import annotations

from streamproc.core.rules.sending import Audience, Spoken
from streamproc.core.state.account import Account
from streamproc.core.state.gate import Mark
from streamproc.core.usage.pools import member_of_cap


def recipients(account: Account, audience: Audience, member: str) -> list[str]:
    """Whom a reminder goes to now; empty text is the account's own number.

    Without pool there is only that. In a pool the account holders are the members with that role
    (the account's own number if there is none), the device user is the ``member`` whose usage it
    is about. Where it is about nobody's, or about that of somebody who left or never joined, the
    device users are all members but the owners (the owners if there are no others).
    """
    quota = account.quota
    if quota is None or not quota.members:
        return [""]
    owners = [name for name, one in quota.members.items() if one.owner] or [""]
    others = [name for name, one in quota.members.items() if not one.owner]
    users = [member] if member in quota.members else others or owners
    if audience == "account_holder":
        return owners
    if audience == "device_user":
        return users
    return list(dict.fromkeys((*owners, *users)))


def of_account(account: Account, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of what is about the account: nobody in particular used what it speaks of.

    About a member's cap it is all the same: that is the member's alone.
    """
    return recipients(account, rule.policy.audience, member_of_cap(mark.bucket))


def of_member(account: Account, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of what is about the usage of the member that the mark's detail names."""
    member = member_of_cap(mark.bucket) or mark.detail
    return recipients(account, rule.policy.audience, member)


def of_own_number(account: Account, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of what is between the network and the contract."""
    return [""]
