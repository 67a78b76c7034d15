"""What is looked for at instants: forecasts, inactivity, rules that begin to be in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rulebook import Rulebook, TimedRule
from streamproc.oracle.buckets import Bucket, in_charge_order, of_one_kind_of_usage, remaining
from streamproc.oracle.days import ONE_DAY, day_of, days_after, instant_of

if TYPE_CHECKING:
    from streamproc.oracle.contract import Contract


def _began_ms(contract: Contract) -> int:
    return max(contract.start_ms, contract.since_ms)


def foreseen(contract: Contract, rules: Rulebook) -> list[Bucket]:
    """What a forecast is about: allowances of home data; else those like the plan's first."""
    own = in_charge_order([one for one in contract.live() if one["kind"] == "allowance"])
    home = of_one_kind_of_usage(own, None, rules)
    return home or (of_one_kind_of_usage(own, own[0], rules) if own else [])


def ending(contract: Contract, rule: TimedRule) -> list[Bucket]:
    """What a rule is about of all that the cycle's end takes away."""
    kinds = rule.bucket_kinds or {"allowance", "pack", "topup", "rollover", "unlimited"}
    return [
        one
        for one in contract.live()
        if one["ends_ms"] == contract.end_ms
        and one["kind"] in kinds
        and (not rule.buckets or one["source"] in rule.buckets)
    ]


def runs_out(contract: Contract, rule: Any, at_ms: int, rules: Rulebook) -> bool:
    """Whether the plan's allowances end before the cycle does, at the rate so far."""
    own = foreseen(contract, rules)
    used, left = sum(one["used"] for one in own), sum(map(remaining, own))
    past_ms = at_ms - _began_ms(contract)
    if past_ms < rule.silent_ms or not left:
        return False
    together = of_one_kind_of_usage(contract.live(), own[0], rules)
    if any(one["kind"] == "unlimited" for one in together):
        return False
    return bool(left * past_ms < used * (contract.end_ms - at_ms))


def looks(contract: Contract, rules: Rulebook, since_ms: int) -> list[tuple[int, Any]]:
    """The next instant of each check, and of each rule that is looked at when it begins."""
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
