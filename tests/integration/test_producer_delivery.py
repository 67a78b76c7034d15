"""The producer on a real broker: placed as Java places, never silent, through outages in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded
from streamproc.kafka.topics import topic_facts
from streamproc.producer import (
    Delivery,
    DeliveryFailedError,
    NotAcceptedError,
    TopicError,
    UsageProducer,
    usage,
)
from tests.support.commands import read, wait_for
from tests.support.jvm_broker import JvmBroker

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PARTITIONS = 3


def event(subscriber: int, number: int) -> UsageRecorded:
    return usage(
        f"8613800{subscriber:06d}", source="ocs", id=f"{subscriber}-{number}", time=NOON,
        total_bytes=number,
    )  # fmt: skip


def new_topic(bootstrap: str, **configs: str) -> str:
    topic = f"producer-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=PARTITIONS, configs=configs)
    return topic


def sequences(bootstrap: str, topic: str) -> dict[str, list[int]]:
    """The numbers of each subscriber's events, in the order of the topic."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in read(bootstrap, topic, PARTITIONS):
        held = decode_event(record.value, record.key)
        assert isinstance(held, UsageRecorded)
        found[held.subscriber].append(held.used_bytes)
    return found


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
def test_events_arrive_keyed_in_order_and_compressed(
    bootstrap: str, compression: str | None
) -> None:
    topic = new_topic(bootstrap)
    with UsageProducer(bootstrap, topic, compression=compression) as producer:
        deliveries = [producer.send(event(who, n)) for n in range(60) for who in range(7)]
    found = sequences(bootstrap, topic)

    assert found == {f"8613800{who:06d}": list(range(60)) for who in range(7)}
    assert all(one.done and one.wait().topic == topic for one in deliveries)


def test_a_client_in_another_language_places_subscribers_alike(bootstrap: str) -> None:
    ours, theirs = new_topic(bootstrap), new_topic(bootstrap)
    keys = [f"8613800{who:06d}" for who in range(40)]
    with UsageProducer(bootstrap, ours) as producer:
        placed = [producer.send(event(who, 1)) for who in range(40)]
    # librdkafka's form of the Java client's default partitioner.
    other = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        other.produce(theirs, b"", key)
    other.flush(10)

    records = read(bootstrap, theirs, PARTITIONS)
    expected = {record.key.decode(): record.partition for record in records}
    assert {key: one.wait().partition for key, one in zip(keys, placed, strict=True)} == expected
    assert set(expected.values()) == set(range(PARTITIONS))


def test_threads_share_a_producer(bootstrap: str) -> None:
    topic = new_topic(bootstrap)

    def work(producer: UsageProducer, who: int) -> None:
        for number in range(300):
            producer.send(event(who, number))

    with UsageProducer(bootstrap, topic) as producer:
        threads = [threading.Thread(target=work, args=(producer, who)) for who in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sequences(bootstrap, topic) == {
        f"8613800{who:06d}": list(range(300)) for who in range(5)
    }


def test_what_the_topic_refuses_comes_back_with_its_event(bootstrap: str) -> None:
    topic = new_topic(bootstrap, **{"message.timestamp.before.max.ms": "1000"})
    seen: list[str] = []
    producer = UsageProducer(bootstrap, topic, on_failure=lambda one: seen.append(one.event.id))
    good = producer.send(event(1, 1))
    producer.flush()
    bad = producer.send(event(1, 2), timestamp_ms=1_000_000)

    with pytest.raises(DeliveryFailedError, match="event 1-2 was not delivered") as caught:
        producer.close()

    assert [(one.id, type(error).__name__) for one, error in caught.value.failures] == [
        ("1-2", "InvalidTimestampError")
    ]
    assert good.wait().topic == topic
    assert bad.error is not None
    assert seen == ["1-2"]


def test_no_broker_and_no_topic_say_what_to_do(bootstrap: str) -> None:
    with pytest.raises(TopicError, match=r"no Kafka broker answers at 127\.0\.0\.1:9"):
        UsageProducer("127.0.0.1:9", "t", bootstrap_timeout_ms=300)
    with pytest.raises(TopicError, match=r"there is no topic missing-topic at .*topics create"):
        UsageProducer(bootstrap, "missing-topic", max_block_ms=500)


@pytest.fixture(scope="module")
def fragile() -> Iterator[JvmBroker]:
    with JvmBroker() as broker:
        yield broker


def test_outage_without_spool_blocks_then_says_which_events_failed(
    fragile: JvmBroker,
) -> None:
    topic = new_topic(fragile.bootstrap)
    producer = UsageProducer(
        fragile.bootstrap, topic, max_unsent_bytes=3_000, block_seconds=0.5, delivery_seconds=3.0
    )
    producer.send(event(1, 0)).wait(10)
    assert fragile.process is not None
    fragile.process.send_signal(signal.SIGSTOP)
    taken: list[Delivery] = []
    began = time.monotonic()
    with pytest.raises(NotAcceptedError, match="event 1-") as refused:
        taken.extend(producer.send(event(1, number)) for number in range(1, 1_000))
    assert 0.4 < time.monotonic() - began < 2.5
    assert len(taken) < 20
    assert refused.value.event.id == f"1-{len(taken) + 1}"

    try:
        with pytest.raises(DeliveryFailedError) as failed:
            producer.close()
    finally:
        fragile.process.send_signal(signal.SIGCONT)

    assert [one.id for one, _ in failed.value.failures] == [one.event.id for one in taken]
    # What failed may have reached the stopped broker all the same: never more, never reordered.
    found = (sequences(fragile.bootstrap, topic))["8613800000001"]
    assert found == list(range(len(found)))
    assert len(found) <= 1 + len(taken)


def test_outage_with_spool_loses_and_reorders_nothing(fragile: JvmBroker, tmp_path: Path) -> None:
    topic = new_topic(fragile.bootstrap)
    producer = UsageProducer(
        fragile.bootstrap, topic, spool=tmp_path / "spool", delivery_seconds=3.0
    )
    kept = None
    for number in range(400):
        for who in range(4):
            kept = producer.send(event(who, number))
        if number == 100:
            fragile.kill()
        if number == 250:
            # Long enough for what was under way to fail: those go out again, before the others.
            time.sleep(4.0)
            assert producer.waiting > 0
            fragile.restart()
    producer.flush(60)
    assert kept is not None
    assert kept.wait(1).topic == topic
    producer.close()

    found = sequences(fragile.bootstrap, topic)
    assert set(found) == {f"8613800{who:06d}" for who in range(4)}
    for numbers in found.values():
        assert in_order_but_for_repeats(numbers) == list(range(400))


def test_a_producer_starts_without_broker_and_sends_when_there_is_one(
    bootstrap: str, tmp_path: Path
) -> None:
    topic, spool = new_topic(bootstrap), tmp_path / "spool"
    first = UsageProducer("127.0.0.1:9", topic, spool=spool, bootstrap_timeout_ms=300)
    for number in range(50):
        first.send(event(1, number))
    first.close(timeout_seconds=0.2)
    with UsageProducer(bootstrap, topic, spool=spool) as second:
        assert second.waiting == 50
        second.send(event(1, 50))
        second.flush(30)
    assert sequences(bootstrap, topic) == {"8613800000001": list(range(51))}


SENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from streamproc.producer import UsageProducer, usage
bootstrap, topic, spool, serial = sys.argv[1:]
with UsageProducer(bootstrap, topic, spool=Path(spool)) as producer:
    number = int(serial)
    while True:
        number += 1
        for who in range(3):
            producer.send(usage(f"8613800{who:06d}", source="ocs", id=f"{who}-{number}",
                                time=datetime(2026, 1, 5, 12, tzinfo=UTC), total_bytes=number))
        print(number, flush=True)
"""


def test_a_killed_producer_with_spool_loses_nothing_it_took(bootstrap: str, tmp_path: Path) -> None:
    topic, spool = new_topic(bootstrap), tmp_path / "spool"
    chance = random.Random(4)
    serial = 0
    taken: Counter[int] = Counter()
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, bootstrap, topic, str(spool), str(serial)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.8))  # it is killed at any instant
        process.send_signal(signal.SIGKILL)
        told = [int(one) for one in (first + process.stdout.read()).split()]
        process.wait()
        taken.update(told)
        # One that was being taken may be there without having been told: its ids are used up.
        serial = told[-1] + 1
    with UsageProducer(bootstrap, topic, spool=spool) as last:
        wait_for(lambda: last.waiting == 0, 30)

    for numbers in (sequences(bootstrap, topic)).values():
        found = in_order_but_for_repeats(numbers)
        assert found == sorted(found)
        assert taken.keys() <= set(found)


def in_order_but_for_repeats(numbers: list[int]) -> list[int]:
    """First occurrences; a record sent again comes with all that follow it, never alone."""
    first: list[int] = []
    seen: set[int] = set()
    for place, number in enumerate(numbers):
        if number not in seen:
            seen.add(number)
            first.append(number)
        elif place and numbers[place - 1] < number:
            continue
    return first
