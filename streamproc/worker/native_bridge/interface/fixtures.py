"""Rows, events and messages as the core makes them, for the unit tests of the Rust code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from streamproc.contracts.records.codec import encode_effect, encode_event
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Allowance, Limits, Plan, Rulebook, UsageRule
from streamproc.core.state.account import ALLOWANCE, TOPUP, Account, pack
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import (
    AccountActivated,
    Arrival,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.core.step.transition import step
from streamproc.engine.ids import SeenIds
from streamproc.worker.native_bridge.interface.rust import HEAD, byte_text

SUBSCRIBER: Final = "8613800000001"
BEGIN: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
GRANTED_BYTES: Final = 1_000_000


def render() -> str:
    """Rust constants: an account before usage, after it, and after usage that crosses a
    threshold."""
    rules = _rules()
    account, _ = _after(
        None,
        AccountActivated("a", "crm", SUBSCRIBER, BEGIN, "basic", "Asia/Shanghai", 1, "en"),
        rules,
    )
    account, _ = _after(
        account, ToppedUp("t", "crm", SUBSCRIBER, BEGIN, granted_bytes=GRANTED_BYTES), rules
    )
    values: dict[str, bytes] = {"KEY": SUBSCRIBER.encode(), "BEFORE": _row(account)}
    for number, (name, used_bytes) in enumerate((("PLAIN", 1_000), ("CROSSING", 800_000))):
        event = UsageRecorded(f"u{number}", "ocs", SUBSCRIBER, BEGIN, total_bytes=used_bytes)
        account, effects = _after(account, event, rules)
        values[f"{name}_EVENT"] = encode_event(event)
        values[f"{name}_AFTER"] = _row(account)
    reminder, audit = effects
    values["REMINDER"] = encode_effect(reminder)
    values["AUDIT"] = encode_effect(audit)
    numbers = {
        "FINGERPRINT": rules.fingerprint,
        "RECEIVED_MS": to_ms(BEGIN),
    }
    lines = [f"pub const {name}: i64 = {value};" for name, value in numbers.items()]
    lines += [f"pub const {name}: &[u8] = {byte_text(value)};" for name, value in values.items()]
    return f"{HEAD}//! What the core makes, for unit tests.\n\n" + "".join(
        f"{one}\n" for one in lines
    )


def _rules() -> Rulebook:
    rule = UsageRule(
        id="low",
        kind="usage_percent",
        thresholds=(80,),
        bucket_kinds=frozenset((ALLOWANCE, TOPUP)),
        texts={"en": "{percent}% of {bucket} used"},
        category="balance",
        mandatory=False,
        priority=3,
        ttl_ms=DAY_MS,
    )
    plan = Plan("basic", (Allowance("data", GRANTED_BYTES, 10),))
    rules = Rulebook((plan,), (), (rule,), (), Limits(), "en", "EUR")
    rules.fingerprint = 1  # so that a new field of some rule does not change the fixtures
    return rules


def _after(
    account: Account | None, event: SubscriberEvent, rules: Rulebook
) -> tuple[Account, list[Effect]]:
    arrival = Arrival(to_ms(BEGIN), "events", 0, 7)
    after, effects = step(account, event, arrival, rules, SeenIds())
    assert after is not None
    return after, list(effects)


def _row(account: Account) -> bytes:
    return account.next_due_ms.to_bytes(8, "big", signed=True) + pack(account)
