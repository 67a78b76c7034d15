"""Dead letters: finds them, shows them, and sends them again.

A dead letter is named by its place, ``PARTITION-OFFSET``. To send it again, its reminder is
copied into the topic of resends. The dispatcher sends each dead letter only once, however often
it is in that topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec.structs import replace

from streamproc.contracts.records.codec import UNREADABLE, decode_reminder, encode_effect
from streamproc.contracts.records.receipts import DeadLetter, decode_dead_letter
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.state.effects import Reminder
from streamproc.dispatch.runner import RESEND_HEADER
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.topics import DispatchError
from streamproc.dispatch.whole_topic import records_of
from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.missing_rights import said
from streamproc.kafka.open_producer import open_producer
from streamproc.kafka.topics import readable_partitions
from streamproc.tracing.context import TraceHeaders, trace_of

READ_LIMIT_MS = 10_000


@dataclass(frozen=True)
class FoundLetter:
    """A dead letter, its place, and whether it was sent again."""

    place: str
    partition: int
    letter: DeadLetter
    resent: bool


def find(settings: DispatchSettings, reason: str | None = None) -> list[FoundLetter]:
    """All dead letters in order of time. Raises :class:`DispatchError`."""
    resent = {
        value.decode("ascii", "replace")
        for record in records_of(settings, settings.topics.resends, missing_ok=True)
        for name, value in record.headers or ()
        if name == RESEND_HEADER and value
    }
    found = []
    for record in records_of(settings, settings.topics.dead_letters):
        try:
            letter = decode_dead_letter(record.value)
        except UNREADABLE:
            continue  # a dispatcher did not write it
        place = f"{record.partition}-{record.offset}"
        if reason is None or letter.reason == reason:
            found.append(FoundLetter(place, record.partition, letter, place in resent))
    return sorted(found, key=lambda one: (one.letter.time, one.place))


def reminder_of(settings: DispatchSettings, found: FoundLetter) -> tuple[Reminder, TraceHeaders]:
    """The reminder of a dead letter and its trace, read from its topic. Raises
    :class:`DispatchError`, ``TopicError``."""
    place = found.letter.reminder
    readable_partitions(settings.broker, place.topic)  # a reader would wait, and find nothing
    try:
        reader: Any = kafka_consumer(settings.broker, isolation_level="read_committed")
        try:
            partition = TopicPartition(place.topic, place.partition)
            reader.assign([partition])
            reader.seek(partition, place.offset)
            records = reader.poll(timeout_ms=READ_LIMIT_MS, max_records=1).get(partition, [])
        finally:
            reader.close()
    except KafkaError as error:
        raise DispatchError(said(error, settings.broker, "Read", place.topic)) from error
    if not records or records[0].offset != place.offset:
        raise DispatchError(
            f"dead letter {found.place}: its reminder is not at offset {place.offset} of partition "
            f"{place.partition} of {place.topic} any more; the topic's retention has removed it"
        )
    try:
        return decode_reminder(records[0].value), trace_of(records[0].headers)
    except ValueError:
        raise DispatchError(
            f"dead letter {found.place}: the record at its place is not a reminder and cannot be "
            f"sent again"
        ) from None


def resend(
    settings: DispatchSettings, letters: list[FoundLetter], now_ms: int, valid_ms: int | None
) -> int:
    """Send dead letters again, except those that were sent before. Returns how many were sent.

    With ``valid_ms`` each gets this much time from now. Without it, its own time must not be over.
    Raises :class:`DispatchError` before anything is written.
    """
    # All are read and checked before the first is sent, so that an error leaves nothing half done.
    ready = []
    for found in letters:
        if found.resent:
            continue
        reminder, trace = reminder_of(settings, found)
        if valid_ms is not None:
            reminder = replace(
                reminder, not_before=from_ms(now_ms), expires_time=from_ms(now_ms + valid_ms)
            )
        elif to_ms(reminder.expires_time) <= now_ms:
            raise DispatchError(
                f"dead letter {found.place} expired at {reminder.expires_time:%Y-%m-%d %H:%M:%SZ}; "
                f"give it time with --valid-for, such as --valid-for 1h"
            )
        ready.append((found, reminder, trace))
    if not ready:
        return 0
    producer: Any = open_producer(settings.topics.resends, settings.broker, acks="all")
    try:
        sent = [
            producer.send(
                settings.topics.resends,
                key=reminder.subscriber.encode(),
                value=encode_effect(reminder),
                partition=found.partition,
                headers=[(RESEND_HEADER, found.place.encode()), *trace],
            )
            for found, reminder, trace in ready
        ]
        for future in sent:
            future.get(timeout=30)
    except KafkaError as error:
        raise DispatchError(
            f"not all could be written to {settings.topics.resends}: "
            f"{said(error, settings.broker, 'Write')}; run it again, those that were written are "
            f"not sent twice"
        ) from error
    finally:
        producer.close()
    return len(ready)
