"""What an account stores for rarely used quota features; nothing if it uses none of them."""

from __future__ import annotations

from msgspec import Struct


class Meter(Struct, array_like=True, gc=False):
    """Overage of the present cycle under one tariff, and the point at which its price was settled
    last.

    The plan's own tariff (id empty) stores no ``overage_bytes``: it has the overage that no other
    has.
    """

    overage_bytes: int = 0
    settled_bytes: int = 0
    settled_minor: int = 0
    """Cost of the cycle, up to ``settled_bytes``, when plan or cap changed last."""


class Member(Struct, array_like=True, gc=False):
    """A member of a pool."""

    owner: bool = False
    cap_bytes: int | None = None
    """Cap for one cycle; None: only the pool itself limits the member."""
    used_bytes: int = 0
    """Bytes used in the present cycle."""
    arming: int = 0
    """As for a bucket: number of the grant that armed the thresholds of the cap."""


class QuotaState(Struct, omit_defaults=True, gc=False):
    """Stored by field name; only fields that differ from their default are packed."""

    meters: dict[str, Meter] = {}
    """Meters by tariff id."""
    lifted_caps: dict[str, bool] = {}
    """Tariffs whose cap the subscriber consented to exceed. True: until revoked; False: for the
    present cycle."""
    members: dict[str, Member] = {}
    """Members by number (or opaque id), if the account is a pool."""
    told: dict[str, str] = {}
    """Counters of policies that are not restored, and the state that the policy system received
    last."""
    policy_number: int = 0
    """Counts the records to the policy system."""
    uncrossed: bool = False
    """A refund un-crossed a threshold, and the follow-up notice was not sent yet."""
