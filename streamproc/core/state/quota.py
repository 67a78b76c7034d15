"""What an account stores for rarely used quota features; nothing if it uses none of them."""

from __future__ import annotations

from msgspec import Struct


class Meter(Struct, array_like=True, gc=False):
    """Overage of the present cycle under one tariff, and where its price was settled last.

    The plan's own tariff (id empty) keeps no ``overage_bytes``: they are what the others lack.
    """

    overage_bytes: int = 0
    settled_bytes: int = 0
    settled_minor: int = 0
    """What the cycle had cost when plan or cap changed last, at ``settled_bytes``."""


class Member(Struct, array_like=True, gc=False):
    """One who draws on a pool."""

    owner: bool = False
    cap_bytes: int | None = None
    """Of one cycle; None: only the pool itself is an end."""
    used_bytes: int = 0
    """In the present cycle."""
    arming: int = 0
    """As a bucket's: number of the grant that armed the thresholds of the cap."""


class QuotaState(Struct, omit_defaults=True, gc=False):
    """By name; only what differs from its default is packed."""

    meters: dict[str, Meter] = {}
    """By tariff id."""
    lifted_caps: dict[str, bool] = {}
    """Tariffs beyond whose cap the subscriber consented to go; True: until revoked, else for the
    present cycle."""
    members: dict[str, Member] = {}
    """By number (or opaque id), if the account is a pool."""
    told: dict[str, str] = {}
    """Counters of policies that are not restored, and what the policy system was told of them."""
    policy_number: int = 0
    """Counts what the policy system was told."""
    uncrossed: bool = False
    """A refund un-crossed a threshold, and the follow-up notice has not gone out yet."""
