"""Money, members and policies of one contract, calculated step by step.

The core prices a cycle's whole overage at once. Here every piece of it is priced when it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamproc.core.rules.plan_terms import PolicyCounter, Tariff
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.lab.oracle.buckets import Bucket, remaining, scope_of

Told = tuple[str, str, str, int | None]
"""Counter, member (or empty), state or ``restored``, and speed of a change of policy."""


def price(tariff: Tariff, overage: int) -> int:
    """The price of overage, tier by tier, for each begun unit."""
    total = 0
    starts = [tier.from_bytes for tier in tariff.tiers]
    for tier, end in zip(tariff.tiers, [*starts[1:], overage], strict=True):
        units = range(tier.from_bytes, min(end, overage), tier.unit_bytes)
        total += tier.price_minor * len(units)
    return total


class Money:
    """The cost of the present cycle, tariff by tariff."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}
        self.before: dict[str, int] = {}
        """Spent when plan or cap changed last."""
        self.since: dict[str, int] = {}
        """What the overage since then would have cost without a cap; can be less than 0 after
        refunds."""
        self.consents: dict[str, str] = {}

    def tariff(self, plan: str, event: dict[str, Any], rules: Rulebook) -> Tariff | None:
        """The first tariff of a plan that covers an event's usage."""
        found = rules.plans.get(plan)
        for one in found.all_tariffs if found else ():
            groups, zones = one.scope.rating_groups, one.scope.roaming_zones
            if groups is not None and event.get("rating_group", 0) not in groups:
                continue
            if zones is None or event.get("roaming_zone", "home") in zones:
                return one
        return None

    def move(self, tariff: Tariff | None, change: int) -> None:
        """Add overage, or subtract it."""
        name = tariff.id if tariff else ""
        before = self.bytes.get(name, 0)
        self.bytes[name] = before + change
        if tariff is not None:
            cost = price(tariff, before + change) - price(tariff, before)
            self.since[name] = self.since.get(name, 0) + cost

    def spent(self, plan: str, rules: Rulebook) -> dict[str, int]:
        """Spent amounts by tariff, if anything was used or spent."""
        found = rules.plans.get(plan)
        caps = {one.id: one.cap_minor for one in (found.all_tariffs if found else ())}
        spent = {}
        for name in self.bytes.keys() | self.before.keys():
            before, since = self.before.get(name, 0), self.since.get(name, 0)
            cap = caps.get(name)
            if name not in caps:
                since = 0
            elif cap is not None and name not in self.consents:
                since = min(since, max(cap - before, 0))
            spent[name] = max(before + since, 0)
        return spent

    def next_price(self, plan: str, name: str, rules: Rulebook) -> tuple[int, int] | None:
        """Price and unit of the next byte of overage under a tariff of a plan."""
        used = self.bytes.get(name, 0)
        for one in rules.plans[plan].all_tariffs if plan in rules.plans else ():
            if one.id == name:
                tier = max(
                    (t for t in one.tiers if t.from_bytes <= used), key=lambda t: t.from_bytes
                )
                return tier.price_minor, tier.unit_bytes
        return None

    def settle(self, plan: str, rules: Rulebook) -> None:
        self.before = self.spent(plan, rules)
        self.since = {}

    def cap_in_force(self, plan: str, name: str, rules: Rulebook) -> int | None:
        """What may be spent under a tariff without consent."""
        for one in rules.plans[plan].all_tariffs if plan in rules.plans else ():
            if one.id == name and name not in self.consents:
                return one.cap_minor
        return None

    def is_at_cap(self, plan: str, name: str, rules: Rulebook) -> bool:
        for one in rules.plans[plan].all_tariffs if plan in rules.plans else ():
            if one.id == name and one.cap_minor is not None and name not in self.consents:
                return self.spent(plan, rules).get(name, 0) >= one.cap_minor
        return False

    def new_cycle(self) -> None:
        self.bytes, self.before, self.since = {}, {}, {}
        self.consents = {name: till for name, till in self.consents.items() if till == "revoked"}


class Members:
    """The members of a pool: ``owner``, ``cap`` and ``used`` of each."""

    def __init__(self, own_number: str = "") -> None:
        self.own_number = own_number
        self.by_name: dict[str, dict[str, Any]] = {}

    def recipients(self, audience: str, member: str) -> list[str]:
        """Whom a reminder goes to now; an empty text is the pool's own number.

        A person who is not a member, or not any more, does not count as a particular one.
        """
        if not self.by_name:
            return [""]
        owners = [name for name, one in self.by_name.items() if one["owner"]]
        owners = owners or [""]
        others = [name for name, one in self.by_name.items() if not one["owner"]]
        users = [member] if member in self.by_name else others or owners
        if audience == "both":
            known = [*owners, self.own_number] if owners == [""] else owners
            return [*owners, *(name for name in users if name not in known)]
        return owners if audience == "account_holder" else users


def cap_bucket(name: str, member: dict[str, Any], start_ms: int, end_ms: int) -> Bucket:
    """A member's cap as a bucket."""
    return {
        "id": f"member:{name}",
        "kind": "member",
        "source": "",
        "priority": 0,
        "from_ms": start_ms,
        "ends_ms": end_ms,
        "granted": member["cap"],
        "used": min(member["used"], member["cap"]),
        "expired": 0,
        "rolled": 0,
        "over": False,
    }


def unusual(
    plan: str, buckets: list[Bucket], overage: int, money: Money, members: Members, rules: Rulebook
) -> Iterator[tuple[tuple[str, str], tuple[str, str, int | None]]]:
    """Every counter that is throttled or barred: counter and member, state, reason and speed."""
    found = rules.plans.get(plan)
    for one in found.policies if found else ():
        told = (one.state, one.when, one.throttle_kbps)
        if one.when == "member_cap":
            for name, member in members.by_name.items():
                if member["cap"] is not None and member["used"] >= member["cap"]:
                    yield (one.id, name), told
        elif one.when == "cost_cap":
            if money.is_at_cap(plan, one.tariff, rules):
                yield (one.id, ""), told
        elif _is_used_up(one, buckets, overage, rules):
            yield (one.id, ""), told


def _is_used_up(
    policy: PolicyCounter, buckets: list[Bucket], overage: int, rules: Rulebook
) -> bool:
    live = [
        bucket
        for bucket in buckets
        if not bucket["over"] and scope_of(bucket["source"], rules) in (EVERYTHING, policy.scope)
    ]
    bought = [one for one in live if one["kind"] not in ("allowance", "unlimited")]
    own = [one for one in live if one["kind"] in ("allowance", "unlimited")]
    if policy.when == "nothing_left":
        endless = any(one["kind"] == "unlimited" for one in own)
        return not endless and sum(remaining(one) for one in live) == 0
    if any(remaining(one) for one in bought):
        return False
    used: int = sum(
        bucket["used"]
        for bucket in buckets
        if bucket["kind"] in ("allowance", "unlimited")
        and policy.scope in (EVERYTHING, scope_of(bucket["source"], rules))
    )
    if policy.scope == EVERYTHING:
        used += overage
    return used >= policy.after_bytes
