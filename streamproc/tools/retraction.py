"""Takes back the usage of a bad batch: makes refunds from the log.

The input topic knows which events came from which source. Each event of the batch gets one refund,
with its source and id. So it is taken back once, however often this is done. The last refund of
each subscriber triggers the follow-up notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.events import UsageRecorded, UsageRefunded
from streamproc.core.usage.dedupe import digest
from streamproc.kafka.recording import LogRecord

SOURCE = "streamproc/retract"
"""Source of the refunds. Their ids are derived from the events that they take back."""


class BadBatch(Struct, frozen=True):
    """Usage of one source, by event time: from inclusive, to exclusive."""

    source: str
    from_time: datetime
    to_time: datetime

    def holds(self, event: UsageRecorded) -> bool:
        """Whether an event belongs to the batch."""
        return event.source == self.source and self.from_time <= event.time < self.to_time


class RetractionTally(Struct):
    """Counts of a retraction."""

    records: int = 0
    """Records read from the log."""
    events: int = 0
    subscribers: int = 0
    refunded_bytes: int = 0


def refunds(
    records: Iterable[LogRecord], batch: BadBatch, tally: RetractionTally
) -> Iterator[UsageRefunded]:
    """The refunds of a batch, in the order of the log, except that the last one of each subscriber
    comes at the end.

    Keeps one event per affected subscriber, and eight bytes per event of the batch.
    """
    seen: set[bytes] = set()
    last: dict[str, UsageRecorded] = {}
    for record in records:
        tally.records += 1
        try:
            event = decode_event(record.value, record.key, record.headers)
        except DecodeFailure:
            continue  # it was rejected, so nothing was charged
        if type(event) is not UsageRecorded or not batch.holds(event) or not event.used_bytes:
            continue
        key = digest(event.source, event.id)
        if key in seen:
            continue
        seen.add(key)
        tally.events += 1
        tally.refunded_bytes += event.used_bytes
        before = last.get(event.subscriber)
        last[event.subscriber] = event
        if before is not None:
            yield _refund(before, notify=False)
    tally.subscribers = len(last)
    for event in last.values():
        yield _refund(event, notify=True)


_COMMON = {"id", "source", "subscriber", "time"}
_SAME_IN_REFUND = [
    name
    for name in UsageRefunded.__struct_fields__
    if name in UsageRecorded.__struct_fields__ and name not in _COMMON
]
"""The fields that decide from which buckets usage was taken."""


def _refund(event: UsageRecorded, *, notify: bool) -> UsageRefunded:
    return UsageRefunded(
        digest(event.source, event.id).hex(),
        SOURCE,
        event.subscriber,
        event.time,
        refunded_bytes=event.used_bytes,
        **{name: getattr(event, name) for name in _SAME_IN_REFUND},
        of_source=event.source,
        of_id=event.id,
        notify=notify,
    )


def arrival_range_ms(batch: BadBatch, max_ahead_ms: int) -> int:
    """The record timestamp from which a batch's records can begin: an event is never much ahead of
    it."""
    return to_ms(batch.from_time) - max_ahead_ms
