"""Messages that must be sent: thresholds that were reached and still are, the first byte that
costs, and data that is barred, slowed down or works again.

An event makes a message owed, from the account before and after it. A message that is sent settles
it; an event that makes it untrue ends it. An owed message that is still true long after everything
that can hold a message is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from streamproc.core.instants import NEVER_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.scope import EVERYTHING, Scope
from streamproc.core.rules.sending import Policy
from streamproc.core.state.effects import Reminder
from streamproc.lab.oracle.buckets import (
    Bucket,
    is_about,
    is_level_reached,
    levels_passed,
    remaining,
)
from tests.support.truth.account import UNLIMITED, Snapshot
from tests.support.truth.figures import OF_BUCKET
from tests.support.truth.limits import limits_of, usage_of
from tests.support.truth.lives import DAY
from tests.support.truth.play import Scene
from tests.support.truth.shown import local_clock

AHEAD_MS = 5 * 60_000
"""How far an event may be ahead of the clock that decides."""
ENDING = (
    *("account.plan_changed", "account.closed", "account.activated", "account.preferences_set"),
    *("usage.refunded", "account.member_left", "account.member_joined"),
)
"""Events that change the meaning of reached thresholds: earlier owed messages are cancelled."""
CHARGED_ALL_THE_SAME = ("account.plan_changed", "account.closed")
"""Those of them after which the cost is still charged, so it must have been reported."""
OF_ALL = ("zero_balance", "overage_started", "access_limited", "spend_percent")
"""Kinds whose messages may stand for one about a bucket that is used up."""
OF_MONEY = ("overage_started", "spend_amount", "spend_percent")
"""Only messages of these kinds contain the price."""


OF_LIMITS = ("access_limited", "spend_percent", "resolved")
"""Kinds whose messages may stand for one about a limit."""


class Use(NamedTuple):
    """The fields of usage that decide which bucket covers it."""

    rating_group: int
    roaming_zone: str
    minute: int

    @classmethod
    def of(cls, event: Any, state: Snapshot) -> Use:
        clock = local_clock(event["time"], state.zone)
        assert clock is not None
        minute = clock.hour * 60 + clock.minute
        return cls(event.get("rating_group", 0), event.get("roaming_zone", "home"), minute)

    def is_within(self, scopes: list[Scope]) -> bool:
        return any(one.covers(*self) for one in scopes)


@dataclass
class OwedMessage:
    """A message that a rule must send."""

    rule: Any
    about: str
    """A bucket's id; empty: data costs."""
    value: int
    since_ms: int
    due_ms: int
    """When nothing can hold it any more."""
    is_of_costs: bool = False
    """It is about data that cost."""
    over: Any = None
    """The rule whose limit has ended, if it is about that."""

    def __str__(self) -> str:
        return f"{self.rule.kind} {self.rule.id} {self.value} of {self.about or 'the account'}"


class OwedMessages:
    """All owed messages of one subscriber."""

    def __init__(self, rules: Rulebook) -> None:
        self.rules = rules
        self.open: list[OwedMessage] = []
        self.has_caps = bool(rules.alerts.caps)
        self.left: set[str] = set()
        """Categories that were ever opted out."""
        self.told_cost_ms: dict[str, int] = {}
        self.had: list[tuple[int, list[Scope]]] = []
        """Scopes with bytes left, at each change of the account in this cycle."""
        self.stopped: set[str] = set()
        """Rules whose last report of a limit is known to the subscriber."""

    def read(self, scene: Scene) -> Iterator[tuple[OwedMessage, str]]:
        """Owed messages that are lost at a scene, and since when they were due."""
        self._let_off(scene)
        for message in scene.messages:
            self._pay(message)
        for owed in self._made(scene):
            if not any(self._settles(one, owed) for one in scene.messages):
                self.open.append(owed)
        for owed in list(self.open):
            is_closed = (scene.event or {}).get("type") == "account.closed" and not scene.rejected
            if is_closed and _is_of_limits(owed):
                self.open.remove(owed)  # nobody can use data any more
                continue
            if scene.now_ms >= owed.due_ms or is_closed or self._is_free(owed, scene):
                self.open.remove(owed)
                yield owed, f"it was reached {(scene.now_ms - owed.since_ms) // 60_000} minutes ago"

    def _made(self, scene: Scene) -> Iterator[OwedMessage]:
        """The messages that an event, or time, makes owed."""
        yield from self._limited(scene)
        if scene.event is None or scene.rejected or len(scene.states) < 2:
            return
        before, after = scene.states[-2], scene.states[-1]
        kind = scene.event["type"]
        if kind == "usage.recorded":
            yield from self._reached(before, after)
            yield from self._costs(before, after, scene.event)
            yield from self._emptied(before, after)
        elif kind == "account.plan_changed" and before.plan != after.plan:
            yield from self._shrunk(before, after)
            yield from self._emptied(before, after)

    def _is_free(self, owed: OwedMessage, scene: Scene) -> bool:
        """Whether only quiet hours could hold it, and it is not night."""
        policy = owed.rule.policy
        if policy.cool_down_ms or policy.coalesce_ms or policy.group or not scene.states:
            return False
        state = scene.states[-1]
        moments = (scene.now_ms, scene.now_ms - AHEAD_MS)
        return not any(is_night(state, at_ms) for at_ms in moments)

    # Where owed messages come from

    def _reached(self, before: Snapshot, after: Snapshot) -> Iterator[OwedMessage]:
        for bucket in (*after.live, *_caps(after)):
            earlier = before.bucket(bucket["id"])
            if earlier is None or earlier["over"] or earlier["used"] >= bucket["used"]:
                continue
            for rule in self.rules.usage_rules:
                if self._must_tell(rule, after):
                    levels = levels_passed(
                        rule, levels_of(rule, after), bucket, earlier["used"], bucket["used"]
                    )
                    # Late usage from before a smaller plan may come with its bytes.
                    was = (earlier["granted"], earlier["used"])
                    levels = [one for one in levels if not is_level_reached(rule.kind, one, *was)]
                    if levels:
                        yield self._owed(rule, bucket["id"], levels[-1], after)

    def _shrunk(self, before: Snapshot, after: Snapshot) -> Iterator[OwedMessage]:
        """After a smaller plan: what is reached now and was not before."""
        for bucket in after.live:
            earlier = before.bucket(bucket["id"])
            # One that is over was of an earlier plan with the same allowance.
            if earlier is None or earlier["over"] or earlier["granted"] <= bucket["granted"]:
                continue
            if not bucket["used"]:
                continue
            for rule in self.rules.usage_rules:
                if self._must_tell(rule, after) and is_about(rule, bucket):
                    new = [
                        one
                        for one in levels_of(rule, after)
                        if is_level_reached(rule.kind, one, bucket["granted"], bucket["used"])
                        and not is_level_reached(
                            rule.kind, one, earlier["granted"], earlier["used"]
                        )
                    ]
                    is_down = rule.kind.startswith("remaining")
                    if new:
                        value = min(new) if is_down else max(new)
                        yield self._owed(rule, bucket["id"], value, after)

    def _emptied(self, before: Snapshot, after: Snapshot) -> Iterator[OwedMessage]:
        for rule in self.rules.watch_rules:
            is_new = has_something(before) and not has_something(after)
            if is_new and rule.kind == "zero_balance" and self._must_tell(rule, after):
                yield self._owed(rule, "", 0, after)

    def _costs(self, before: Snapshot, after: Snapshot, event: Any) -> Iterator[OwedMessage]:
        use = Use.of(event, after)
        for rule in self.rules.watch_rules:
            if rule.kind != "overage_started" or not self._must_tell(rule, after):
                continue
            tariff = rule.tariff or ""
            was = before.overage_by_tariff.get(tariff, 0)
            now = after.overage_by_tariff.get(tariff, 0)
            price = before.next_price(tariff)
            # Usage that was covered after its report is a new case.
            since_ms = max(after.start_ms, self._covered_ms(use))
            is_told = self.told_cost_ms.get(rule.id, -1) >= since_ms
            cap = after.cap_minor.get(tariff)
            # One event may reach the cap at once: the next byte never cost.
            is_capped = cap is not None and after.spent_minor.get(tariff, 0) >= cap
            # Usage that late usage pushed out has no known sort: any report of this cycle will do.
            is_pushed = event["time"] < after.start_ms
            # What was bought since covers the next byte, so the report is of an earlier instant.
            is_from_before = not is_pushed and use.is_within(_scopes_left(after))
            if is_pushed or is_from_before:
                is_told = self.told_cost_ms.get(rule.id, -1) >= after.start_ms
            # The unit of data may have begun before, and be paid for.
            spent = [one.spent_minor.get(tariff, 0) for one in (before, after)]
            is_free = is_from_before and spent[0] >= spent[1]
            is_due = now > was and price and price[0] and not is_free
            if is_due and not is_told and not is_capped:
                owed = self._owed(rule, "", now, after, is_of_costs=True)
                if is_from_before:
                    owed.since_ms = event["time"]
                yield owed

    def _limited(self, scene: Scene) -> Iterator[OwedMessage]:
        """Limits that begin, limits that a purchase leaves in force, and limits that end."""
        kind = "" if scene.event is None or scene.rejected else scene.event["type"]
        first = None if kind == "account.activated" else next(iter(scene.states), None)
        states = [one for one in scene.states if one is not first]
        for before, after in zip([first, *states], states, strict=False):
            was, now = limits_of(before), limits_of(after)
            is_other_plan = before is not None and before.plan != after.plan
            for rule in self.rules.watch_rules:
                names = self._limits_told_by(rule, after)
                if not names or not self._must_tell(rule, after):
                    continue
                if names & now.keys() and (is_other_plan or not names & was.keys()):
                    yield self._owed(rule, "", 0, after)
                elif names & was.keys() and not names & now.keys():
                    yield from self._works_again(rule, after)
        if kind == "account.topped_up" and len(scene.states) > 1:
            yield from self._bought_in_vain(scene.states[-2], scene.states[-1], scene.event)

    def _limits_told_by(self, rule: Any, state: Snapshot) -> frozenset[str]:
        """The policies that a rule reports: by their ids, or by reaching the whole cap."""
        if rule.kind == "access_limited":
            return frozenset(rule.policies)
        if rule.kind != "spend_percent" or rule.cap_minor is not None or 100 not in rule.thresholds:
            return frozenset()
        others = [one for one in self.rules.watch_rules if one.kind == "access_limited"]
        named = {name for one in others for name in one.policies}
        plan = self.rules.plans.get(state.plan)
        return frozenset(
            one.id
            for one in (plan.policies if plan else ())
            if one.when == "cost_cap" and one.tariff == rule.tariff and one.id not in named
        )

    def _bought_in_vain(
        self, before: Snapshot, after: Snapshot, event: Any
    ) -> Iterator[OwedMessage]:
        """More data that cannot be used."""
        scope = self.rules.scopes.get(event.get("pack", ""), EVERYTHING)
        if all(before.bucket(one["id"]) is not None for one in after.live):
            return
        was, now = limits_of(before), limits_of(after)
        held = {name for name, one in now.items() if usage_of(one, after).overlaps(scope)}
        for rule in self.rules.watch_rules:
            names = self._limits_told_by(rule, after)
            if names & was.keys() and names & held and self._must_tell(rule, after):
                yield self._owed(rule, "", 0, after)

    def _works_again(self, over: Any, after: Snapshot) -> Iterator[OwedMessage]:
        """Data works again, and the subscriber knows that it had stopped."""
        if over.id not in self.stopped or after.closed:
            return
        self.stopped.remove(over.id)
        for rule in self.rules.resolved_rules:
            if over.id in rule.of and self._must_tell(rule, after):
                yield replace(self._owed(rule, "", 0, after), over=over)

    def _covered_ms(self, use: Use) -> int:
        """When bytes for such usage were left last; -1: never in this cycle."""
        found = (at_ms for at_ms, scopes in reversed(self.had) if use.is_within(scopes))
        return next(found, -1)

    def _owed(
        self, rule: Any, about: str, value: int, state: Snapshot, *, is_of_costs: bool = False
    ) -> OwedMessage:
        policy, has_nights = rule.policy, state.own_hours or self.rules.alerts.quiet_hours
        # Several buckets can wait for one cool-down, one after another.
        patience_ms = policy.cool_down_ms * 6 + policy.coalesce_ms
        if has_nights and policy.in_quiet_hours == "hold":
            patience_ms += DAY
        return OwedMessage(rule, about, value, state.at_ms, state.at_ms + patience_ms, is_of_costs)

    def _must_tell(self, rule: Any, state: Snapshot) -> bool:
        policy = rule.policy
        if policy.for_count > 1 or policy.hysteresis or has_span(policy):
            return False
        return rule.mandatory or not (
            self.has_caps or rule.category in self.left or rule.category in state.opted_out
        )

    # How they end

    def _let_off(self, scene: Scene) -> None:
        event = scene.event or {}
        if event.get("type") in ENDING or event.get("text", "").startswith("ALERT"):
            is_charged = event.get("type") in CHARGED_ALL_THE_SAME
            is_same = event["type"] not in ("account.activated", "account.closed")
            self.open = [
                one
                for one in self.open
                if (is_charged and one.is_of_costs) or (is_same and _is_of_limits(one))
            ]
        for state in scene.states:
            self.had = [one for one in self.had if one[0] >= state.start_ms]
            self.had.append((state.at_ms, _scopes_left(state)))
            self.left |= state.opted_out
            self.open = [one for one in self.open if self._is_true(one, state)]
        self._hold(scene)

    def _hold(self, scene: Scene) -> None:
        """Quiet hours that the subscriber sets hold what waits already."""
        if len({one.own_hours for one in scene.states}) > 1:
            for one in self.open:
                later = self._owed(one.rule, one.about, one.value, scene.states[-1])
                one.due_ms = max(one.due_ms, later.due_ms)

    def _is_true(self, owed: OwedMessage, state: Snapshot) -> bool:
        if state.at_ms < owed.since_ms:
            return True
        if not owed.rule.mandatory and owed.rule.category in state.opted_out:
            return False
        if owed.rule.kind == "zero_balance":
            return not has_something(state)
        if _is_of_limits(owed):
            names = self._limits_told_by(owed.over or owed.rule, state)
            is_limited = bool(names & limits_of(state).keys())
            return is_limited is (owed.over is None)
        if not owed.about:
            return True  # a charge must have been reported, whatever was bought since
        bucket = state.bucket(owed.about)
        return (
            bucket is not None
            and not bucket["over"]
            and is_about(owed.rule, bucket)
            and bool(bucket["used"])
            and is_level_reached(owed.rule.kind, owed.value, bucket["granted"], bucket["used"])
        )

    def _pay(self, message: Reminder) -> None:
        said = self.rules.rules_by_id.get(message.rule)
        for rule in self.rules.watch_rules if said is not None else ():
            is_paid = said is not None and _is_of_group(said, rule) and _tells_cost(said, rule)
            if rule.id == message.rule or is_paid:
                # A report of late usage is of an earlier instant than one that came before it.
                before_ms = self.told_cost_ms.get(rule.id, -1)
                self.told_cost_ms[rule.id] = max(before_ms, to_ms(message.as_of))
        self.open = [one for one in self.open if not self._settles(message, one)]
        if said is not None and said.kind in OF_LIMITS:
            self.stopped.add(said.id)

    def _settles(self, message: Reminder, owed: OwedMessage) -> bool:
        rule = self.rules.rules_by_id.get(message.rule)
        if rule is None or to_ms(message.as_of) < owed.since_ms:
            return False
        if rule.id != owed.rule.id and not _is_of_group(rule, owed.rule):
            return False
        if _is_of_limits(owed):
            # A price says that data can be used.
            is_price = owed.over is not None and rule.kind == "overage_started"
            is_cap = message.threshold is not None and message.threshold.value >= 100
            if rule.kind == "spend_percent" and not is_cap:
                return False
            return rule.id == owed.rule.id or rule.kind in OF_LIMITS or is_price
        if owed.rule.kind == "overage_started":
            return _tells_cost(rule, owed.rule)
        if not owed.about:
            return True
        left = {one.id: one.remaining_bytes for one in message.buckets}
        if owed.about not in left:
            return False
        if rule.kind not in OF_BUCKET:  # it reports that all buckets are used up
            return not left[owed.about] and rule.kind in OF_ALL
        if rule.id != owed.rule.id or message.threshold is None:
            return True
        told = message.threshold.value
        is_down = owed.rule.kind.startswith("remaining")
        return told <= owed.value if is_down else told >= owed.value


def _is_of_limits(owed: OwedMessage) -> bool:
    return owed.over is not None or owed.rule.kind in OF_LIMITS


def _is_of_group(said: Any, rule: Any) -> bool:
    """Whether the message of a rule may have been merged into another one."""
    return bool(rule.policy.group) and said.policy.group == rule.policy.group


def _tells_cost(said: Any, rule: Any) -> bool:
    """Whether another rule of a group may report that data cost: one about money, or about the
    account if the report is not mandatory. A message about a bucket does not report costs."""
    return said.kind in OF_MONEY or not (rule.mandatory or said.kind in OF_BUCKET)


def _scopes_left(state: Snapshot) -> list[Scope]:
    """The scopes with bytes left."""
    return [
        state.scope(one) for one in state.live if one["kind"] == UNLIMITED or remaining(one) > 0
    ]


def has_span(policy: Policy) -> bool:
    """Whether a rule has a limited validity."""
    return policy.valid_from_ms > 0 or policy.valid_until_ms < NEVER_MS


def has_something(state: Snapshot) -> bool:
    """Whether bytes are left in any bucket."""
    return any(one["kind"] == UNLIMITED or remaining(one) for one in state.live)


def is_night(state: Snapshot, at_ms: int) -> bool:
    """Whether an instant is within quiet hours: the subscriber's own, or everybody's."""
    hours = state.rules.alerts.quiet_hours
    if state.own_hours is not None:
        start, end = state.own_hours
    elif hours is not None:
        start, end = hours.start, hours.end
    else:
        return False
    clock = local_clock(at_ms, state.zone)
    assert clock is not None
    if start <= end:
        return bool(start <= clock.time() < end)
    return bool(clock.time() >= start or clock.time() < end)


def levels_of(rule: Any, state: Snapshot) -> list[int]:
    """The thresholds in force. Own ones replace those that are not mandatory."""
    if rule.kind != "usage_percent" or not state.own_percents:
        return list(rule.thresholds)
    own = set(state.own_percents)
    return sorted(own | set(rule.thresholds)) if rule.mandatory else sorted(own)


def _caps(state: Snapshot) -> list[Bucket]:
    found = [state.bucket(f"member:{name}") for name in state.members]
    return [one for one in found if one is not None]
