"""Terms of plans beyond allowances, as data: prices, caps, policies, roll-over."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streamproc.core.rules.scope import EVERYTHING, Scope

PolicyReason = Literal["fair_use", "nothing_left", "cost_cap", "member_cap"]
PolicyState = Literal["throttled", "barred"]


class Tier(Struct, frozen=True, gc=False):
    """From ``from_bytes`` of a cycle's overage on, each begun ``unit_bytes`` cost so much."""

    from_bytes: int
    price_minor: int
    unit_bytes: int


class Tariff(Struct, frozen=True, gc=False):
    """The price of usage that no bucket covers; the first tariff of a plan that covers it counts.

    ``id`` is empty for the plan's own tariff, which covers what no other does. ``cap_minor`` is
    the most that a cycle may cost without the subscriber's consent; None: no cap.
    """

    id: str
    tiers: tuple[Tier, ...]
    scope: Scope = EVERYTHING
    cap_minor: int | None = None


class PolicyCounter(Struct, frozen=True, gc=False):
    """A counter that a policy system (PCRF, PCF) is told of.

    - ``fair_use``: the plan's own usage of the cycle reached ``after_bytes``, and nothing that was
      bought beside is left;
    - ``nothing_left``: no bucket with anything left covers the scope;
    - ``cost_cap``: the cap of ``tariff`` is reached without consent;
    - ``member_cap``: a pool's member reached its own cap (told of each member by itself).
    """

    id: str
    when: PolicyReason
    state: PolicyState
    after_bytes: int = 0
    tariff: str = ""
    throttle_kbps: int | None = None
    scope: Scope = EVERYTHING


class Rollover(Struct, frozen=True, gc=False):
    """Unused bytes of an allowance go on for ``cycles`` further cycles, at most ``max_bytes``."""

    max_bytes: int
    cycles: int = 1
    used: Literal["first", "last"] = "first"
    """Before or after the new cycle's allowance."""
