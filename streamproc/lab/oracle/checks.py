"""Checks at instants: forecasts, inactivity, rules whose validity begins."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.lab.oracle.buckets import (
    Bucket,
    end_of,
    in_charge_order,
    is_home_data,
    of_one_kind_of_usage,
    remaining,
)
from streamproc.lab.oracle.days import ONE_DAY, day_of, days_after, instant_of
from streamproc.lab.oracle.past import PLAN_KINDS, used_of

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract


def _began_ms(contract: Contract) -> int:
    return max(contract.start_ms, contract.since_ms)


def _of_forecast(contract: Contract, some: list[Bucket], rules: Rulebook) -> list[Bucket]:
    """The buckets for home data; if the plan has none, those for the usage of its first
    allowance."""
    own = in_charge_order([one for one in contract.live() if one["kind"] in PLAN_KINDS])
    if not own:
        return []
    first = None if any(is_home_data(one, rules) for one in own) else own[0]
    return of_one_kind_of_usage(some, first, rules)


def foreseen(contract: Contract, rules: Rulebook) -> list[Bucket]:
    """What a forecast is about: all buckets for home data, in charge order."""
    return in_charge_order(_of_forecast(contract, contract.live(), rules))


def ending(contract: Contract, rule: TimedRule) -> list[Bucket]:
    """The buckets that a rule is about and that end with the cycle."""
    kinds = rule.bucket_kinds or {"allowance", "pack", "topup", "rollover", "unlimited"}
    return [
        one
        for one in contract.live()
        if one["ends_ms"] == contract.end_ms
        and one["kind"] in kinds
        and (not rule.buckets or one["source"] in rule.buckets)
    ]


def out_ms(contract: Contract, at_ms: int, rules: Rulebook) -> Fraction | None:
    """When home data runs out at the rate so far; None: not in this cycle."""
    live = foreseen(contract, rules)
    over = [one for one in contract.buckets if one["over"] and one["stays"]]
    every = [*live, *_of_forecast(contract, over, rules)]
    used = sum(used_of(one, contract.number) for one in every)
    return lasts_until(live, used, _began_ms(contract), at_ms, contract.end_ms)


def lasts_until(
    live: list[Bucket], used: int, began_ms: int, at_ms: int, cycle_end_ms: int
) -> Fraction | None:
    """When buckets, in charge order, run out at a rate of ``used`` bytes since ``began_ms``.

    From each end of a bucket to the next, the usage of that time is taken from the buckets that
    are valid then.
    """
    past_ms = at_ms - began_ms
    if not used or past_ms <= 0 or any(one["kind"] == "unlimited" for one in live):
        return None
    rate = Fraction(used, past_ms)
    left = {one["id"]: Fraction(remaining(one)) for one in live}
    begin_ms = at_ms
    ends = {one["ends_ms"] for one in live if one["ends_ms"] is not None} | {cycle_end_ms}
    for end_ms in sorted(one for one in ends if at_ms < one <= cycle_end_ms):
        valid = [one["id"] for one in live if end_of(one) >= end_ms]
        needed = rate * (end_ms - begin_ms)
        if sum(left[name] for name in valid) < needed:
            return begin_ms + sum(left[name] for name in valid) / rate
        for name in valid:
            taken = min(left[name], needed)
            left[name] -= taken
            needed -= taken
        begin_ms = end_ms
    return None


def runs_out(contract: Contract, rule: Any, at_ms: int, rules: Rulebook) -> bool:
    """Whether home data runs out before the end of the cycle, at the rate so far."""
    if at_ms - _began_ms(contract) < rule.silent_ms:
        return False
    if not sum(map(remaining, foreseen(contract, rules))):
        return False
    return out_ms(contract, at_ms, rules) is not None


def looks(contract: Contract, rules: Rulebook, since_ms: int) -> list[tuple[int, Any]]:
    """The next instant of each check, and of each rule that is checked when its validity begins."""
    found: list[tuple[int, Any]] = []
    reaching: list[Any] = [*rules.usage_rules, *rules.watch_rules]
    for rule in reaching:
        if rule.policy.evaluate_on_create and rule.policy.valid_from_ms > since_ms:
            found.append((rule.policy.valid_from_ms, rule))
    for rule in rules.check_rules:
        if rule.kind == "inactivity":
            last_ms = max(contract.last_use_ms, contract.since_ms)
            at_ms = days_after(last_ms, rule.days, rule.at, contract.zone)
            if at_ms > since_ms:
                found.append((at_ms, rule))
            continue
        if contract.foretold.get(rule.id) == contract.grant_count():
            continue
        day = day_of(max(since_ms, _began_ms(contract)), contract.zone) - ONE_DAY
        while True:
            at_ms = instant_of(day, rule.at, contract.zone)
            if at_ms > since_ms and at_ms >= _began_ms(contract) + rule.silent_ms:
                break
            day += ONE_DAY
        if at_ms < contract.end_ms:
            found.append((at_ms, rule))
    return found
