"""Additions to audit records: balances before and after a decision, and reminders that were sent.

The balance of an account is the sum of its present buckets.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType
from msgspec.structs import force_setattr

from streamproc.core.state.account import Account, totals
from streamproc.core.state.effects import Audited, Balance, Effect, Reminder


def balance_of(account: Account) -> Balance:
    """The balance now."""
    return Balance(*totals(account.buckets), account.overage_bytes)


def balance_before(
    after: Balance, granted_bytes: int, used_bytes: int, overage_bytes: int
) -> Balance:
    """The balance before usage. Usage changes only these figures (the grant only if unlimited)."""
    more_used_bytes = after.used_bytes - used_bytes
    more_granted_bytes = after.granted_bytes - granted_bytes
    remaining_bytes = after.remaining_bytes + more_used_bytes - more_granted_bytes
    return Balance(granted_bytes, used_bytes, remaining_bytes, overage_bytes)


def explained(effects: list[Effect], before: Balance, after: Balance) -> list[Effect]:
    """The effects of one event or instant, with balances. A ``fired`` record follows each reminder.

    ``before`` is omitted from records if nothing changed.
    """
    earlier: Balance | UnsetType = UNSET if before == after else before
    out: list[Effect] = []
    for effect in effects:
        out.append(effect)
        if type(effect) is Audited:
            # Only this function has the record so far, so it is changed in place and not copied.
            force_setattr(effect, "before", earlier)
            force_setattr(effect, "after", after)
        elif type(effect) is Reminder:
            out.append(fired(effect, earlier, after))
    return out


def fired(
    reminder: Reminder, before: Balance | UnsetType = UNSET, after: Balance | UnsetType = UNSET
) -> Audited:
    """The audit record of a reminder."""
    buckets, threshold = reminder.buckets, reminder.threshold
    return Audited(
        "fired",
        reminder.subscriber,
        reminder.as_of,
        {},
        reminder.cause,
        reminder.rule,
        buckets[0].id if len(buckets) == 1 else UNSET,
        UNSET if threshold is None else threshold.value,
        reminder.category,
        before,
        after,
        reminder.id,
        reminder.recipient,
    )
