"""One contract of a subscriber, from activation to closing: cycles, buckets, what falls due."""

from __future__ import annotations

from streamproc.core.rulebook import TOPUP_PRIORITY, Rulebook, TimedRule, UsageRule
from streamproc.oracle.buckets import (
    Bucket,
    Reached,
    charge,
    end_of,
    in_charge_order,
    new_bucket,
    remaining,
    scope_of,
)
from streamproc.oracle.days import cycle_around, days_before, next_summary
from streamproc.oracle.figures import Expectation, ReminderKey
from streamproc.oracle.reading import Fields

Cycle = dict[str, int]
"""A closed cycle: ``start``, ``end`` (ms), ``granted``, ``used``, ``expired``, ``overage`` and
``late`` (bytes)."""

YEAR_9999_MS = 253_370_764_800_000


class Contract:
    """Names, numbers and time are the subscriber's; outcomes go into ``outcome``."""

    def __init__(
        self, name: str, event: Fields, done_ms: int, history: list[Cycle], outcome: Expectation
    ) -> None:
        self.name = name
        self.outcome = outcome
        self.plan: str = event["plan"]
        self.next_plan: str | None = None
        self.zone: str = event["time_zone"]
        self.anchor_day: int = event["billing_anchor_day"]
        self.since_ms: int = event["time"]
        self.closed_ms: int | None = None
        self.done_ms = done_ms
        """What fell due up to here has been done, or is not made up for."""
        self.history = history
        self.buckets: list[Bucket] = []
        """All of the present cycle, also those that are over."""
        self.overage = 0
        self.opted_out: set[str] = set()
        self.start_ms, self.end_ms = cycle_around(self.since_ms, self.anchor_day, self.zone)

    def live(self) -> list[Bucket]:
        return in_charge_order([bucket for bucket in self.buckets if not bucket["over"]])

    # Time

    def next_moment(self, rules: Rulebook) -> float:
        """The next instant at which something has to be done."""
        moments = [float(self.end_ms)]
        moments += [end_of(bucket) for bucket in self.live()]
        moments += [at for at, _, _ in self._timed(rules)]
        return min(moments)

    def do_moment(self, at_ms: int, rules: Rulebook) -> None:
        """Do everything of one instant: reminders first, they speak of what was until then."""
        for at, rule, buckets in self._timed(rules):
            if at == at_ms:
                self._remind(rule, None, buckets, at_ms)
        for bucket in self.live():
            if bucket["kind"] != "allowance" and end_of(bucket) <= at_ms:
                self._expire(bucket)
        if at_ms >= self.end_ms:
            self._roll(rules)
        self.done_ms = max(self.done_ms, at_ms)

    def _timed(self, rules: Rulebook) -> list[tuple[int, TimedRule, list[Bucket]]]:
        """The next instant of each timed rule, and the buckets it speaks of."""
        found = []
        live = self.live()
        for rule in rules.timed_rules:
            if rule.kind == "usage_summary":
                found.append((next_summary(self.done_ms, rule, self.zone), rule, live))
            elif rule.kind == "before_cycle_end":
                at = days_before(self.end_ms, rule, self.zone)
                if self.done_ms < at:
                    found.append((at, rule, live))
            else:
                for bucket in live:
                    if bucket["kind"] == "allowance" or bucket["ends_ms"] is None:
                        continue
                    at = days_before(bucket["ends_ms"], rule, self.zone)
                    if at > self.done_ms and at > bucket["from_ms"] and remaining(bucket) > 0:
                        found.append((at, rule, [bucket]))
        return found

    def _roll(self, rules: Rulebook) -> None:
        for bucket in self.live():
            if bucket["kind"] == "allowance":
                self._expire(bucket)
        self._remember_cycle(self.end_ms, rules)
        self.outcome.audit["cycle_closed"] += 1
        self.buckets = self.live()
        self.overage = 0
        if self.next_plan is not None:
            self.plan, self.next_plan = self.next_plan, None
        self.start_ms, self.end_ms = cycle_around(self.end_ms, self.anchor_day, self.zone)
        self.grant_plan(rules)

    def grant_plan(self, rules: Rulebook) -> None:
        """The plan's allowances for the present cycle; nothing if the plan is gone."""
        plan = rules.plans.get(self.plan)
        for one in plan.allowances if plan else ():
            self.buckets.append(
                new_bucket(
                    one.id, "allowance", one.id, one.priority, self.start_ms, self.end_ms,
                    one.granted_bytes,
                )
            )  # fmt: skip

    def _expire(self, bucket: Bucket) -> None:
        bucket["expired"] += remaining(bucket)
        bucket["over"] = True
        self.outcome.audit["bucket_expired"] += 1

    def _remember_cycle(self, end_ms: int, rules: Rulebook) -> None:
        own = [bucket for bucket in self.buckets if bucket["kind"] == "allowance"]
        start_ms = max(self.start_ms, self.since_ms)
        cycle = {
            "start": start_ms,
            "end": max(start_ms, end_ms),
            "granted": sum(bucket["granted"] for bucket in own),
            "used": sum(bucket["used"] for bucket in own),
            "expired": sum(bucket["expired"] for bucket in own),
            "overage": self.overage,
            "late": 0,
        }
        self.history.append(cycle)
        while len(self.history) > rules.limits.history_cycles:
            del self.history[0]

    # Usage

    def is_present(self, time_ms: int) -> bool:
        """Whether usage is of the present cycle of this contract."""
        return self.closed_ms is None and time_ms >= self.start_ms and time_ms >= self.since_ms

    def use(self, event: Fields, used: int, now_ms: int, rules: Rulebook) -> None:
        rest, reached, late = charge(self.buckets, event, used, rules)
        self.overage += rest
        if late:
            self.outcome.audit["late_usage"] += late
        for rule in rules.usage_rules:
            tops = [one for one in reached if one.rule is rule]
            if not tops:
                continue
            superseded = sum(len(one.values) - 1 for one in tops)
            if superseded:
                self.outcome.audit["superseded"] += superseded
            self._remind_reached(rule, tops, now_ms)

    def _remind_reached(self, rule: UsageRule, tops: list[Reached], now_ms: int) -> None:
        emptiest = tops[0]
        for one in tops:
            if remaining(one.bucket) < remaining(emptiest.bucket):
                emptiest = one
        self._remind(rule, emptiest.highest, [one.bucket for one in tops], now_ms)

    def _remind(
        self, rule: UsageRule | TimedRule, threshold: int | None, buckets: list[Bucket], at_ms: int
    ) -> None:
        if rule.category in self.opted_out and not rule.mandatory:
            self.outcome.audit["opted_out"] += 1
            return
        key = ReminderKey(
            self.name,
            rule.id,
            rule.kind,
            threshold,
            tuple(bucket["id"] for bucket in buckets),
            at_ms,
            sum(bucket["used"] for bucket in buckets),
            sum(remaining(bucket) for bucket in buckets),
            self.overage,
        )
        self.outcome.audit["fired"] += 1
        self.outcome.reminders[key] += 1
        self.outcome.reminders_by_kind[rule.kind] += 1

    # What happens to the contract

    def change_plan(self, event: Fields, rules: Rulebook) -> bool:
        """Returns whether it took effect at once."""
        if event.get("effective", "now") == "next_cycle" and event["time"] >= self.start_ms:
            self.next_plan = event["plan"]
            self.outcome.audit["plan_change_scheduled"] += 1
            return False
        self.plan, self.next_plan = event["plan"], None
        self.outcome.audit["plan_changed"] += 1
        wanted = list(rules.plans[self.plan].allowances)
        old = [bucket for bucket in self.live() if bucket["kind"] == "allowance"]
        names = {one.id for one in wanted}
        for one in wanted:
            same = [b for b in old if b["source"] == one.id]
            alike = [
                b
                for b in old
                if b["source"] not in names and scope_of(b["source"], rules) == one.scope
            ]
            heirs = same or alike
            if heirs:
                heir = heirs[0]
                old.remove(heir)
                granted = max(one.granted_bytes, heir["used"])
                heir.update(id=one.id, source=one.id, priority=one.priority, granted=granted)
            else:
                self.buckets.append(
                    new_bucket(
                        one.id, "allowance", one.id, one.priority, event["time"], self.end_ms,
                        one.granted_bytes,
                    )
                )  # fmt: skip
        for bucket in old:
            bucket["ends_ms"] = max(event["time"], bucket["from_ms"])
            self._expire(bucket)
        return True

    def top_up(self, event: Fields, number: int, rules: Rulebook) -> str | None:
        """Returns the reason of a reject, or None; ``number`` names a new bucket."""
        time_ms = event["time"]
        if "pack" in event:
            pack = rules.packs.get(event["pack"])
            if pack is None:
                return "unknown_pack"
            if not self._has_room(pack.granted_bytes):
                return "absurd_bytes"
            self.buckets.append(
                new_bucket(
                    f"{pack.id}#{number}", "pack", pack.id, pack.priority, time_ms,
                    time_ms + pack.validity_ms, pack.granted_bytes,
                )
            )  # fmt: skip
        else:
            ends_ms: int | None = event.get("expires_time")
            if ends_ms is not None and ends_ms <= time_ms:
                return "already_expired"
            if ends_ms is not None and ends_ms >= YEAR_9999_MS:
                ends_ms = None
            if not self._has_room(event["granted_bytes"]):
                return "absurd_bytes"
            same = [b for b in self.live() if b["kind"] == "topup" and b["ends_ms"] == ends_ms]
            if same:
                same[0]["granted"] += event["granted_bytes"]
            else:
                self.buckets.append(
                    new_bucket(
                        f"topup#{number}", "topup", "", TOPUP_PRIORITY, time_ms, ends_ms,
                        event["granted_bytes"],
                    )
                )  # fmt: skip
        self.outcome.audit["topped_up"] += 1
        return None

    def _has_room(self, granted: int) -> bool:
        """Whether what is bought stays within half of what JSON keeps exactly."""
        bought = [b["granted"] for b in self.live() if b["kind"] != "allowance"]
        return bool(sum(bought) + granted <= 2**52)

    def close(self, time_ms: int, rules: Rulebook) -> None:
        for bucket in self.live():
            self._expire(bucket)
        self._remember_cycle(time_ms, rules)
        self.closed_ms = time_ms
        self.buckets = []
        self.outcome.audit["closed"] += 1
