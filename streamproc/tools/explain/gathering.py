"""Collects everything in topics or recordings about one subscriber."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

import msgspec
from kafka.partitioner import murmur2

from streamproc.contracts.records.codec import (
    DecodeFailure,
    decode_audit,
    decode_event,
    decode_reject,
    decode_reminder,
)
from streamproc.contracts.records.receipts import DeadLetter, Receipt, decode_receipt
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.state.events import ClockAdvanced, SubscriberEvent
from streamproc.kafka.recording import LogRecord
from streamproc.kafka.settings import Broker
from streamproc.tools.replay.selection import event_type
from streamproc.tools.replay.sources import FileSource, TopicSource, placed

Place = tuple[str, int, int]
"""Topic, partition and offset of an input record."""

OUTPUTS: Final = frozenset(
    str(one.__struct_config__.tag) for one in (*get_args(Effect), Receipt, DeadLetter)
)
"""Types of records that are not input."""


@dataclass(frozen=True)
class Arrived:
    """An input record of the subscriber; ``event`` is None if the record is not a valid event."""

    place: Place
    received_ms: int
    event: SubscriberEvent | None


@dataclass
class Gathered:
    """All records of the subscriber, in the order in which they were read."""

    subscriber: str
    audits: list[Audited] = field(default_factory=list)
    reminders: dict[str, Reminder] = field(default_factory=dict)
    """Reminders by id."""
    receipts: dict[str, list[Receipt]] = field(default_factory=dict)
    """Receipts of all subscribers by reminder id; receipts do not name their subscriber."""
    rejects: dict[Place, list[Rejected]] = field(default_factory=dict)
    """Rejects of all subscribers; rejects do not name their subscriber."""
    arrived: list[Arrived] = field(default_factory=list)
    unreadable: int = 0
    """How many output records this release cannot read."""

    def take(self, record: LogRecord, kind: str | None) -> None:
        """Sort a record by its type. Records of other types are ignored."""
        value = record.value or b""
        mine = record.key == self.subscriber.encode()
        try:
            if kind == "audit.recorded":
                if mine:
                    self.audits.append(decode_audit(value))
            elif kind == "reminder.requested":
                if mine:
                    reminder = decode_reminder(value)
                    self.reminders[reminder.id] = reminder
            elif kind == "receipt.recorded":
                receipt = decode_receipt(value)
                self.receipts.setdefault(receipt.reminder_id, []).append(receipt)
            elif kind == "input.rejected":
                reject = decode_reject(value)
                place = (reject.topic, reject.partition, reject.offset)
                self.rejects.setdefault(place, []).append(reject)
            elif mine and kind not in OUTPUTS:
                self.arrived.append(_arrived(record))
        except msgspec.DecodeError:
            self.unreadable += 1


def _arrived(record: LogRecord) -> Arrived:
    place = (record.topic or "", record.partition or 0, record.offset or 0)
    try:
        event = decode_event(record.value, record.key, record.headers)
    except DecodeFailure:
        event = None
    known = None if isinstance(event, ClockAdvanced) else event
    return Arrived(place, record.timestamp_ms, known)


def from_files(found: Gathered, paths: Iterable[Path]) -> None:
    """Read recordings. Raises ``BadRecordingError``, FileNotFoundError."""
    for path in paths:
        source = FileSource(path)
        for record in placed(source.records(source.begin())):
            found.take(record, event_type(record))


def from_topic(found: Gathered, broker: Broker, topic: str) -> None:
    """Read a topic whose key is the subscriber. Raises ``TopicError``.

    The partition is the one that Kafka's default partitioner gives. If it has nothing about the
    subscriber, the producer of the input may use another partitioner; then all other partitions
    are read, too.
    """
    key = found.subscriber.encode()
    source = TopicSource(broker, topic)
    count = len(source.partitions)
    home = (murmur2(key) & 0x7FFFFFFF) % count
    if not _take_keyed(found, source.records(source.begin(only={home})), key):
        others = set(source.partitions) - {home}
        _take_keyed(found, source.records(source.begin(only=others)), key)


def from_unkeyed_topic(found: Gathered, broker: Broker, topic: str) -> None:
    """Read a topic whose key is not the subscriber: rejects, receipts. Raises ``TopicError``."""
    source = TopicSource(broker, topic)
    for record in source.records(source.begin()):
        found.take(record, event_type(record))


def input_of(
    found: Gathered, paths: Iterable[Path], broker: Broker | None, topic: str | None
) -> Iterator[LogRecord]:
    """All input in the subscriber's partitions: the records of other subscribers move the clock."""
    for path in paths:
        file = FileSource(path)
        for record in placed(file.records(file.begin())):
            if event_type(record) not in OUTPUTS:
                yield record
    if broker is not None and topic is not None:
        source = TopicSource(broker, topic)
        numbers = {one.place[1] for one in found.arrived if one.place[0] == topic}
        yield from source.records(source.begin(only=numbers))


def _take_keyed(found: Gathered, records: Iterator[LogRecord], key: bytes) -> int:
    count = 0
    for record in records:
        if record.key == key:
            found.take(record, event_type(record))
            count += 1
    return count
