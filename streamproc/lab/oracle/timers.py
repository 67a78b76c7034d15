"""Due work of a contract: its rules, their next instants, moves to other zones."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.lab.oracle.buckets import Bucket, remaining
from streamproc.lab.oracle.checks import ending
from streamproc.lab.oracle.days import MIDNIGHT, day_of, days_before, instant_of
from streamproc.lab.oracle.gate import News, Reason
from streamproc.lab.oracle.nights import day_without, night_around
from streamproc.lab.oracle.schedules import (
    Local,
    after,
    day_in_cycle,
    follows_calendar,
    place_in_window,
)

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

HOUR_MS = 3_600_000
OF_PLANS = ("allowance", "unlimited")
LONG_MS = 5 * 24 * HOUR_MS
"""Longer than the largest difference of two zones."""
MOST_NIGHTS = 6
"""Nights of different hours that can follow one another."""


class Timer(NamedTuple):
    """A future timed reminder; ``planned`` is its instant before storms were spread."""

    sent: int
    planned: int
    rule: TimedRule
    bucket: Bucket | None


def said_by(timer: Timer) -> News:
    """The message of a timed reminder."""
    about = "" if timer.bucket is None else timer.bucket["id"]
    return timer.rule, [Reason(about, None, timer.sent)]


def rules_for(contract: Contract, rules: Rulebook) -> list[TimedRule]:
    """The timed rules for a subscriber, by their choices."""
    chosen = contract.conversation.chosen
    found: list[TimedRule] = []
    summaries = 0
    for rule in rules.timed_rules:
        if rule.plans is not None and contract.plan not in rule.plans:
            continue
        if rule.segments is not None and not rule.segments & contract.segments:
            continue
        if rule.kind != "usage_summary" or rule.mandatory:
            found.append(rule)
            continue
        at = rule.at
        if "at" in chosen:
            at = time.fromisoformat(chosen["at"])
        if "every" not in chosen:
            if not rule.only_chosen:
                found.append(replace(rule, at=at))
        elif chosen["every"] != "off":
            summaries += 1
            if summaries == 1:
                day = rule.day if chosen["every"] == rule.every else 1
                found.append(replace(rule, every=chosen["every"], day=day, at=at))
    return found


def timers(contract: Contract, rules: Rulebook, since_ms: int) -> list[Timer]:
    """The next occurrence of every rule (and bucket) that is sent after an instant."""
    found: list[Timer] = []
    for rule in rules_for(contract, rules):
        found += _of_rule(contract, rule, since_ms)
    return found


def _in_calendar(contract: Contract, rule: TimedRule, since_ms: int) -> list[Timer]:
    many = 1
    while True:
        several = after(rule, contract.name, contract.zone, since_ms, many)
        fresh = [one for one in several if not _is_over(contract, one.local)]
        if fresh or len(several) < many:
            return [Timer(one.sent, one.planned, rule, None) for one in fresh[:1]]
        many *= 2


def _of_rule(contract: Contract, rule: TimedRule, since_ms: int) -> list[Timer]:
    if follows_calendar(rule):
        key = (rule.id, rule.every, rule.at)
        known = contract.seen_ahead.get(key)
        if known is not None and known.sent > since_ms >= contract.seen_from.get(key, since_ms):
            return [known]
        found = _in_calendar(contract, rule, since_ms)
        if found:
            contract.seen_ahead[key], contract.seen_from[key] = found[0], since_ms
        return found
    if rule.kind in ("expiry", "before_expiry"):
        return [
            one
            for bucket in contract.live()
            if (one := _of_bucket(contract, rule, bucket)) is not None and one.sent > since_ms
        ]
    one = _of_contract(contract, rule)
    return [one] if one is not None and one.sent > since_ms else []


def _of_bucket(contract: Contract, rule: TimedRule, bucket: Bucket) -> Timer | None:
    if (rule.id, bucket["id"]) in contract.ends_told or not _is_about(rule, bucket):
        return None
    planned = _before_end(contract, bucket, rule, contract.zone)
    if planned is None or _was_due_elsewhere(contract, rule, bucket):
        return None
    sent = planned
    if rule.kind == "before_expiry" and planned < bucket["ends_ms"]:
        sent = place_in_window(rule, contract.name, planned, bucket["ends_ms"])
    return Timer(sent, planned, rule, bucket) if sent > bucket["from_ms"] else None


def _is_about(rule: TimedRule, bucket: Bucket) -> bool:
    if bucket["kind"] in OF_PLANS or bucket["ends_ms"] is None or remaining(bucket) <= 0:
        return False
    if rule.bucket_kinds is not None and bucket["kind"] not in rule.bucket_kinds:
        return False
    return rule.buckets is None or bucket["source"] in rule.buckets


def _was_due_elsewhere(contract: Contract, rule: TimedRule, bucket: Bucket) -> bool:
    """Whether the message was due in a former time zone before the zone changed, so that it was
    sent then."""
    if rule.kind != "before_expiry" and not rule.not_between:
        return False
    former = [
        (_before_end(contract, bucket, rule, zone), left) for zone, left in contract.left_zones
    ]
    return any(instant is not None and instant <= left for instant, left in former)


def change_hours(
    contract: Contract, former: tuple[time, time] | None, now_ms: int, rules: Rulebook
) -> None:
    """The subscriber has chosen other quiet hours, which ends are not reported in."""
    present = contract.conversation.own_hours
    contract.conversation.own_hours = former
    reached = _ends_reached(contract, now_ms, rules)
    contract.conversation.own_hours = present
    contract.ends_told |= {(rule.id, bucket["id"]) for rule, bucket in reached}
    late = [
        said_by(Timer(now_ms, now_ms, rule, bucket))
        for rule, bucket in _ends_reached(contract, now_ms, rules)
    ]
    contract.gate.offer(late, now_ms, rules)


def _ends_reached(
    contract: Contract, now_ms: int, rules: Rulebook
) -> list[tuple[TimedRule, Bucket]]:
    """Rules that avoid some hours, and buckets, whose end is or was to be reported by now."""
    return [
        (rule, bucket)
        for rule in rules_for(contract, rules)
        if rule.kind == "expiry" and rule.not_between is not None
        for bucket in contract.live()
        if (one := _of_bucket(contract, rule, bucket)) is not None and one.sent <= now_ms
    ]


def _before_end(contract: Contract, bucket: Bucket, rule: TimedRule, zone: str) -> int | None:
    """When a rule reports a bucket's end in a zone; None: never."""
    ends: int = bucket["ends_ms"]
    if rule.kind == "before_expiry":
        return days_before(ends, rule, zone)
    at: int = ends - rule.hours_before * HOUR_MS
    if rule.not_between is None:
        return at
    several = [(rule.not_between.start, rule.not_between.end)]
    own = contract.conversation.own_hours
    if own is not None and own[0] != own[1] and rule.policy.in_quiet_hours == "hold":
        several = [own, *several] if day_without([own, *several]) else [own]
    early = late = at
    for _ in range(MOST_NIGHTS):
        for hours in several:
            before, after = night_around(early, hours, zone), night_around(late, hours, zone)
            early = before[0] - 60_000 if before else early
            late = after[1] if after else late
    if early > bucket["from_ms"]:
        return early
    return late if late < ends else None


def _of_contract(contract: Contract, rule: TimedRule) -> Timer | None:
    if rule.kind == "after_activation":
        at = contract.since_ms + rule.hours_after * HOUR_MS
        return Timer(at, at, rule, None)
    if rule.kind == "cycle_end":
        if not contract.history or contract.history[-1]["end"] != contract.start_ms:
            return None
        planned = contract.start_ms + 1
    else:
        day = day_in_cycle(rule, contract.end_ms, contract.anchor_day, contract.zone)
        if _is_over(contract, (day, rule.at)):
            return None
        if rule.kind == "before_cycle_end" and not ending(contract, rule):
            return None
        planned = instant_of(day, rule.at, contract.zone)
        if rule.every == "cycle_start":
            planned = max(planned, contract.start_ms + 1)
    sent = place_in_window(rule, contract.name, planned, contract.end_ms)
    return Timer(sent, planned, rule, None)


def _is_over(contract: Contract, local: Local) -> bool:
    """Whether the clocks of a former zone showed it while the subscriber was there."""
    return any(instant_of(*local, zone) <= left for zone, left in contract.left_zones)


def move(contract: Contract, zone: str, now_ms: int, rules: Rulebook) -> None:
    """The subscriber moves to another zone."""
    put_off = [
        said_by(timer)
        for rule in _by_clocks(contract, rules)
        for timer in _until(contract, rule, now_ms, now_ms + LONG_MS)
        if timer.planned <= now_ms
    ]
    contract.gate.offer(put_off, now_ms, rules)
    reached = _ends_reached(contract, now_ms, rules)
    contract.ends_told |= {(rule.id, bucket["id"]) for rule, bucket in reached}
    last_day = day_of(contract.end_ms, contract.zone)
    contract.left_zones.append((contract.zone, now_ms))
    contract.zone = contract.conversation.time_zone = zone
    contract.look_again()
    contract.end_ms = max(now_ms, instant_of(last_day, MIDNIGHT, zone))
    for bucket in contract.live():
        if bucket["kind"] in OF_PLANS:
            bucket["ends_ms"] = contract.end_ms
    late: list[News] = []
    for rule in _by_clocks(contract, rules):
        passed = _until(contract, rule, now_ms - LONG_MS, now_ms)
        for timer in passed:
            late_ms = now_ms - timer.sent
            if _ends_later(contract, timer, now_ms):
                late.append(said_by(timer._replace(sent=now_ms)))
            elif late_ms > rule.misfire_grace_ms or now_ms >= timer.planned + rule.ttl_ms:
                contract.outcome.audit["missed"] += 1
            elif rule.misfire == "latest" and timer.bucket is None and timer is not passed[-1]:
                contract.outcome.audit["superseded"] += 1
            else:
                late.append(said_by(timer))
    contract.gate.offer(late, now_ms, rules)


def _ends_later(contract: Contract, timer: Timer, now_ms: int) -> bool:
    """Whether it says of an end that is still to come."""
    if timer.bucket is not None:
        return bool(timer.bucket["ends_ms"] > now_ms)
    return timer.rule.kind == "before_cycle_end" and contract.end_ms > now_ms


def _by_clocks(contract: Contract, rules: Rulebook) -> list[TimedRule]:
    no_clocks = ("cycle_end", "expiry", "after_activation")
    return [
        rule
        for rule in rules_for(contract, rules)
        if rule.kind not in no_clocks or rule.not_between is not None
    ]


def _until(contract: Contract, rule: TimedRule, since_ms: int, until_ms: int) -> list[Timer]:
    """All occurrences of a rule in a span of time."""
    if not follows_calendar(rule):
        return [one for one in _of_rule(contract, rule, since_ms) if one.sent <= until_ms]
    found = []
    while (next_one := _of_rule(contract, rule, since_ms)) and next_one[0].sent <= until_ms:
        found.append(next_one[0])
        since_ms = next_one[0].sent
    return found


__all__ = ["Timer", "change_hours", "move", "said_by", "timers"]
