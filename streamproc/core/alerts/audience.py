"""The recipients of a reminder."""

from __future__ import annotations

from streamproc.core.rules.sending import Audience, Spoken
from streamproc.core.state.account import Account
from streamproc.core.state.messages import Mark
from streamproc.core.usage.pools import member_of_cap


def recipients(account: Account, audience: Audience, member: str) -> list[str]:
    """Whom a reminder goes to now; an empty text is the account's own number.

    - Without a pool: the account's own number.
    - Account holders of a pool: the members with that role; if there is none, the account's own
      number.
    - Device user of a pool: the ``member`` whose usage the reminder is about. If the usage has no
      member, or the member left or never joined: all members except the owners; if there are none,
      the owners.
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
    """Recipients of a message about the account, which no member in particular has caused.

    A message about a member's cap goes to that member alone.
    """
    return recipients(account, rule.policy.audience, member_of_cap(mark.bucket))


def of_member(account: Account, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of a message about the usage of the member in the mark's detail."""
    member = member_of_cap(mark.bucket) or mark.detail
    return recipients(account, rule.policy.audience, member)


def of_own_number(account: Account, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of a message about the network and the contract: the own number."""
    return [""]
