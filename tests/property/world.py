"""The core and the oracle side by side, fed the same bytes, compared after every record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from msgspec import UNSET

from streamproc.contracts.records.codec import (
    DecodeFailure,
    decode_audit,
    decode_event,
    decode_order,
    decode_policy,
    decode_reject,
    decode_reminder,
    encode_effect,
)
from streamproc.core.instants import NEVER_MS, to_ms
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook, Scope, TimedRule, UsageRule
from streamproc.core.state import account as account_row
from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.effects import (
    Audited,
    Effect,
    Order,
    PolicyChanged,
    Rejected,
    Reminder,
)
from streamproc.core.state.effects import BucketFigures as Shown
from streamproc.core.state.events import Arrival, ClockAdvanced
from streamproc.core.step.advancing import adopt_rules
from streamproc.core.step.next_due import next_due_ms
from streamproc.core.step.transition import advance, step
from streamproc.core.usage.tariffs import spend_by_tariff
from streamproc.engine.ids import SeenIds
from streamproc.lab.oracle import (
    Expectation,
    ExpectedAccount,
    PlacedRecord,
    ShownBucket,
    differences,
    order_key,
    policy_key,
    reminder_key,
)
from streamproc.lab.oracle.ledger import SubscriberLedger
from streamproc.lab.oracle.reading import NotAnEventError, read
from tests.support.amounts import wrong_amounts

TOPIC = "events"
_INSTANTS = ("time", "expires_time", "next_charge_time")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {account_row.HELD: "held", account_row.ACTIVE: "active", account_row.CLOSED: "closed"}


def rfc3339(instant_ms: int) -> str:
    """An instant as feeds write it."""
    when = _EPOCH + timedelta(milliseconds=instant_ms)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def figures_of(account: Account, rules: Rulebook) -> ExpectedAccount:
    """A core account in the oracle's words."""
    quota = account.extra.quota if account.extra else None
    members = quota.members if quota else {}
    if account.status == account_row.HELD:
        return ExpectedAccount("held")
    return ExpectedAccount(
        _STATUS[account.status],
        account.plan,
        account.cycle_start_ms,
        account.cycle_end_ms,
        tuple(
            ShownBucket(
                bucket.id,
                bucket.kind,
                bucket.granted_bytes,
                bucket.used_bytes,
                None if bucket.expires_ms >= NEVER_MS else bucket.expires_ms,
            )
            for bucket in account.buckets
        ),
        account.overage_bytes,
        account.charged_bytes,
        tuple(
            (
                cycle.start_ms,
                cycle.end_ms,
                cycle.granted_bytes,
                cycle.used_bytes,
                cycle.expired_bytes,
                cycle.overage_bytes,
                cycle.late_bytes,
                cycle.rolled_over_bytes,
                cycle.spend_minor,
                int(cycle.is_unlimited),
            )
            for cycle in account.history
        ),
        tuple(
            sorted(
                (one.tariff, one.spend_minor)
                for one in spend_by_tariff(account, rules)
                if one.spend_minor
            )
        ),
        tuple(sorted((name, one.used_bytes) for name, one in members.items())),
    )


def check_account(account: Account, name: str, rules: Rulebook, max_cycles: int) -> None:
    """What holds for every account at every instant (laws 8, 9, 10, 19)."""
    buckets = account.buckets
    assert buckets == sorted(buckets, key=Bucket.charge_order)
    for bucket in (*buckets, *account.ended):
        assert 0 <= bucket.used_bytes <= bucket.granted_bytes
        assert bucket.expired_bytes >= 0
        assert bucket.remaining_bytes >= 0
        assert bucket.granted_bytes == (
            bucket.used_bytes
            + bucket.remaining_bytes
            + bucket.expired_bytes
            + bucket.rolled_over_bytes
        )
    assert all(bucket.expired_bytes == 0 for bucket in buckets)
    assert all(bucket.remaining_bytes == 0 for bucket in account.ended)
    names = [bucket.id for bucket in buckets]
    assert len(names) == len(set(names))
    for cycle in account.history:
        assert cycle.granted_bytes == (
            cycle.used_bytes + cycle.expired_bytes + cycle.rolled_over_bytes
        )
        for bucket in cycle.buckets:
            assert min(bucket.used_bytes, bucket.expired_bytes, bucket.rolled_over_bytes) >= 0
            assert bucket.remaining_bytes == 0
    assert not wrong_amounts(account)
    for bucket in buckets:  # what a refund may take back of it is what was used of it
        took = sum(cycle.beside.get(bucket.id, 0) for cycle in account.history)
        assert took <= bucket.used_bytes
    assert len(account.history) <= max_cycles
    if account.status != account_row.HELD:
        assert all(to_ms(held.event.time) > account.clock_ms for held in account.held)
    assert (account.seen_ids, account.seen_marks) == (b"", [])
    due_ms = next_due_ms(account, name, rules)
    # Usage may have emptied a bucket whose expiry was to be reminded of: early, never late.
    assert account.next_due_ms <= due_ms
    assert account.next_due_ms == due_ms or account.status == account_row.ACTIVE


@cache
def _is_home_data(scope: Scope) -> bool:
    return all(scope.covers(0, "home", minute) for minute in range(24 * 60))


class World:
    """One partition. ``ticks`` reach the core alone: they must make no difference."""

    def __init__(self, rules: Rulebook, start_ms: int) -> None:
        self.rules = rules
        self.clock_ms = start_ms
        self.offset = 0
        self.ids = SeenIds()
        self.states: dict[str, bytes] = {}
        self.ledgers: dict[str, SubscriberLedger] = {}
        self.found: dict[str, Expectation] = {}
        self.wanted: dict[str, Expectation] = {}
        self.reminder_ids: Counter[str] = Counter()
        self.effects: dict[str, list[Effect]] = {}
        """All of each subscriber, in order."""
        self.policy_ids: set[str] = set()
        self.records: list[PlacedRecord] = []
        self._ticked_ms: dict[str, int] = {}
        self._rules_so_far = [rules]

    def account(self, name: str) -> Account | None:
        state = self.states.get(name)
        return None if state is None else account_row.unpack(state)

    def send(self, fields: dict[str, Any], timestamp_ms: int | None = None) -> list[Effect]:
        """An event in its plain JSON form arrives; instants are given in milliseconds."""
        plain = {
            name: rfc3339(value) if name in _INSTANTS else value for name, value in fields.items()
        }
        value = json.dumps(plain, separators=(",", ":")).encode()
        return self.arrive(fields["subscriber"].encode(), value, timestamp_ms)

    def arrive(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int | None = None
    ) -> list[Effect]:
        """A record arrives; its timestamp may be behind the partition's clock."""
        stamp = self.clock_ms if timestamp_ms is None else timestamp_ms
        self.clock_ms = max(self.clock_ms, stamp)
        self.records.append(PlacedRecord(TOPIC, 0, self.offset, key, value, stamp))
        arrival = Arrival(self.clock_ms, TOPIC, 0, self.offset)
        self.offset += 1
        try:
            event = decode_event(value, key, ())
            reason = None
        except DecodeFailure as failure:
            reason = failure.reason
        try:
            fields = read(value, key)
            wanted_reason = None
        except NotAnEventError as refused:
            wanted_reason = str(refused)
        assert reason == wanted_reason, value
        if reason is not None or isinstance(event, ClockAdvanced):
            return []
        name = event.subscriber
        ledger = self._ledger(name)
        ledger.pass_time(self._ticked_ms.pop(name, 0))
        before = self.account(name)
        account, effects = step(before, event, arrival, self.rules, self.ids)
        self._keep(name, account, effects, is_same=account is before)
        ledger.arrive(fields, self.clock_ms)
        self.compare(name)
        return list(effects)

    def tick(self, names: Iterable[str]) -> list[Effect]:
        """The timer looks at these subscribers."""
        told: list[Effect] = []
        for name in names:
            account = self.account(name)
            if account is None:
                continue
            after, effects = advance(account, name, self.clock_ms, self.rules, self.ids)
            self._keep(name, after, effects, is_same=after is account)
            self._ticked_ms[name] = self.clock_ms
            told += effects
        return told

    def change_rules(self, rules: Rulebook) -> None:
        """Everybody's due work is done, then other rules hold."""
        for name in list(self.ledgers):
            account = self.account(name)
            if account is not None:
                after, effects = advance(account, name, self.clock_ms, self.rules, self.ids)
                self._keep(name, after, effects, is_same=after is account)
                if after is not None:
                    adopt_rules(after, name, self.clock_ms, rules)
                    self.states[name] = account_row.pack(after)
            self._ticked_ms.pop(name, None)
            self.ledgers[name].take_rules(rules, self.clock_ms)
        self.rules = rules
        self._rules_so_far.append(rules)
        for name in self.ledgers:
            self.compare(name)

    def finish(self) -> None:
        """Time passes to the clock for everybody; all is compared once more."""
        for name, ledger in self.ledgers.items():
            self.tick([name])
            ledger.pass_time(self.clock_ms)
            self.compare(name)
        repeated = [one for one, count in self.reminder_ids.items() if count > 1]
        assert not repeated

    def compare(self, name: str) -> None:
        """Both sides of one subscriber."""
        ledger = self.ledgers[name]
        account = self.account(name)
        found, wanted = self.found[name], self.wanted[name]
        problems = differences(found, wanted)
        assert not problems, "\n".join(problems)
        figures = figures_of(account, self.rules) if account else None
        assert figures == ledger.figures(), f"{figures} instead of {ledger.figures()}"
        if account is not None:
            # Lower limits take hold with the next event.
            limits = [rules.limits for rules in self._rules_so_far]
            check_account(account, name, self.rules, max(one.history_cycles for one in limits))

    def _ledger(self, name: str) -> SubscriberLedger:
        if name not in self.ledgers:
            self.found[name] = Expectation()
            self.wanted[name] = Expectation()
            self.ledgers[name] = SubscriberLedger(name, self.rules, self.wanted[name])
        return self.ledgers[name]

    def _keep(
        self, name: str, account: Account | None, effects: Iterable[Effect], *, is_same: bool
    ) -> None:
        """``is_same``: the account goes on. One that was forgotten in between begins anew, in
        another object, at nothing."""
        found = self.found[name]
        before = self.account(name)
        if account is None:
            self.states.pop(name, None)
        else:
            state = account_row.pack(account)
            refunded = sum(
                effect.figures["refunded_bytes"]
                for effect in effects
                if isinstance(effect, Audited) and effect.decision == "refunded"
            )
            known = before.charged_bytes if is_same and before is not None else 0
            found.charged_bytes += account.charged_bytes + refunded - known
            self.states[name] = state
        self.effects.setdefault(name, []).extend(effects)
        for effect in effects:
            value = encode_effect(effect)
            if isinstance(effect, Reminder):
                assert decode_reminder(value) == effect
                self._check_reminder(effect)
                self.reminder_ids[effect.id] += 1
                key = reminder_key(value)
                found.reminders[key] += 1
                found.reminders_by_kind[key.kind] += 1
            elif isinstance(effect, Audited):
                assert decode_audit(value) == effect
                found.audit[effect.decision] += 1
                if effect.decision == "refunded":
                    found.charged_bytes -= effect.figures["refunded_bytes"]
            elif isinstance(effect, PolicyChanged):
                assert decode_policy(value) == effect
                found.policies[policy_key(value)] += 1
                assert effect.id not in self.policy_ids
                self.policy_ids.add(effect.id)
            elif isinstance(effect, Order):
                assert decode_order(value) == effect
                self.reminder_ids[effect.id] += 1
                found.orders[order_key(value)] += 1
            else:
                assert isinstance(effect, Rejected)
                assert decode_reject(value) == effect
                found.rejects[effect.reason] += 1

    def _summed(self, reminder: Reminder) -> list[Shown]:
        """The buckets that a reminder's figures sum up: all for the same usage."""
        buckets = reminder.buckets
        if isinstance(self.rules.rules_by_id.get(reminder.rule), UsageRule):
            return buckets
        scopes = [self.rules.scopes.get(one.id.partition("#")[0], EVERYTHING) for one in buckets]
        home = [one for one, scope in zip(buckets, scopes, strict=True) if _is_home_data(scope)]
        named = ("before_expiry", "expiry", "resolved", "forecast")
        if reminder.kind == "before_cycle_end":
            assert {one.expires_time for one in buckets} == {reminder.cycle_end}
            return home or [one for one, of in zip(buckets, scopes, strict=True) if of == scopes[0]]
        if reminder.kind not in named or not buckets:
            return home
        subject = 0
        if reminder.kind == "resolved":
            subject = min(range(len(buckets)), key=lambda one: buckets[one].remaining_bytes)
        if _is_home_data(scopes[subject]):
            return home
        alike = [
            one for one, scope in zip(buckets, scopes, strict=True) if scope == scopes[subject]
        ]
        if reminder.kind == "resolved" and _sums(alike) != _sums_of(reminder):
            return home  # what it follows is about the whole account
        return alike

    def _check_reminder(self, reminder: Reminder) -> None:
        """What a reminder's own fields say of each other."""
        if reminder.kind == "cycle_end":  # of all its allowances; the sums are of home data
            (over,) = reminder.buckets
            assert over.id == "closed_cycle"
            assert reminder.granted_bytes <= over.granted_bytes
            assert reminder.used_bytes <= over.used_bytes
        else:
            summed = self._summed(reminder)
            assert reminder.granted_bytes == sum(one.granted_bytes for one in summed)
            is_endless = any(one.kind == "unlimited" for one in summed)
            assert reminder.unlimited is (True if is_endless else UNSET)
        staying = reminder.granted_bytes - reminder.used_bytes - reminder.remaining_bytes
        # What will roll over is not among what ends with the cycle.
        assert staying == 0 or (reminder.kind == "before_cycle_end" and staying > 0)
        assert reminder.cycle_start <= reminder.as_of
        assert reminder.as_of <= reminder.cycle_end or reminder.kind == "cycle_end"
        replies = self.rules.commands.replies if self.rules.commands else {}
        notices = (*self.rules.notices.values(), *replies.values())
        rules = (*self.rules.rules_by_id.values(), *notices)
        rule = next(rule for rule in rules if rule.id == reminder.rule)
        # What costs no more but did is told as of then, and delivered when nothing holds it.
        is_last_call = reminder.kind == "overage_started" and reminder.not_before > reminder.as_of
        assert is_last_call or reminder.not_before == reminder.as_of
        until = reminder.not_before + timedelta(milliseconds=rule.ttl_ms)
        if reminder.kind in ("subscription_question", "charge_question", "before_charge"):
            assert reminder.not_before < reminder.expires_time <= until
        else:
            assert reminder.expires_time == min([until, *_announced(reminder)])
        cause = reminder.cause
        if isinstance(rule, TimedRule):
            # Storms are spread; a move to another zone may find it late, by its grace at most.
            window_ms = rule.spread_after_ms + rule.spread_ms + rule.misfire_grace_ms
            assert cause.due_time is not UNSET
            assert timedelta() <= reminder.as_of - cause.due_time
            assert reminder.as_of - cause.due_time <= timedelta(milliseconds=window_ms)
        elif cause.due_time is not UNSET:
            assert cause.due_time == reminder.as_of  # checked for, or held until then
        if cause.topic is not UNSET:
            place = (cause.topic, cause.partition, cause.offset)
            record = next(one for one in reversed(self.records) if one[:3] == place)
            assert json.loads(record.value or b"")["id"] == cause.event_id


def _announced(reminder: Reminder) -> list[datetime]:
    """The end that a message announces: nobody is to read it later."""
    ends: list[datetime | None] = []
    if reminder.kind == "before_cycle_end":
        ends = [reminder.cycle_end]
    elif reminder.kind in ("before_expiry", "expiry"):
        ends = [one.expires_time for one in reminder.buckets]
    return [one for one in ends if one is not None and one > reminder.as_of]


def _sums(buckets: list[Shown]) -> tuple[int, int, bool]:
    """Granted and used bytes together, and whether one is without end."""
    return (
        sum(one.granted_bytes for one in buckets),
        sum(one.used_bytes for one in buckets),
        any(one.kind == "unlimited" for one in buckets),
    )


def _sums_of(reminder: Reminder) -> tuple[int, int, bool]:
    return reminder.granted_bytes, reminder.used_bytes, reminder.unlimited is True
