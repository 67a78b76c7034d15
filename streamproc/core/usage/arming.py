"""The one place where thresholds re-arm: what they are about gets a new number."""

from __future__ import annotations

from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.quota import Member


def arm(one: Bucket | Member, account: Account) -> None:
    """The next reminders about a bucket, or a member's cap, have new ids (law 13).

    Whoever calls this has counted its change in ``account.grants``: that number is the new arming.
    """
    one.arming = account.grants
