"""Collects everything in topics or recordings about one subscriber."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from streamproc.contracts.records.codec import (
    UNREADABLE,
    DecodeFailure,
    decode_audit,
    decode_event,
    decode_reject,
    decode_reminder,
)
from streamproc.contracts.records.origin import Place, origin_of
from streamproc.contracts.records.receipts import DeadLetter, Receipt, decode_receipt
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.state.events import ClockAdvanced, SubscriberEvent
from streamproc.kafka.recording import LogRecord
from streamproc.kafka.settings import Broker
from streamproc.partitioner import partition_of
from streamproc.tools.replay.selection import event_type
from streamproc.tools.replay.sources import FileSource, TopicSource, placed

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
    origin: Place | None = None
    """The place from which a forwarded record came."""


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
    lying: dict[str, Counter[int]] = field(default_factory=dict)
    """How many records with the subscriber's key each partition of a topic has."""
    partitions: int = 0
    """The number of partitions of the topics; 0 if no topic was read."""

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
        except UNREADABLE:
            self.unreadable += 1


def _arrived(record: LogRecord) -> Arrived:
    place = (record.topic or "", record.partition or 0, record.offset or 0)
    try:
        event = decode_event(record.value, record.key, record.headers)
    except DecodeFailure:
        event = None
    known = None if isinstance(event, ClockAdvanced) else event
    return Arrived(place, record.timestamp_ms, known, origin_of(record.headers))


def from_files(found: Gathered, paths: Iterable[Path]) -> None:
    """Read recordings. Raises ``BadRecordingError``, FileNotFoundError."""
    for path in paths:
        source = FileSource(path)
        for record in placed(source.records(source.begin())):
            found.take(record, event_type(record))


def from_topic(found: Gathered, broker: Broker, topic: str) -> None:
    """Read all partitions of a topic whose key is the subscriber. Raises ``TopicError``.

    Producers with other partitioners than Kafka's default can have written to any of them.
    """
    key = found.subscriber.encode()
    source = TopicSource(broker, topic)
    found.partitions = len(source.partitions)
    lying = found.lying.setdefault(topic, Counter())
    for record in source.records(source.begin()):
        if record.key == key:
            found.take(record, event_type(record))
            lying[record.partition or 0] += 1


def from_inputs(found: Gathered, broker: Broker, topics: Sequence[str]) -> None:
    """Read the input of these topics, in order of arrival. Raises ``TopicError``."""
    for topic in topics:
        from_topic(found, broker, topic)
    forwarded = {one.origin for one in found.arrived}
    found.arrived = [one for one in found.arrived if one.place not in forwarded]
    if len(topics) > 1:
        found.arrived.sort(key=lambda one: one.received_ms)


def misplaced(found: Gathered) -> list[str]:
    """Sentences about records outside the partition to which their key belongs."""
    if not found.partitions:
        return []
    home = partition_of(found.subscriber.encode(), found.partitions)
    told = []
    for topic, lying in found.lying.items():
        others = {number: count for number, count in sorted(lying.items()) if number != home}
        if others:
            where = ", ".join(f"partition {number}: {count:,}" for number, count in others.items())
            told.append(
                f"{topic} has records of this key in wrong partitions ({where}; it belongs in "
                f"{home} of {found.partitions}): their producer's partitioner is not murmur2 "
                "(docs/contracts.md)"
            )
    return told


def from_unkeyed_topic(found: Gathered, broker: Broker, topic: str) -> None:
    """Read a topic whose key is not the subscriber: rejects, receipts. Raises ``TopicError``."""
    source = TopicSource(broker, topic)
    for record in source.records(source.begin()):
        found.take(record, event_type(record))


def input_of(
    found: Gathered, paths: Iterable[Path], broker: Broker | None, topics: Sequence[str]
) -> Iterator[LogRecord]:
    """All input in the subscriber's partitions: the records of other subscribers move the clock."""
    for path in paths:
        file = FileSource(path)
        for record in placed(file.records(file.begin())):
            if event_type(record) not in OUTPUTS:
                yield record
    if broker is not None and topics:
        # The timers of a partition follow the latest record of all topics, so all
        # topics are needed.
        numbers = {one.place[1] for one in found.arrived if one.place[0] in topics}
        sources = [TopicSource(broker, topic) for topic in topics]
        yield from heapq.merge(
            *(placed(one.records(one.begin(only=numbers))) for one in sources),
            key=lambda record: record.timestamp_ms,
        )
