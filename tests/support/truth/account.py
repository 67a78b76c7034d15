"""What the oracle knows about an account at an instant, copied at that instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.scope import EVERYTHING, Scope
from streamproc.lab.oracle.buckets import Bucket, end_of, in_charge_order, remaining, scope_of
from streamproc.lab.oracle.contract import Contract
from streamproc.lab.oracle.past import used_of
from streamproc.lab.oracle.quota import cap_bucket

HOME = "home"
UNLIMITED = "unlimited"
PLAN_KINDS = ("allowance", UNLIMITED)


@dataclass
class Snapshot:
    """An account at ``at_ms``; buckets are dicts as in the oracle (``buckets``)."""

    at_ms: int
    rules: Rulebook
    plan: str
    zone: str
    start_ms: int
    end_ms: int
    since_ms: int
    live: list[Bucket]
    """In charge order; ``used_in_cycle`` are bytes of this cycle."""
    over: list[Bucket]
    """Buckets that ended within the present cycle."""
    overage_bytes: int
    overage_by_tariff: dict[str, int]
    spent_minor: dict[str, int]
    cap_minor: dict[str, int | None]
    """The cap in force, by tariff of the plan."""
    members: dict[str, dict[str, Any]]
    history: list[dict[str, int]]
    services: dict[str, dict[str, Any]]
    questions: list[dict[str, Any]]
    listed: list[str]
    place: str
    own_percents: list[int]
    own_hours: Any
    chosen: dict[str, str]
    opted_out: frozenset[str]
    closed: bool
    contract: Contract
    """The live contract, which changes later: ask it only for data that the copy lacks."""
    charged_bytes: int = 0
    """All usage of all contracts, minus refunds."""

    @classmethod
    def of(cls, contract: Contract, at_ms: int, rules: Rulebook) -> Snapshot:
        conversation, money = contract.conversation, contract.money
        plan = rules.plans.get(contract.plan)
        tariffs = plan.all_tariffs if plan else ()
        # An allowance that one plan change took away and another brought back is two
        # buckets with one id.
        copies = [
            {**one, "used_in_cycle": used_of(one, contract.number)} for one in contract.buckets
        ]
        return cls(
            at_ms,
            rules,
            contract.plan,
            contract.zone,
            contract.start_ms,
            contract.end_ms,
            contract.since_ms,
            in_charge_order([one for one in copies if not one["over"]]),
            [one for one in copies if one["over"]],
            contract.overage,
            {name: count for name, count in money.bytes.items() if count},
            money.spent(contract.plan, rules),
            {one.id: None if one.id in money.consents else one.cap_minor for one in tariffs},
            {name: dict(one) for name, one in contract.members.by_name.items()},
            [copied(one) for one in contract.history],
            {name: dict(one) for name, one in conversation.services.items()},
            [dict(one) for one in conversation.questions],
            list(conversation.listed),
            conversation.place,
            list(conversation.own_percents),
            conversation.own_hours,
            dict(conversation.chosen),
            frozenset(contract.opted_out),
            contract.closed_ms is not None,
            contract,
        )

    def scope(self, bucket: Bucket) -> Scope:
        return scope_of(bucket["source"], self.rules)

    def is_home_data(self, bucket: Bucket) -> bool:
        """Whether it covers ordinary usage at home, at any hour."""
        return is_ordinary(self.scope(bucket))

    @property
    def home(self) -> list[Bucket]:
        """The account's home data."""
        return [one for one in self.live if self.is_home_data(one)]

    def bucket(self, name: str) -> Bucket | None:
        """A bucket by id: a live one, one that ended in this cycle as it was just before its end,
        or a cap."""
        if name.startswith("member:"):
            member = self.members.get(name.removeprefix("member:"))
            if member is None or member["cap"] is None:
                return None
            return cap_bucket(name.removeprefix("member:"), member, self.start_ms, self.end_ms)
        for one in self.live:
            if one["id"] == name:
                return one
        for one in reversed(self.over):
            if one["id"] == name:
                return {**one, "expired": 0}
        return None

    def next_price(self, tariff: str) -> tuple[int, int] | None:
        """The price of the next begun unit of overage under a tariff (minor units), and the unit's
        bytes."""
        plan = self.rules.plans.get(self.plan)
        used = self.overage_by_tariff.get(tariff, 0)
        for one in plan.all_tariffs if plan else ():
            if one.id == tariff:
                tier = [tier for tier in one.tiers if tier.from_bytes <= used][-1]
                return tier.price_minor, tier.unit_bytes
        return None

    def home_tariff(self) -> str:
        """The tariff of ordinary usage at home."""
        plan = self.rules.plans.get(self.plan)
        for one in plan.all_tariffs if plan else ():
            if is_ordinary(one.scope):
                return one.id
        return ""

    def tariff_beyond(self, source: str) -> str:
        """The tariff for the usage that a bucket covered."""
        scope = scope_of(source, self.rules)
        plan = self.rules.plans.get(self.plan)
        for one in plan.all_tariffs if plan else ():
            groups, zones = one.scope.rating_groups, one.scope.roaming_zones
            own_groups, own_zones = scope.rating_groups, scope.roaming_zones
            fits_groups = groups is None or (own_groups is not None and own_groups <= groups)
            fits_zones = zones is None or (own_zones is not None and own_zones <= zones)
            if fits_groups and fits_zones and one.scope.hours is None:
                return one.id
        return ""

    def covering(self, scope: Scope) -> list[Bucket]:
        """Live buckets that cover the whole scope and have bytes left."""
        return [
            one
            for one in self.live
            if (one["kind"] == UNLIMITED or remaining(one)) and contains(self.scope(one), scope)
        ]

    def ends_with_cycle(self, bucket: Bucket) -> bool:
        return end_of(bucket) == self.end_ms


def copied(cycle: dict[str, Any]) -> dict[str, Any]:
    """A closed cycle with its buckets, which late usage and refunds still change."""
    return {
        name: [dict(one) for one in value] if isinstance(value, list) else value
        for name, value in cycle.items()
    }


def is_ordinary(scope: Scope) -> bool:
    """Whether it covers ordinary usage at home, at any hour."""
    zones = scope.roaming_zones
    return scope.rating_groups is None and scope.hours is None and (zones is None or HOME in zones)


def contains(scope: Scope, other: Scope) -> bool:
    """Whether a scope covers everything that another one covers."""
    if scope == EVERYTHING:
        return True
    if scope.hours is not None and scope.hours != other.hours:
        return False
    for mine, theirs in (
        (scope.rating_groups, other.rating_groups),
        (scope.roaming_zones, other.roaming_zones),
    ):
        if mine is not None and (theirs is None or not theirs <= mine):
            return False
    return True
