"""Usage that the compiled part has applied but whose messages it cannot make: the core makes
them."""

from __future__ import annotations

from typing import NamedTuple

from streamproc.core.alerts.speakers import after_plain_usage
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.state.moment import Moment
from streamproc.core.usage.charging import crossed_from
from streamproc.worker.native_bridge.known_rules import Position


class NativeCrossing(NamedTuple):
    """Usage that was applied and crossed thresholds."""

    event_id: str
    source: str
    time_ms: int
    received_ms: int
    used_bytes: int
    overage_bytes: int
    """The part of the usage that no bucket covered."""
    buckets: list[tuple[Position, int]]
    """Positions of the buckets whose thresholds were crossed, with their used bytes before."""


def effects_of(
    crossed: NativeCrossing,
    account: Account,
    key: bytes,
    topic: str,
    partition: int,
    offset: int,
    rules: Rulebook,
) -> list[Effect]:
    """The effects of such usage; ``account`` is the account after it."""
    cause = Cause(crossed.event_id, crossed.source, topic, partition, offset)
    now_ms = max(account.clock_ms, crossed.received_ms)
    moment = Moment(account, key.decode(), rules, now_ms, cause)
    found = [
        crossed_from(account.buckets[position], used_bytes, rules)
        for position, used_bytes in crossed.buckets
    ]
    return after_plain_usage(moment, found, crossed.used_bytes, crossed.overage_bytes)
