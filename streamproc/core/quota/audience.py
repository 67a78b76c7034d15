"""Whom a reminder goes to."""

from __future__ import annotations

from streamproc.core.alerts.policy import Audience
from streamproc.core.model import Account


def recipients(account: Account, audience: Audience, member: str) -> list[str]:
    """Whom a reminder goes to; empty text is the account's own number.

    Without pool there is only that. In a pool the account holders are the members with that role
    (the account's own number if there is none), the device user is the ``member`` whose usage it
    is about, or every other member (the owners if there is none) where it is about nobody's.
    """
    quota = account.quota
    if quota is None or not quota.members:
        return [""]
    owners = [name for name, one in quota.members.items() if one.owner] or [""]
    others = [name for name, one in quota.members.items() if not one.owner]
    users = [member] if member else others or owners
    if audience == "account_holder":
        return owners
    if audience == "device_user":
        return users
    return list(dict.fromkeys((*owners, *users)))
