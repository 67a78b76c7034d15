"""Whether a reason for a message still holds, and the message then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.kinds import BUCKET_KINDS, TIMED_KINDS, WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import (
    end_of,
    in_charge_order,
    is_home_data,
    of_one_kind_of_usage,
    remaining,
)
from streamproc.lab.oracle.checks import ending, foreseen, runs_out
from streamproc.lab.oracle.reaching import is_reached, thresholds
from streamproc.lab.oracle.results import ReminderKey

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract
    from streamproc.lab.oracle.gate import Reason

OF_BUCKETS, OF_ACCOUNT, TIMED = BUCKET_KINDS, WATCH_KINDS, TIMED_KINDS
"""The known kinds; what they mean is written here a second time."""
WITHOUT_LEVEL = ("overage_started", "zero_balance", "access_limited")
OF_CYCLE = ("cycle_start", "cycle_middle", "cycle_end")


def all_rules(rules: Rulebook) -> list[Any]:
    """Everything that can send messages."""
    return [
        *(*rules.usage_rules, *rules.watch_rules, *rules.check_rules, *rules.resolved_rules),
        *(*rules.timed_rules, *rules.correction_rules, *rules.notices.values()),
    ]


def rule_called(name: str, rules: Rulebook) -> Any:
    """The rule with this id; None if there is none any more."""
    return next((one for one in all_rules(rules) if one.id == name), None)


def is_notice(name: str, rules: Rulebook) -> bool:
    return any(one.id == name for one in rules.notices.values())


def holds(contract: Contract, rule: Any, reason: Reason, at_ms: int, rules: Rulebook) -> bool:
    """Whether the reason for a message is true now."""
    kind, noted_ms = rule.kind, reason.noted_ms
    is_of_cycle = noted_ms >= contract.start_ms
    if kind in OF_BUCKETS:
        bucket = contract.bucket_called(reason.about)
        return (
            bucket is not None
            and bucket["from_ms"] <= noted_ms
            and reason.threshold in thresholds(contract, rule)
            and is_reached(contract, rule, bucket, reason.threshold, rules)
        )
    if kind in OF_ACCOUNT:
        if not _is_level_of(contract, rule, reason.threshold):
            return False
        if kind == "velocity":
            return True
        same_cycle = is_of_cycle or kind in ("zero_balance", "access_limited")
        return same_cycle and is_reached(contract, rule, None, reason.threshold, rules)
    if kind == "resolved":
        of = rule_called(reason.detail, rules)
        bucket = contract.bucket_called(reason.about)
        if of is None or of.kind not in (*OF_BUCKETS, *OF_ACCOUNT):
            return False
        if reason.about and bucket is None:
            return False
        return not is_reached(contract, of, bucket, reason.threshold, rules)
    if kind == "forecast":
        return is_of_cycle and runs_out(contract, rule, at_ms, rules)
    if kind == "inactivity":
        return contract.last_use_ms <= noted_ms
    if kind == "usage_corrected":
        return is_of_cycle
    if kind in TIMED:
        return _timed_holds(contract, rule, reason, at_ms)
    return contract.conversation.holds(rule, reason, at_ms, contract, rules)


def _is_level_of(contract: Contract, rule: Any, threshold: int | None) -> bool:
    """Whether the rule with this id still has a level that waits."""
    if rule.kind in WITHOUT_LEVEL or threshold is None:
        return rule.kind in WITHOUT_LEVEL and threshold is None
    if rule.kind == "every_bytes":
        return bool(threshold // rule.thresholds[0] * rule.thresholds[0] == threshold)
    return threshold in thresholds(contract, rule)


def _timed_holds(contract: Contract, rule: Any, reason: Reason, at_ms: int) -> bool:
    is_of_cycle = reason.noted_ms >= contract.start_ms
    if rule.kind == "before_cycle_end":
        return is_of_cycle and at_ms < contract.end_ms and bool(ending(contract, rule))
    if rule.every in OF_CYCLE:
        return is_of_cycle
    if rule.kind == "cycle_end":
        return is_of_cycle and bool(contract.history)
    if rule.kind == "expiry" and not rule.hours_before:
        return any(one["id"] == reason.about for one in contract.buckets)
    if rule.kind in ("expiry", "before_expiry"):
        return any(
            one["id"] == reason.about and remaining(one) and end_of(one) > at_ms
            for one in contract.live()
        )
    return True


def _without_what_stays(bucket: Any, contract: Contract, rules: Rulebook) -> Any:
    """A bucket without the bytes that the next cycle will have of it."""
    plan = rules.plans.get(contract.plan)
    for one in plan.allowances if plan else ():
        if one.rollover and one.id == bucket["source"] and bucket["kind"] == "allowance":
            goes_on = min(one.rollover.max_bytes, remaining(bucket))
            return {**bucket, "rolled": bucket["rolled"] + goes_on}
    return bucket


def as_it_ended(bucket: Any, end_ms: int) -> Any:
    """A bucket of the plan as its cycle left it; if a plan change ended it, its used bytes."""
    if end_of(bucket) < end_ms:
        return {**bucket, "kind": "allowance", "granted": bucket["used"], "expired": 0, "rolled": 0}
    return {**bucket, "expired": 0, "rolled": 0}


def speak(
    contract: Contract, rule: Any, reason: Reason, to: str, at_ms: int, rules: Rulebook
) -> None:
    """Send the message to a recipient, with the present figures."""
    key = words(contract, rule, reason, to, at_ms, rules)
    if key is None:
        contract.at_hand().send(rule.id, rule.kind, at_ms, [], rules)
    else:
        say(contract, rule, key)


def say(contract: Contract, rule: Any, key: ReminderKey) -> None:
    """Count a message that was made before."""
    contract.periods.tell(contract, rule, key.as_of_ms, key.recipient)
    outcome = contract.outcome
    outcome.reminders[key] += 1
    outcome.audit["fired"] += 1
    outcome.reminders_by_kind[key.kind] += 1


def words(
    contract: Contract, rule: Any, reason: Reason, to: str, at_ms: int, rules: Rulebook
) -> ReminderKey | None:
    """The message to a recipient, with the present figures; None for a notice that its recipient
    cannot get."""
    kind, live, about = rule.kind, contract.live(), reason.about
    threshold, overage = None, contract.overage
    buckets: list[Any] = live
    first: Any = None
    summed: list[Any] = []
    if kind in OF_BUCKETS:
        buckets = [contract.bucket_called(about)]
        threshold = reason.threshold
    elif kind in OF_ACCOUNT:
        threshold = None if kind in WITHOUT_LEVEL else reason.threshold
    elif kind == "resolved":
        of = rule_called(reason.detail, rules)
        threshold = None if of.kind in WITHOUT_LEVEL else reason.threshold
        if about:
            buckets = [contract.bucket_called(about)]
            first = buckets[0]
    elif kind == "forecast":
        buckets = foreseen(contract, rules)
        if not any(is_home_data(one, rules) for one in buckets):
            first = buckets[0] if buckets else None
    elif kind == "cycle_end":
        over = contract.history[-1]
        figures = {
            "source": "",
            "granted": over["granted"],
            "used": over["used"],
            "expired": 0,
            "rolled": 0,
        }
        buckets, overage = [{"id": "closed_cycle", **figures}], over["overage"]
        own = in_charge_order([as_it_ended(one, over["end"]) for one in over["own"]])
        present = [one for one in own if end_of(one) >= over["end"]]
        summed = of_one_kind_of_usage(own, None, rules)
        summed = summed or of_one_kind_of_usage(own, [*present, *own, None][0], rules)
    elif kind == "before_cycle_end":
        buckets = [_without_what_stays(one, contract, rules) for one in ending(contract, rule)]
        if not any(is_home_data(one, rules) for one in buckets):
            first = buckets[0]
    elif kind in TIMED:
        if about:
            # Buckets that have ended, as they were just before their end.
            over_ones = [one for one in contract.buckets if one["over"] and one["id"] == about]
            buckets = [one for one in live if one["id"] == about]
            buckets += [{**one, "expired": 0} for one in over_ones]
            first = buckets[0] if buckets else None
    elif kind not in ("inactivity", "usage_corrected"):
        return None
    if kind in OF_BUCKETS:
        summed = buckets
    elif kind != "cycle_end":
        summed = of_one_kind_of_usage(buckets, first, rules)
    return ReminderKey(
        contract.name,
        rule.id,
        kind,
        threshold,
        tuple(one["id"] for one in buckets),
        at_ms,
        sum(one["used"] for one in summed),
        sum(remaining(one) for one in summed),
        overage,
        to,
    )
