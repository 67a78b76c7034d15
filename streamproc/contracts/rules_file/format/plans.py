"""Plans and packs of a rules file: fields, bounds, and conditions between several fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta

from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.core.instants import DAY_MINUTES, HOUR_MS
from streamproc.core.rules.as_written import entries, has_cap, items
from streamproc.core.rules.fields import Count, Id, Names, Natural, Priority, Strict
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, Pack, Plan
from streamproc.core.rules.scope import Scope

Zone = Annotated[str, Meta(min_length=1, max_length=64)]
RatingGroup = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Hours = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        description='hours of the day such as "23:00-07:00"',
    ),
]
Problem = tuple[Path, str]


class Scoped(Strict, frozen=True):
    rating_groups: Annotated[frozenset[RatingGroup], Meta(min_length=1)] | None = None
    roaming_zones: Annotated[frozenset[Zone], Meta(min_length=1)] | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.rating_groups, self.roaming_zones)


class TimeScoped(Scoped, frozen=True):
    hours: Annotated[tuple[Hours, ...], Meta(min_length=1)] | None = None

    @property
    def scope(self) -> Scope:
        windows = None if self.hours is None else tuple(sorted(map(_window, self.hours)))
        return Scope(self.rating_groups, self.roaming_zones, windows)


class RolloverEntry(Strict, frozen=True):
    max_bytes: Count | None = None
    cycles: Annotated[int, Meta(ge=1, le=12)] = 1
    used: Literal["first", "last"] = "first"


class AllowanceEntry(TimeScoped, frozen=True, kw_only=True):
    id: Id
    granted_bytes: Count | None = None
    unlimited: bool = False
    priority: Priority = 50
    rollover: RolloverEntry | None = None
    names: Names = {}


class TierEntry(Strict, frozen=True):
    from_bytes: Count
    price_minor: Natural
    unit_bytes: Count = 1_000_000


class TariffEntry(Scoped, frozen=True, kw_only=True):
    id: Id
    overage_price_minor: Natural = 0
    overage_unit_bytes: Count = 1_000_000
    overage_tiers: tuple[TierEntry, ...] = ()
    cost_cap_minor: Natural | None = None


class PolicyEntry(Scoped, frozen=True, kw_only=True):
    id: Id
    when: Literal["fair_use", "nothing_left", "cost_cap", "member_cap"]
    state: Literal["throttled", "barred"]
    throttle_kbps: Natural | None = None
    after_bytes: Count | None = None
    tariff: Id | None = None


class PlanEntry(Strict, frozen=True):
    id: Id
    allowances: tuple[AllowanceEntry, ...]
    overage_price_minor: Natural = 0
    overage_unit_bytes: Count = 1_000_000
    price_minor: Natural = 0
    overage_tiers: tuple[TierEntry, ...] = ()
    cost_cap_minor: Natural | None = None
    tariffs: tuple[TariffEntry, ...] = ()
    policies: tuple[PolicyEntry, ...] = ()
    names: Names = {}


class PackEntry(TimeScoped, frozen=True, kw_only=True):
    id: Id
    granted_bytes: Count
    validity_hours: Annotated[int, Meta(ge=1, le=24 * 3660)]
    priority: Priority = 10
    price_minor: Natural | None = None
    names: Names = {}


def _window(text: str) -> tuple[int, int]:
    """Minutes of the day. Midnight as an end is the end of the day."""
    start, end = (int(clock[:2]) * 60 + int(clock[3:5]) for clock in text.split("-"))
    return start, end % DAY_MINUTES


def plan_problems(path: Path, plan: dict[str, Any]) -> Iterator[Problem]:
    """Contradictions between a plan's fields, as the operator wrote them."""
    for index, one in entries(plan, "allowances"):
        place = (*path, "allowances", index)
        if one.get("unlimited") is True:
            for name in ("granted_bytes", "rollover"):
                if one.get(name) is not None:
                    yield (*place, name), f"an unlimited allowance has no {name}"
        elif one.get("granted_bytes") is None:
            yield (*place, "granted_bytes"), "is missing"
        yield from _hours_problems(place, one)
    yield from _tier_problems(path, plan)
    for index, tariff in entries(plan, "tariffs"):
        place = (*path, "tariffs", index)
        yield from _tier_problems(place, tariff)
        if tariff.get("rating_groups") is None and tariff.get("roaming_zones") is None:
            yield place, "needs rating_groups or roaming_zones; the plan's own prices are for all"
    for index, policy in entries(plan, "policies"):
        yield from _policy_problems((*path, "policies", index), policy, plan)


def pack_problems(path: Path, pack: dict[str, Any]) -> Iterator[Problem]:
    """Contradictions between a pack's fields, as the operator wrote them."""
    yield from _hours_problems(path, pack)


def _hours_problems(path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    for index, text in enumerate(items(entry, "hours")):
        if isinstance(text, str) and text[:5] == text[6:]:
            yield (*path, "hours", index), "begins and ends at once; leave hours out for all day"


def _tier_problems(path: Path, entry: dict[str, Any]) -> Iterator[Problem]:
    before = 0
    for index, tier in entries(entry, "overage_tiers"):
        start = tier.get("from_bytes")
        if type(start) is not int:
            continue
        if 0 < start <= before:
            yield (*path, "overage_tiers", index, "from_bytes"), f"must be more than {before}"
        before = max(start, before)


_ONLY = {"after_bytes": "fair_use", "tariff": "cost_cap"}


def _policy_problems(path: Path, policy: dict[str, Any], plan: dict[str, Any]) -> Iterator[Problem]:
    when = policy.get("when")
    for name, kind in _ONLY.items():
        if policy.get(name) is not None and when != kind:
            yield (*path, name), f"has a meaning only when {kind}"
    if when == "fair_use" and policy.get("after_bytes") is None:
        yield (*path, "after_bytes"), "is missing"
    if policy.get("throttle_kbps") is not None and policy.get("state") == "barred":
        yield (*path, "throttle_kbps"), "has a meaning only in state throttled"
    if when in ("cost_cap", "member_cap"):
        for name in ("rating_groups", "roaming_zones"):
            if policy.get(name) is not None:
                yield (*path, name), f"has no meaning when {when}"
    if when == "cost_cap":
        wanted = policy.get("tariff")
        capped = [one.get("id") for _, one in entries(plan, "tariffs") if has_cap(one)]
        if wanted is None and not has_cap(plan):
            yield path, "the plan has no cost_cap_minor, and no tariff is named"
        elif wanted is not None and wanted not in capped:
            yield (*path, "tariff"), "the plan has no such tariff with a cost_cap_minor"


def plan_of(entry: PlanEntry) -> Plan:
    return Plan(
        entry.id,
        tuple(_allowance(one) for one in entry.allowances),
        entry.overage_price_minor,
        entry.overage_unit_bytes,
        entry.price_minor,
        _tiers(entry.overage_tiers),
        entry.cost_cap_minor,
        tuple(_tariff(one) for one in entry.tariffs),
        tuple(_policy(one) for one in entry.policies),
        entry.names,
    )


def pack_of(entry: PackEntry) -> Pack:
    validity_ms = entry.validity_hours * HOUR_MS
    return Pack(
        entry.id,
        entry.granted_bytes,
        validity_ms,
        entry.priority,
        entry.scope,
        entry.price_minor,
        entry.names,
    )


def _allowance(one: AllowanceEntry) -> Allowance:
    granted = one.granted_bytes or 0
    rolls = one.rollover
    rollover = (
        None if rolls is None else Rollover(rolls.max_bytes or granted, rolls.cycles, rolls.used)
    )
    return Allowance(one.id, granted, one.priority, one.scope, one.unlimited, rollover, one.names)


def _tiers(tiers: tuple[TierEntry, ...]) -> tuple[Tier, ...]:
    return tuple(Tier(one.from_bytes, one.price_minor, one.unit_bytes) for one in tiers)


def _tariff(one: TariffEntry) -> Tariff:
    first = Tier(0, one.overage_price_minor, one.overage_unit_bytes)
    return Tariff(one.id, (first, *_tiers(one.overage_tiers)), one.scope, one.cost_cap_minor)


def _policy(one: PolicyEntry) -> PolicyCounter:
    return PolicyCounter(
        one.id,
        one.when,
        one.state,
        one.after_bytes or 0,
        one.tariff or "",
        one.throttle_kbps,
        one.scope,
    )
