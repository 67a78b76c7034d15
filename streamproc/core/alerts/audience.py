"""The recipients of a reminder."""

from __future__ import annotations

from streamproc.core.rules.sending import Audience, Spoken
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.usage.pools import member_of_cap


def recipients(moment: Moment, audience: Audience, member: str) -> list[str]:
    """Whom a reminder goes to now; an empty text is the account's own number.

    - Without a pool: the account's own number.
    - Account holders of a pool: the members with that role; if there is none, the account's own
      number.
    - Device user of a pool: the ``member`` whose usage the reminder is about. If the usage has no
      member, or the member left or never joined: all members except the owners; if there are none,
      the owners.

    The own number can be a member as well. Nobody gets a message twice.
    """
    quota = moment.account.quota
    if quota is None or not quota.members:
        return [""]
    owners = [name for name, one in quota.members.items() if one.owner] or [""]
    others = [name for name, one in quota.members.items() if not one.owner]
    users = [member] if member in quota.members else others or owners
    if audience == "account_holder":
        return owners
    if audience == "device_user":
        return users
    both = dict.fromkeys((*owners, *users))
    if "" in both:
        both.pop(moment.subscriber, None)
    return list(both)


def of_account(moment: Moment, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of a message about the account, which no member in particular has caused.

    A message about a member's cap goes to that member alone.
    """
    return recipients(moment, rule.policy.audience, member_of_cap(mark.bucket))


def of_member(moment: Moment, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of a message about the usage of the member in the mark's detail."""
    member = member_of_cap(mark.bucket) or mark.detail
    return recipients(moment, rule.policy.audience, member)


def of_own_number(moment: Moment, rule: Spoken, mark: Mark) -> list[str]:
    """Recipients of a message about the network and the contract: the own number."""
    return [""]
