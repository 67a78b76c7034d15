"""Reads a whole topic, for commands that show its records."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.topics import DispatchError
from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.missing_rights import said
from streamproc.kafka.probe import why_no_answer
from streamproc.kafka.reading_on import Standstill
from streamproc.kafka.topics import readable_partitions


def records_of(settings: DispatchSettings, topic: str, missing_ok: bool = False) -> list[Any]:
    """All committed records of a topic by partition and offset.

    Raises :class:`DispatchError`, ``TopicError``.
    """
    numbers = readable_partitions(settings.broker, topic)
    if not numbers:
        if missing_ok:
            return []
        raise DispatchError(
            f"there is no topic {topic} at {settings.broker}: `streamproc topics create` makes it "
            f"for dispatchers; correct --broker or the topic's name"
        )
    try:
        reader: Any = kafka_consumer(
            settings.broker,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_poll_records=5_000,
            bootstrap_timeout_ms=5_000,
        )
    except KafkaError as error:
        raise DispatchError(why_no_answer(settings.broker, error)) from error
    try:
        places = [TopicPartition(topic, number) for number in numbers]
        reader.assign(places)
        reader.seek_to_beginning(*places)
        # The end is fixed here, because new records may come all the time.
        ends = reader.end_offsets(places)
        found: list[Any] = []
        standstill = Standstill(topic, sum(ends.values()))
        while not standstill.is_read(
            sum(min(reader.position(place), ends[place]) for place in places)
        ):
            for records in reader.poll(timeout_ms=200).values():
                found.extend(record for record in records if record.value is not None)
        return sorted(found, key=lambda record: (record.partition, record.offset))
    except KafkaError as error:
        raise DispatchError(said(error, settings.broker, "Read", topic)) from error
    finally:
        reader.close()
