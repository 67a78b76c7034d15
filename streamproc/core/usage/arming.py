"""The only module that re-arms thresholds: it gives their bucket or cap a new number."""

from __future__ import annotations

from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.quota import Member


def re_arm(one: Bucket | Member, account: Account) -> None:
    """Give the next reminders about a bucket, or a member's cap, new ids (law 13).

    The caller must have counted its change in ``account.grants``: that number is the new arming.
    """
    one.arming = account.grants


def re_arm_all(account: Account) -> None:
    """The subscriber chose other thresholds: give all next reminders new ids.

    Usage may fall below a threshold that is not in force meanwhile. Nothing notices that, so a
    reminder after it is in force again would have an old id.
    """
    account.grants += 1
    members = account.quota.members.values() if account.quota is not None else ()
    for one in (*account.buckets, *members):
        re_arm(one, account)
