"""Pools: one account that several members use.

The pool's id is the account and the record key. So all events of a pool are in one partition, and
its figures are exact; the member is a field of the usage event. In each cycle, the pool's charge is
the sum of its members' usage plus usage without a member.
"""

from __future__ import annotations

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, Bucket, drop_empty_rare_state, quota_of
from streamproc.core.state.effects import Effect, audited, cause_of, rejected
from streamproc.core.state.events import Arrival, MemberJoined, MemberLeft
from streamproc.core.state.quota import Member
from streamproc.core.usage.arming import re_arm
from streamproc.core.usage.charging import Crossed, crossings_between
from streamproc.core.usage.own_thresholds import own_of

MEMBER = "member"
"""Kind of the bucket that stands for a member's cap. Rules with this kind are about caps."""


def join(account: Account, event: MemberJoined, arrival: Arrival) -> list[Effect]:
    """A member joins, or its role or cap changes. A changed cap re-arms the thresholds it un-
    crosses."""
    quota = quota_of(account)
    member = quota.members.setdefault(event.member, Member())
    cap = event.cap_bytes if isinstance(event.cap_bytes, int) else None
    if member.cap_bytes != cap:
        account.grants += 1
        re_arm(member, account)
    member.cap_bytes = cap
    member.owner = event.role == "owner"
    cause = cause_of(event, arrival)
    now_ms = to_ms(event.time)
    return [audited("member_joined", event.subscriber, now_ms, cause, member=event.member)]


def leave(account: Account, event: MemberLeft, arrival: Arrival) -> list[Effect]:
    """A member leaves. Its usage stays charged."""
    quota = account.quota
    if quota is None or event.member not in quota.members:
        return [rejected("unknown_member", "no such member of this pool", event, arrival)]
    del quota.members[event.member]
    drop_empty_rare_state(account)
    cause = cause_of(event, arrival)
    now_ms = to_ms(event.time)
    return [audited("member_left", event.subscriber, now_ms, cause, member=event.member)]


def member_count(account: Account) -> int:
    """How many members the account has; 0 if it is not a pool."""
    return len(account.quota.members) if account.quota else 0


def use(account: Account, name: str, used_bytes: int, rules: Rulebook) -> list[Crossed] | None:
    """Count usage for a member; returns thresholds of its cap, or None for an unknown member."""
    quota = account.quota
    member = quota.members.get(name) if quota else None
    if member is None:
        return None
    before = member.used_bytes
    member.used_bytes = before + used_bytes
    if member.cap_bytes is None:
        return []
    bucket, own = cap_bucket(account, name, member), own_of(account, rules)
    crossings = crossings_between(rules, bucket, before, member.used_bytes, own)
    return [Crossed(bucket, crossings)] if crossings else []


def give_back(account: Account, name: str, refunded_bytes: int) -> None:
    """A refund lowers the member's figure. Thresholds that it un-crosses are armed again."""
    quota = account.quota
    member = quota.members.get(name) if quota else None
    if member is not None and member.used_bytes and refunded_bytes:
        member.used_bytes -= min(refunded_bytes, member.used_bytes)
        account.grants += 1
        re_arm(member, account)


def member_of_cap(bucket_id: str) -> str:
    """The member whose cap a bucket's id names; empty for a real bucket."""
    name = bucket_id.removeprefix(f"{MEMBER}:")
    return name if name != bucket_id else ""


def cap_bucket_of(account: Account, bucket_id: str) -> Bucket | None:
    """The cap that a bucket id names. None for a real bucket, and for a member that left or has no
    cap any more."""
    quota = account.quota
    name = member_of_cap(bucket_id)
    member = quota.members.get(name) if quota is not None and name else None
    if member is None or member.cap_bytes is None:
        return None
    return cap_bucket(account, name, member)


def cap_bucket(account: Account, name: str, member: Member) -> Bucket:
    """A member's cap as a bucket, for rules, texts and figures. A member can use more than
    the cap."""
    cap = member.cap_bytes or 0
    return Bucket(
        f"{MEMBER}:{name}",
        MEMBER,
        "",
        0,
        account.cycle_start_ms,
        account.cycle_end_ms,
        cap,
        min(member.used_bytes, cap),
        member.arming,
    )
