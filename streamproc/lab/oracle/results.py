"""Expected and actual results of a run, in a form that can be compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streamproc.lab.oracle.reading import instant_ms

EXAMPLES = 5
"""How many examples of each kind of difference are shown."""


class PlacedRecord(NamedTuple):
    """A record of an input topic; ``timestamp_ms`` is Kafka's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes | None]] = ()


class ReminderKey(NamedTuple):
    """Everything about a reminder that must be right, except its wording."""

    subscriber: str
    rule: str
    kind: str
    threshold: int | None
    bucket_ids: tuple[str, ...]
    as_of_ms: int
    used_bytes: int
    remaining_bytes: int
    overage_bytes: int
    recipient: str = ""
    """Empty: the subscriber itself."""


class PolicyKey(NamedTuple):
    """Everything about a policy record that must be right."""

    subscriber: str
    number: int
    counter: str
    member: str
    state: str
    reason: str
    throttle_kbps: int | None
    time_ms: int
    overage_bytes: int
    spend_minor: int


class OrderKey(NamedTuple):
    """Everything about an order to billing that must be right; fields that its type lacks are
    empty."""

    type: str
    subscriber: str
    about: str
    service: str
    outcome: str
    amount_minor: int
    time_ms: int


class ShownBucket(NamedTuple):
    """A bucket that has not ended; ``expires_ms`` is None if it has no end."""

    id: str
    kind: str
    granted_bytes: int
    used_bytes: int
    expires_ms: int | None


@dataclass(frozen=True)
class ExpectedAccount:
    """The final state of a subscriber; cycle and figures belong to the last contract."""

    status: str
    """``held`` (not activated yet), ``active`` or ``closed``."""
    plan: str = ""
    cycle_start_ms: int = 0
    cycle_end_ms: int = 0
    buckets: tuple[ShownBucket, ...] = ()
    """Buckets in charge order."""
    overage_bytes: int = 0
    charged_bytes: int = 0
    history: tuple[tuple[int, ...], ...] = ()
    """Closed cycles: start and end in ms, granted, used, expired, overage, late and rolled over
    bytes, cost of the overage, whether it was unlimited."""
    spent: tuple[tuple[str, int], ...] = ()
    """Cost of the present cycle in minor units by tariff, unless it is 0."""
    members: tuple[tuple[str, int], ...] = ()
    """Used bytes of the pool's members in the present cycle."""


@dataclass
class Expectation:
    """The results of a run."""

    records: int = 0
    """All input records, whatever their result."""
    charged_bytes: int = 0
    """Sum over all accounts that ever existed."""
    reminders: Counter[ReminderKey] = field(default_factory=Counter)
    reminders_by_kind: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    """Rejects by reason."""
    audit: Counter[str] = field(default_factory=Counter)
    """Audit records by decision."""
    period_used: dict[tuple[str, str, int, str], int] = field(default_factory=dict)
    """By subscriber, periodic rule, instant of its message and recipient (empty: the account's own
    number): bytes used since the message before. Only texts show them, so they are not compared."""
    accounts: dict[str, ExpectedAccount] = field(default_factory=dict)
    repeated_ids: Counter[str] = field(default_factory=Counter)
    """Reminder ids that occurred more than once; none is expected."""
    policies: Counter[PolicyKey] = field(default_factory=Counter)
    orders: Counter[OrderKey] = field(default_factory=Counter)
    watch: Callable[[Any, int], None] | None = None
    """Called with each contract after each change, and the instant (ms): for callers that need more
    of an account than its final figures."""


def reminder_key(value: bytes) -> ReminderKey:
    """The key of a record of the reminders topic."""
    return _key(json.loads(value))


def policy_key(value: bytes) -> PolicyKey:
    """The key of a record of the policy topic."""
    message = json.loads(value)
    return PolicyKey(
        message["subscriber"],
        message["number"],
        message["counter"],
        message.get("member", ""),
        message["state"],
        message["reason"],
        message.get("throttle_kbps"),
        instant_ms(message["time"]),
        message["overage_bytes"],
        message["spend_minor"],
    )


def order_key(value: bytes) -> OrderKey:
    """The key of a record of the orders topic."""
    order = json.loads(value)
    return OrderKey(
        order["type"],
        order["subscriber"],
        order.get("about", ""),
        order["service"],
        order.get("outcome", ""),
        order.get("amount_minor", 0),
        instant_ms(order.get("decided_time") or order["time"]),
    )


def observed(
    reminders: Iterable[bytes],
    audit: Iterable[bytes] = (),
    rejects: Iterable[bytes] = (),
    records: int = 0,
    charged_bytes: int = 0,
    accounts: dict[str, ExpectedAccount] | None = None,
    policies: Iterable[bytes] = (),
    orders: Iterable[bytes] = (),
) -> Expectation:
    """The results in output records (their values), for comparison with an expectation."""
    found = Expectation(records, charged_bytes, accounts=accounts or {})
    ids: Counter[str] = Counter()
    for value in reminders:
        message = json.loads(value)
        key = _key(message)
        ids[message["id"]] += 1
        found.reminders[key] += 1
        found.reminders_by_kind[key.kind] += 1
    for value in orders:
        ids[json.loads(value)["id"]] += 1
        found.orders[order_key(value)] += 1
    found.repeated_ids = Counter({one: count for one, count in ids.items() if count > 1})
    found.policies.update(map(policy_key, policies))
    found.audit.update(json.loads(value)["decision"] for value in audit)
    found.rejects.update(json.loads(value)["reason"] for value in rejects)
    return found


def differences(observed: Expectation, expected: Expectation) -> list[str]:
    """The differences between two results, a line each, without full subscriber numbers; empty if
    none.

    Accounts are compared if both sides have any.
    """
    lines = []
    for name in ("records", "charged_bytes"):
        found, wanted = getattr(observed, name), getattr(expected, name)
        if found != wanted:
            lines.append(f"{name}: {found} instead of {wanted}")
    for name in ("reminders_by_kind", "rejects", "audit"):
        counts: Counter[str] = getattr(observed, name)
        wanted_counts: Counter[str] = getattr(expected, name)
        lines += [
            f"{name}: {counts[one]} x {one} instead of {wanted_counts[one]}"
            for one in sorted(counts.keys() | wanted_counts.keys())
            if counts[one] != wanted_counts[one]
        ]
    lines += _reminder_lines("too many", observed.reminders - expected.reminders)
    lines += _reminder_lines("missing", expected.reminders - observed.reminders)
    for what, policies in (
        ("too many", observed.policies - expected.policies),
        ("missing", expected.policies - observed.policies),
    ):
        if policies:
            lines.append(f"{policies.total()} changes of policy {what}")
        for policy in sorted(policies, key=lambda key: (key.time_ms, key.number))[:EXAMPLES]:
            shown = policy._replace(subscriber=_mask(policy.subscriber))
            lines.append(f"  {what}: {policies[policy]} x {shown}")
    for what, some in (
        ("too many", observed.orders - expected.orders),
        ("missing", expected.orders - observed.orders),
    ):
        if some:
            lines.append(f"{some.total()} orders {what}")
        for order in sorted(some)[:EXAMPLES]:
            lines.append(f"  {what}: {order._replace(subscriber=_mask(order.subscriber))}")
    for one, times in sorted(observed.repeated_ids.items())[:EXAMPLES]:
        lines.append(f"reminder id {one} was used {times} times")
    if observed.accounts and expected.accounts:
        lines += _account_lines(observed.accounts, expected.accounts)
    return lines


def _key(message: dict[str, object]) -> ReminderKey:
    def number(name: str) -> int:
        value = message[name]
        assert isinstance(value, int)
        return value

    threshold, buckets = message["threshold"], message["buckets"]
    assert isinstance(buckets, list)
    return ReminderKey(
        str(message["subscriber"]),
        str(message["rule"]),
        str(message["kind"]),
        threshold["value"] if isinstance(threshold, dict) else None,
        tuple(bucket["id"] for bucket in buckets),
        instant_ms(str(message["as_of"])),
        number("used_bytes"),
        number("remaining_bytes"),
        number("overage_bytes"),
        str(message.get("recipient", "")),
    )


def _reminder_lines(what: str, reminders: Counter[ReminderKey]) -> list[str]:
    if not reminders:
        return []
    lines = [f"{reminders.total()} reminders {what}"]
    for one in sorted(reminders, key=lambda key: (key.as_of_ms, key[:3]))[:EXAMPLES]:
        shown = one._replace(subscriber=_mask(one.subscriber))
        lines.append(f"  {what}: {reminders[one]} x {shown}")
    return lines


def _account_lines(
    observed: dict[str, ExpectedAccount], expected: dict[str, ExpectedAccount]
) -> list[str]:
    wrong = sorted(
        one for one in observed.keys() | expected.keys() if observed.get(one) != expected.get(one)
    )
    if not wrong:
        return []
    lines = [f"{len(wrong)} accounts differ"]
    for one in wrong[:EXAMPLES]:
        lines.append(f"  {_mask(one)}: {observed.get(one)} instead of {expected.get(one)}")
    return lines


def _mask(subscriber: str) -> str:
    return subscriber[:3] + "*" * max(len(subscriber) - 5, 1) + subscriber[-2:]
