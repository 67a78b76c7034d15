"""The thresholds that a subscriber's figures have reached, for every kind of rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.errors import StreamprocError
from streamproc.lab.oracle.buckets import (
    COUNTING_DOWN,
    Bucket,
    is_about,
    is_home_data,
    is_level_reached,
    is_within,
    open_at,
    remaining,
    scope_of,
)
from streamproc.lab.oracle.quota import unusual

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

MOST_COSTLY = 50
"""How many sorts of usage that cost are kept for one cycle."""
SLIDES = 10
"""A window of velocity moves in steps of a tenth of its length."""


class UnknownKindError(StreamprocError, LookupError):
    """The rules have a kind that the oracle does not know."""


def thresholds(contract: Contract, rule: Any) -> list[int]:
    """The thresholds in force for a subscriber; a mandatory rule keeps its own."""
    own = contract.conversation.own_percents
    if rule.kind != "usage_percent" or not own:
        return list(rule.thresholds)
    return sorted({*own, *rule.thresholds}) if rule.mandatory else sorted(own)


def is_reached(
    contract: Contract,
    rule: Any,
    bucket: Bucket | None,
    threshold: int | None,
    rules: Rulebook,
    margin: int = 0,
) -> bool:
    """Whether a threshold that was reached still is; it is lowered by ``margin``, if any."""
    if hasattr(rule, "bucket_kinds"):
        if bucket is None or not bucket["used"] or not is_about(rule, bucket):
            return False
        assert threshold is not None
        nearer = threshold + margin if rule.kind in COUNTING_DOWN else threshold - margin
        return is_level_reached(rule.kind, nearer, bucket["granted"], bucket["used"])
    return figure_reaches(contract, rule, threshold, rules, margin)


def figure_reaches(
    contract: Contract, rule: Any, threshold: int | None, rules: Rulebook, margin: int = 0
) -> bool:
    """Whether a figure of the account is at a threshold or beyond."""
    reaches = FIGURES.get(rule.kind)
    if reaches is None:
        raise UnknownKindError(f"the oracle knows no rule kind {rule.kind!r}")
    level = -margin if threshold is None else max(threshold - margin, 1)
    return reaches(contract, rule, level, rules)


def _nothing_left(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    live = contract.live()
    endless = any(one["kind"] == "unlimited" for one in live)
    return not endless and sum(remaining(one) for one in live) <= -level


def _is_limited(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    money, buckets = contract.money, contract.buckets
    now = unusual(contract.plan, buckets, contract.overage, money, contract.members, rules)
    return any(name in rule.policies and why != "member_cap" for (name, _), (_, why, _) in now)


def _costs(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    return costs_now(contract, rule.tariff or "", rules) > 0


def _spent(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    return _cost(contract, rule, rules) >= level


def _share_spent(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    cap = rule.cap_minor
    if cap is None:
        cap = contract.money.cap_in_force(contract.plan, rule.tariff or "", rules)
    return cap is not None and bool(_cost(contract, rule, rules) * 100 >= cap * level)


def _cost(contract: Contract, rule: Any, rules: Rulebook) -> int:
    spent = contract.money.spent(contract.plan, rules)
    return sum(spent.values()) if rule.tariff is None else spent.get(rule.tariff, 0)


def _is_fast(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    return in_window(contract, rule) >= level


def _has_stepped(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    return stepped(contract, rule) >= level


def _is_unusual(contract: Contract, rule: Any, level: int, rules: Rulebook) -> bool:
    before = contract.history[-rule.cycles :]
    if len(before) < rule.cycles or any(one["start"] <= contract.since_ms for one in before):
        return False
    usual = sum(one["used"] + one["overage"] for one in before)
    used = of_cycle(contract)
    is_much = used * 100 * rule.cycles >= usual * level and used >= rule.min_bytes
    return bool(usual > 0 and is_much)


FIGURES: dict[str, Callable[[Contract, Any, int, Rulebook], bool]] = {
    "spend_amount": _spent,
    "spend_percent": _share_spent,
    "overage_started": _costs,
    "every_bytes": _has_stepped,
    "velocity": _is_fast,
    "anomaly": _is_unusual,
    "zero_balance": _nothing_left,
    "access_limited": _is_limited,
}
"""By kind of rules about the account: whether its figure is at a level or beyond. For a rule
without thresholds the level is 0, minus the margin. A package with a new kind adds a line."""


def costs_now(contract: Contract, name: str, rules: Rulebook) -> int:
    """How many sorts of usage are charged from their next byte on, if there was overage under a
    tariff of the plan: the usage of its own data is one sort, and each other sort that has cost in
    the cycle is one."""
    if _tariff(contract, name, rules) is None or contract.money.bytes.get(name, 0) <= 0:
        return 0
    if contract.money.is_at_cap(contract.plan, name, rules):
        return 0
    left = [one["source"] for one in contract.live() if has_more(one)]
    sorts = int(is_spent(contract, name, rules))
    for use in contract.costly:
        sorts += use["tariff"] == name and not any(covers_use(one, use, rules) for one in left)
    return sorts


def note_costly(contract: Contract, use: dict[str, Any], rules: Rulebook) -> None:
    """Usage was overage: it is one more sort that costs, if its readers could not know it."""
    name = use["tariff"]
    tariff = _tariff(contract, name, rules)
    watched = [rule.tariff or "" for rule in rules.watch_rules if rule.kind == "overage_started"]
    if tariff is None or name not in watched or not any(t.price_minor for t in tariff.tiers):
        return
    sources = [one.id for one in rules.packs.values()]
    sources += [one.id for plan in rules.plans.values() for one in plan.allowances]
    for_all = {one for one in sources if is_for_all(one, name, tariff, rules)}
    seen_by = {one for one in sources if covers_use(one, use, rules)}
    if seen_by == for_all:
        return
    is_told, at_other_hours = is_spent(contract, name, rules), []
    for other in contract.costly:
        theirs = {one for one in sources if covers_use(one, other, rules)}
        at_their_hour = {**use, "minute": other["minute"]}
        if other["tariff"] != name:
            continue
        if seen_by == theirs:
            return
        if theirs == {one for one in sources if covers_use(one, at_their_hour, rules)}:
            is_told = True
            at_other_hours.append(other)
    if is_told:
        # Messages have reported all usage that nothing covered then. Is this usage of a bucket that
        # was used up, or ended, since? The end of a bucket is nothing new if another one still
        # covers the known usage.
        kept = [one["source"] for one in contract.buckets if not one["over"] or one["stays"]]
        left = [one["source"] for one in contract.live() if has_more(one)]
        at_other_hours = [
            one for one in at_other_hours if not any(covers_use(by, one, rules) for by in left)
        ]
        if not any(
            covers_use(one, use, rules)
            and not is_for_all(one, name, tariff, rules)
            and not any(covers_use(one, other, rules) for other in at_other_hours)
            for one in (*kept, *contract.used_up)
        ):
            return
    if len(contract.costly) < MOST_COSTLY:
        contract.costly.append(use)


def is_spent(contract: Contract, name: str, rules: Rulebook) -> bool:
    """Whether nothing is left in the buckets for all usage that a tariff prices."""
    tariff = _tariff(contract, name, rules)
    return tariff is not None and not any(
        is_for_all(one["source"], name, tariff, rules) for one in contract.live() if has_more(one)
    )


def is_for_all(source: str, name: str, tariff: Any, rules: Rulebook) -> bool:
    """Whether data of a source covers all usage that a tariff prices; for the plan's own: home
    data."""
    if not name:
        return is_home_data({"source": source}, rules)
    scope = scope_of(source, rules)
    return scope.hours is None and is_within(tariff.scope, scope)


def covers_use(source: str, use: dict[str, Any], rules: Rulebook) -> bool:
    scope = scope_of(source, rules)
    if scope.hours is not None and use["minute"] not in open_at(scope):
        return False
    if scope.rating_groups is not None and use["group"] not in scope.rating_groups:
        return False
    return scope.roaming_zones is None or use["zone"] in scope.roaming_zones


def has_more(bucket: Bucket) -> bool:
    return bucket["kind"] == "unlimited" or remaining(bucket) > 0


def _tariff(contract: Contract, name: str, rules: Rulebook) -> Any:
    plan = rules.plans.get(contract.plan)
    return next((one for one in (plan.all_tariffs if plan else ()) if one.id == name), None)


def of_cycle(contract: Contract) -> int:
    """Usage of the cycle: of the plan's allowances, and overage."""
    own: list[int] = [
        one["used"] for one in contract.buckets if one["kind"] in ("allowance", "unlimited")
    ]
    return sum(own) + contract.overage


def stepped(contract: Contract, rule: Any) -> int:
    beyond: int = contract.overage
    return beyond if rule.of == "overage" else of_cycle(contract)


def in_window(contract: Contract, rule: Any, now_ms: int = 0) -> int:
    """Bytes of all usage in the window that ends with the latest usage (or with ``now_ms``)."""
    width_ms: int = rule.window_ms // SLIDES
    log = contract.use_log.get((rule.id, rule.window_ms), [])
    newest = max([now_ms // width_ms, *(at_ms // width_ms for at_ms, _ in log)])
    return sum(used for at_ms, used in log if at_ms // width_ms > newest - SLIDES)
