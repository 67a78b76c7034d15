"""The common task: its events, its topics, and the reminders every peer must give.

Usage events of the project's own contract (about 140 bytes of JSON), keyed by subscriber, lz4,
four partitions. A subscriber's bytes are counted; a reminder is due when the count reaches 5, 8
and 10 million. No event is larger than the smallest distance between two thresholds, so none
crosses two: a peer that sends one reminder per threshold and one that sends only the highest give
the same reminders.
"""

from __future__ import annotations

import functools
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
THRESHOLDS = (5_000_000, 8_000_000, 10_000_000)
GRANTED_BYTES = THRESHOLDS[-1]
LARGEST_EVENT_BYTES = 1_999_999
EVENTS_PER_SUBSCRIBER = 10
START_MS = 1_767_600_000_000
"""2026-01-05T08:00:00Z; events are a millisecond apart, so a million fit into one day."""

CLIENT = {"log_level": 3, "enable.metrics.push": False}
"""Of every client of librdkafka, which may crash while it begins to send metrics of itself."""

Fired = Counter[tuple[str, int]]
"""How often each (subscriber, threshold) was reminded of."""


@dataclass(frozen=True)
class Input:
    """A filled input topic and what must come out."""

    topic: str
    accounts: str
    """Topic with one activation per subscriber, for the full semantics."""
    events: int
    subscribers: int
    expected: Fired = field(repr=False)


def subscriber(number: int) -> str:
    return f"86138{number:08d}"


def activations(
    subscribers: int,
    at_ms: int = START_MS - 1000,
    time_zone: str = "Asia/Shanghai",
    anchor_day: int = 1,
) -> Iterator[tuple[str, bytes, int]]:
    """Key, value, timestamp of each subscriber's activation."""
    at = instant(at_ms)
    for number in range(subscribers):
        name = subscriber(number)
        yield (
            name,
            (
                f'{{"type":"account.activated","id":"a{number}","source":"crm","subscriber":'
                f'"{name}","time":"{at}","plan":"common","time_zone":"{time_zone}",'
                f'"billing_anchor_day":{anchor_day}}}'
            ).encode(),
            at_ms,
        )


def morning_offset_hours(epoch_seconds: float) -> int:
    """The UTC offset of a zone where it is between eleven and noon now."""
    return 11 - int(epoch_seconds) % 86_400 // 3600


def usage(
    events: int,
    subscribers: int,
    fired: Fired,
    seed: int = 1,
    start_ms: int = START_MS,
    step_ms: int = 1,
) -> Iterator[tuple[str, bytes, int]]:
    """Key, value, timestamp of each usage event; fills ``fired`` with what must come out."""
    chance = random.Random(seed)
    used = [0] * subscribers
    for number in range(events):
        who = chance.randrange(subscribers)
        total_bytes = chance.randint(1, LARGEST_EVENT_BYTES)
        name = subscriber(who)
        before = used[who]
        used[who] = after = before + total_bytes
        for threshold in THRESHOLDS:
            if before < threshold <= after:
                fired[name, threshold] += 1
        at = start_ms + number * step_ms
        yield name, usage_event(f"e{number}", name, at, total_bytes), at


def usage_event(event_id: str, name: str, at_ms: int, total_bytes: int) -> bytes:
    """A usage event of the contract."""
    return (
        f'{{"type":"usage.recorded","id":"{event_id}","source":"ocs","subscriber":"{name}",'
        f'"time":"{instant(at_ms)}","total_bytes":{total_bytes}}}'
    ).encode()


def instant(at_ms: int) -> str:
    """An instant as the contract writes it, in UTC."""
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
    return f"{second}.{at_ms % 1000:03d}Z"


def fill(bootstrap: str, name: str, events: int, subscribers: int, seed: int = 1) -> Input:
    """Make and fill the topics ``name`` and ``name.accounts``."""
    fired: Fired = Counter()
    accounts = f"{name}.accounts"
    create_topics(bootstrap, [name, accounts])
    produce(bootstrap, accounts, activations(subscribers))
    produce(bootstrap, name, usage(events, subscribers, fired, seed))
    return Input(name, accounts, events, subscribers, fired)


@functools.cache
def admin_of(bootstrap: str) -> AdminClient:
    """One client for the whole run: librdkafka may crash in a client that ends at once again."""
    return AdminClient({**CLIENT, "bootstrap.servers": bootstrap})


def create_topics(bootstrap: str, names: list[str], **config: str) -> None:
    """Topics with ``PARTITIONS`` partitions; raises KafkaException."""
    admin = admin_of(bootstrap)
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config) for name in names])
    for future in made.values():
        future.result(30)


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name begins so: a run must not fill the disk."""
    admin = admin_of(bootstrap)
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if names:
        for future in admin.delete_topics(names).values():
            future.result(30)


def produce(
    bootstrap: str,
    topic: str,
    records: Iterable[tuple[str, bytes, int]],
    compression: str = "lz4",
) -> None:
    """Write records, each key in order, acknowledged; raises KafkaException."""
    producer = Producer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "compression.type": compression,
            "enable.idempotence": True,
            "linger.ms": 50,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 200_000,
        }
    )
    for key, value, timestamp_ms in records:
        while True:
            try:
                producer.produce(topic, value, key, timestamp=timestamp_ms)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(60):
        raise KafkaException("the input could not be written within a minute")


def read_all(bootstrap: str, topic: str) -> list[bytes]:
    """Values of every record a ``read_committed`` consumer sees, to the present end."""
    consumer = Consumer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "group.id": "perf-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        values: list[bytes] = []
        ended = 0
        while ended < PARTITIONS:
            for message in consumer.consume(10_000, 1.0):
                if message.error() is None:
                    value = message.value()
                    assert value is not None
                    values.append(value)
                elif message.error().code() == -191:  # _PARTITION_EOF
                    ended += 1
                else:
                    raise KafkaException(message.error())
        return values
    finally:
        consumer.close()


def fired_by(values: Iterable[bytes]) -> Fired:
    """What a peer reminded of, from its output; raises on anything that is no reminder."""
    return Counter(_identity(msgspec.json.decode(value)) for value in values)


def _identity(reminder: dict[str, Any]) -> tuple[str, int]:
    threshold = reminder["threshold"]
    if isinstance(threshold, dict):  # the full contract: percent of the granted bytes
        assert threshold["unit"] == "percent", threshold
        threshold = threshold["value"] * GRANTED_BYTES // 100
    return reminder["subscriber"], threshold


def difference(found: Fired, expected: Fired) -> str:
    """What is wrong, empty if nothing is: missing, unexpected, doubled."""
    missing = expected - found
    beyond = found - expected
    if not missing and not beyond:
        return ""
    return (
        f"{missing.total():,} missing, {beyond.total():,} doubled or unexpected "
        f"of {expected.total():,}"
    )
