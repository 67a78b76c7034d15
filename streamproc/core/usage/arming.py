"""The only module that re-arms thresholds: it gives their bucket or cap a new number."""

from __future__ import annotations

from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.quota import Member


def re_arm(one: Bucket | Member, account: Account) -> None:
    """Give the next reminders about a bucket, or a member's cap, new ids (law 13).

    The caller must have counted its change in ``account.grants``: that number is the new arming.
    """
    one.arming = account.grants
