"""Applies records and time to a partition's rows without a worker, for tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.core.instants import LAST_ARRIVAL_MS
from streamproc.core.state.account import Account
from streamproc.engine.processor import Outbox, PoisonError
from streamproc.engine.rows import Rows
from streamproc.worker.quota_processor import QuotaProcessor

EVERYTHING = 1 << 60
Failed = Callable[[PoisonError], object]
"""Gets the error of each record, or of each row's due work, that cannot be applied."""


def apply_records(
    processor: QuotaProcessor,
    topic: str,
    partition: int,
    records: list[Any],
    rows: Rows[Account],
    outbox: Outbox,
    clock_ms: int,
    failed: Failed = lambda _: None,
) -> int:
    """Apply records as the worker does. If one of them cannot be applied, it is skipped.

    Returns the partition's clock afterwards.
    """
    while True:
        try:
            clock_ms = processor.apply(topic, partition, records, rows, outbox, clock_ms)
        except PoisonError as error:
            if error.record is None:
                raise
            failed(error)
            processor.set_aside(error)
            # The records before the failed one are applied already. The failed one is read again
            # and skipped, because it is set aside.
            failed_at = error.record[2]
            done = [record for record in records if record.offset < failed_at]
            # The call ended with an error and returned no clock, so the clock is computed
            # from the records.
            stamps = [one.timestamp for one in done if one.timestamp < LAST_ARRIVAL_MS]
            clock_ms = max([clock_ms, *stamps])
            records = records[len(done) :]
            continue
        rows.take_changes()
        return clock_ms


def let_time_pass(
    processor: QuotaProcessor,
    rows: Rows[Account],
    outbox: Outbox,
    until_ms: int,
    failed: Failed = lambda _: None,
) -> None:
    """Do all work that is due up to an instant."""
    rows.take_changes()
    while rows.next_due_ms <= until_ms:
        try:
            processor.tick(rows, outbox, until_ms, until_ms, EVERYTHING)
        except PoisonError as error:
            failed(error)
            processor.set_aside(error)
        rows.take_changes()
