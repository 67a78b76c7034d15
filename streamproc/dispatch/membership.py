"""Polls as a member of a group, so that every rebalance is completed.

kafka-python 3.0.12 can forget a join in flight. This happens if the time of a poll ends while the
group's leader waits for its assignment, and new metadata of the topics caused the join. The next
poll then finds nothing to do: the member has given its partitions back, gets none, and sends no
heartbeats. (The Java client had the same fault: KAFKA-9815.) The remedy is a request to rejoin,
which only a completed join clears: it makes every poll continue the join.

It also sends no more heartbeats if another process has taken the member's instance id, and no poll
says so. There the request to rejoin makes the next poll raise ``FencedInstanceIdError``.
"""

from __future__ import annotations

from typing import Any

from kafka.errors import (
    FencedInstanceIdError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
)

from streamproc.kafka.missing_rights import missing_right
from streamproc.kafka.settings import Broker

NO_MEMBER = (
    *(FencedInstanceIdError, GroupMaxSizeReachedError, InconsistentGroupProtocolError),
    *(InvalidGroupIdError, InvalidSessionTimeoutError),
)
"""Refusals of a group. It does not help to try again."""

JOINING_POLL_MS = 300
"""An answer that comes between two polls is lost and requested again, so polls are longer during a
join."""


def poll_member(consumer: Any, timeout_ms: int, max_records: int | None = None) -> dict[Any, Any]:
    """``consumer.poll`` for a consumer that has subscribed; longer while its group rebalances."""
    coordinator = consumer._coordinator  # tests/contract checks this private name
    if coordinator.rejoining or coordinator.need_rejoin() or _lost_its_place(coordinator):
        coordinator.request_rejoin()
        timeout_ms = max(timeout_ms, JOINING_POLL_MS)
    found: dict[Any, Any] = consumer.poll(timeout_ms=timeout_ms, max_records=max_records)
    return found


def is_final(error: KafkaError, broker: Broker) -> bool:
    """Whether it does not help to try again."""
    return isinstance(error, NO_MEMBER) or missing_right(error, broker) is not None


def _lost_its_place(coordinator: Any) -> bool:
    """Whether a member that has joined sends no heartbeats any more."""
    return bool(coordinator.stable() and not coordinator._heartbeat_enabled)
