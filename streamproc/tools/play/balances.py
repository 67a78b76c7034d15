"""The balance of a subscriber at one instant: buckets, cost of overage, members."""

from __future__ import annotations

from dataclasses import dataclass

from streamproc.core.instants import LAST_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ACTIVE, CLOSED, UNLIMITED, Account
from streamproc.core.usage.tariffs import spend_minor

UNKNOWN = "unknown"
"""The status while events wait for the activation."""
STATES = {ACTIVE: "active", CLOSED: "closed"}


@dataclass(frozen=True)
class BucketBalance:
    """One bucket; bytes."""

    id: str
    kind: str
    granted_bytes: int
    used_bytes: int
    remaining_bytes: int
    expires_ms: int | None
    """None: no end."""

    @property
    def is_unlimited(self) -> bool:
        return self.kind == UNLIMITED


@dataclass(frozen=True)
class MemberBalance:
    """A member of a pool, in the present cycle."""

    member: str
    role: str
    used_bytes: int
    cap_bytes: int | None


@dataclass(frozen=True)
class Balances:
    """Everything about an account that a play shows before and after."""

    status: str
    """``active``, ``closed``, or ``unknown`` while events wait for the activation."""
    plan: str
    time_zone: str
    cycle_end_ms: int
    buckets: tuple[BucketBalance, ...]
    overage_bytes: int
    spend_minor: int
    """Cost of the cycle's overage, in minor units of the currency."""
    members: tuple[MemberBalance, ...]

    def bucket(self, name: str) -> BucketBalance | None:
        """The bucket with an id; None if there is none."""
        return next((one for one in self.buckets if one.id == name), None)


def balances_of(account: Account | None, rules: Rulebook) -> Balances | None:
    """The balances of an account; None if there is no account."""
    if account is None:
        return None
    quota = account.quota
    members = quota.members if quota else {}
    return Balances(
        STATES.get(account.status, UNKNOWN),
        account.plan,
        account.time_zone,
        account.cycle_end_ms,
        tuple(
            BucketBalance(
                one.id,
                one.kind,
                one.granted_bytes,
                one.used_bytes,
                one.remaining_bytes,
                one.expires_ms if one.expires_ms < LAST_MS else None,
            )
            for one in account.buckets
        ),
        account.overage_bytes,
        spend_minor(account, rules),
        tuple(
            MemberBalance(name, "owner" if one.owner else "member", one.used_bytes, one.cap_bytes)
            for name, one in members.items()
        ),
    )
