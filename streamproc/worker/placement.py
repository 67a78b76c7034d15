"""Checks that records are in the partition of their key; refuses or forwards all others.

The state of a subscriber is in the partition of its key. A producer with another partitioner would
give the subscriber a second account, with its own reminders (docs/contracts.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from streamproc.contracts.records.origin import origin_header
from streamproc.core.state.events import Arrival
from streamproc.engine.cluster import Copy
from streamproc.partitioner import partition_of
from streamproc.worker.hourly import Hourly
from streamproc.worker.settings import WrongPartition

log = structlog.get_logger(__name__)

WARNED_SOURCES = 1_000
"""Maximum number of sources with a warning of their own; all others share one."""
REMEMBERED_KEYS = 65_536
MAX_FORWARDED_BYTES = 900_000
"""Maximum size of key, value and headers of a forwarded record; Kafka's default is 1 MiB."""
MEND = (
    "set the producer's partitioner to murmur2 (librdkafka: partitioner=murmur2_random; "
    "docs/contracts.md has the setting of each client)"
)


class Placement:
    """The check for input topics that have the same number of partitions."""

    def __init__(
        self,
        partitions: int = 0,
        policy: WrongPartition = "refuse",
        forwarded: str = "",
        now: Callable[[], float] = time.monotonic,
        *,
        logs: bool = True,
    ) -> None:
        """``partitions`` is their number. 0: not known; then no record is refused.

        ``forwarded`` is the topic to which records are forwarded. Records from this topic are never
        forwarded again. ``logs``: log warnings; tools have their own reports.
        """
        self.partitions = partitions
        self._forwards = policy == "forward"
        self._forwarded = forwarded
        self._logs = logs
        self._right: dict[bytes, int] = {}
        """Partitions of keys that were seen: the hash takes longer than to look one up."""
        self._warned = Hourly(now, WARNED_SOURCES, "(others)")

    def elsewhere(self, key: bytes, partition: int | None) -> int | None:
        """The partition of the key, if it is not ``partition``; else None."""
        if not self.partitions or partition is None:
            return None
        right = self._right.get(key)
        if right is None:
            if len(self._right) >= REMEMBERED_KEYS:
                self._right.clear()
            right = self._right[key] = partition_of(key, self.partitions)
        return None if right == partition else right

    def copy_of(self, record: Any, arrival: Arrival) -> Copy | None:
        """The record for the forwarding topic; None if the record must be refused."""
        if not self._forwards or arrival.topic == self._forwarded:
            return None
        origin = origin_header(arrival.topic, arrival.partition, arrival.offset)
        headers = [*record.headers, origin]
        if _size(record, headers) > MAX_FORWARDED_BYTES:
            return None
        return Copy(record.key, record.value, max(record.timestamp, 0), headers)

    def detail(self, arrival: Arrival, right: int) -> str:
        """The ``detail`` of a reject."""
        return (
            f"the record is in partition {arrival.partition}, but its key belongs in partition "
            f"{right} of {self.partitions}: {MEND}"
        )

    def warn(self, source: str, arrival: Arrival, right: int, *, is_forwarded: bool) -> None:
        """Log a warning, once per source and hour."""
        if not self._logs:
            return
        # A wrong producer may write any number of source names, so the table is bounded.
        due = self._warned.note(source)
        if due is None:
            return
        source, records = due
        result = "forwarded" if is_forwarded else "refused"
        log.warning(
            f"records are in the wrong partition and are {result}",
            source=source,
            records=records,
            topic=arrival.topic,
            partition=arrival.partition,
            belongs_in=right,
            advice=MEND,
        )

    def log_accounts(self, partition: int | None, accounts: int) -> None:
        """Log that accounts are in a partition in which no record is applied to them."""
        if self._logs:
            log.critical(
                "accounts are in the wrong partition: their timers do not run. "
                "streamproc verify names them; docs/operations.md says what to do",
                partition=partition,
                accounts=accounts,
            )


def _size(record: Any, headers: Sequence[tuple[str, bytes | None]]) -> int:
    of_headers = sum(len(name.encode()) + len(content or b"") + 10 for name, content in headers)
    return len(record.key) + len(record.value or b"") + of_headers
