"""Polls as a member of a group, so that every rebalance is completed.

kafka-python 3.0.12 forgets a join in flight: if a poll's time is over while the group's leader
waits for its assignment, and what made it join was new metadata of the topics, the next poll finds
nothing to do. The member has given its partitions back, gets none, and its heartbeat is off. (The
Java client had the same fault: KAFKA-9815.) A request to rejoin, which only an ended join clears,
makes every poll take the join up again.
"""

from __future__ import annotations

from typing import Any

JOINING_POLL_MS = 300
"""An answer that comes between two polls is lost and asked for anew: they are longer meanwhile."""


def poll_member(consumer: Any, timeout_ms: int, max_records: int | None = None) -> dict[Any, Any]:
    """``consumer.poll`` of a consumer that subscribed; longer while its group rebalances."""
    coordinator = consumer._coordinator  # held by tests/contract
    if coordinator.rejoining or coordinator.need_rejoin():
        coordinator.request_rejoin()
        timeout_ms = max(timeout_ms, JOINING_POLL_MS)
    found: dict[Any, Any] = consumer.poll(timeout_ms=timeout_ms, max_records=max_records)
    return found
