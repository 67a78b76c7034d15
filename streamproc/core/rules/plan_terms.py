"""Terms of plans other than allowances, as data: prices, caps, policies, roll-over."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streamproc.core.rules.scope import EVERYTHING, Scope

PolicyReason = Literal["fair_use", "nothing_left", "cost_cap", "member_cap"]
PolicyState = Literal["throttled", "barred"]


class Tier(Struct, frozen=True, gc=False):
    """A price of overage: from ``from_bytes`` of a cycle's overage on, per begun ``unit_bytes``."""

    from_bytes: int
    price_minor: int
    unit_bytes: int


class Tariff(Struct, frozen=True, gc=False):
    """The price of usage that no bucket covers. The first tariff of a plan that covers the usage
    applies.

    ``id`` is empty for the plan's own tariff, which covers all usage that no other tariff covers.
    ``cap_minor`` is the highest cost of a cycle without the subscriber's consent; None: no cap.
    """

    id: str
    tiers: tuple[Tier, ...]
    scope: Scope = EVERYTHING
    cap_minor: int | None = None


class PolicyCounter(Struct, frozen=True, gc=False):
    """A counter whose changes a policy system (PCRF, PCF) receives.

    - ``fair_use``: the plan's own usage of the cycle reached ``after_bytes``, and no bought bytes
      are left;
    - ``nothing_left``: no bucket with bytes left covers the scope;
    - ``cost_cap``: the cap of ``tariff`` is reached without consent;
    - ``member_cap``: a member of a pool reached its own cap (one counter for each member).
    """

    id: str
    when: PolicyReason
    state: PolicyState
    after_bytes: int = 0
    tariff: str = ""
    throttle_kbps: int | None = None
    scope: Scope = EVERYTHING


class Rollover(Struct, frozen=True, gc=False):
    """Unused bytes of an allowance stay usable for ``cycles`` further cycles, at most
    ``max_bytes``."""

    max_bytes: int
    cycles: int = 1
    used: Literal["first", "last"] = "first"
    """Whether they are charged before or after the new cycle's allowance."""
