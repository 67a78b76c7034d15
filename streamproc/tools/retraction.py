"""Takes back the usage of a bad batch: makes refunds from the log.

The input topic knows which events came from which source. Each event of the batch gets one refund,
with its source and id. So it is taken back once, however often this is done. The last refund of
each subscriber triggers the follow-up notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.events import UsageRecorded, UsageRefunded
from streamproc.core.usage.dedupe import digest
from streamproc.kafka.recording import LogRecord

SOURCE = "streamproc/retract"
"""Source of the refunds. Their ids are derived from the events that they take back."""


KEPT_SOURCES: Final = 1_000
NAMED_SOURCES: Final = 20


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
    others: set[str] = set()
    """Other sources with usage in this time, :data:`KEPT_SOURCES` at most."""
    first: datetime | None = None
    last: datetime | None = None
    """The times of all usage of the source that was read, also before and after the batch."""

    def note(self, event: UsageRecorded, batch: BadBatch) -> None:
        """Remember what an operator needs who has mistyped the source or a time."""
        if event.source == batch.source:
            self.first = min(self.first or event.time, event.time)
            self.last = max(self.last or event.time, event.time)
        elif batch.from_time <= event.time < batch.to_time and len(self.others) < KEPT_SOURCES:
            self.others.add(event.source)

    def why_nothing(self, batch: BadBatch) -> str:
        """Why no event was found, and what there is instead."""
        if self.records == 0:
            return "the topic has no records of this time"
        if self.first is not None and self.last is not None:
            return (
                f"the usage of {batch.source} that was read is from {in_utc(self.first)} to "
                f"{in_utc(self.last)}; correct --from-time or --to-time"
            )
        if not self.others:
            return f"no source has usage in this time ({self.records:,} records read)"
        named = ", ".join(sorted(self.others)[:NAMED_SOURCES])
        return f"the sources that have usage in this time are {named}; correct --source"


def in_utc(at: datetime) -> str:
    """An instant as the options take it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
        if type(event) is not UsageRecorded or not event.used_bytes:
            continue
        tally.note(event, batch)
        if not batch.holds(event):
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
