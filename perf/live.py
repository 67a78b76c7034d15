"""Load at a given rate, and a reader that notes when reminders become readable, as processes."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from perf.compare_task import CLIENT, PARTITIONS, Fired, usage

STEP_SECONDS = 0.005
"""The load comes in steps of this length."""

_context = multiprocessing.get_context("spawn")


class Background:
    """A function in a process of its own, whose result is fetched at the end.

    The function gets a connection first: it sends one value when it is ready, and its result when
    something can be received from there.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self._here, there = _context.Pipe()
        self._process = _context.Process(target=function, args=(there, *arguments), daemon=True)
        self._process.start()
        there.close()

    def wait(self) -> Any:
        """Its next value; raises EOFError if it ended."""
        return self._here.recv()

    def go_on(self) -> None:
        """Let it begin after it was ready."""
        self._here.send(None)

    def finish(self) -> Any:
        """Ask for the result and let it end."""
        self._here.send(None)
        result = self._here.recv()
        self._process.join(10)
        return result

    def end(self) -> None:
        """Let it end without a result."""
        self._process.terminate()
        self._process.join(10)


def load(
    pipe: Connection, bootstrap: str, topic: str, per_second: int, seconds: float, subscribers: int
) -> None:
    """Write usage at a steady rate; the results are what must come out, and the rate reached."""
    producer = Producer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "acks": "all",
            "linger.ms": 5,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.list_topics(topic, 10)
    # The events are made before the measurement, because making them keeps a core busy.
    fired: Fired = Counter()
    count, now_ms = int(per_second * seconds), time.time_ns() // 1_000_000
    made = usage(count, subscribers, fired, seed=7, start_ms=now_ms, step_ms=0)
    events = [(name, value) for name, value, _ in made]
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()
    written, total = 0, len(events)
    while written < total:
        goal = min(int((time.monotonic() - began) * per_second), total)
        for name, value in events[written:goal]:
            producer.produce(topic, value, name)
        written = goal
        producer.poll(0)
        time.sleep(STEP_SECONDS)
    elapsed = time.monotonic() - began
    if producer.flush(30):
        raise KafkaException("the load could not be written")
    pipe.send((fired, written / elapsed))
    pipe.recv()
    pipe.send(None)


def read(pipe: Connection, bootstrap: str, topic: str) -> None:
    """Read committed reminders until told to end; the result is (arrival in ms, value) of each."""
    found = []
    for now_ms, message in committed(pipe, bootstrap, topic):
        value = message.value()
        assert value is not None
        found.append((now_ms, value))
    pipe.send(found)


def committed(pipe: Connection, bootstrap: str, *topics: str) -> Iterator[tuple[int, Message]]:
    """Committed records as they come, each with the instant (epoch ms) at which it was in hand.

    Says over ``pipe`` when it is ready, and ends when something comes from there. Raises
    KafkaException.
    """
    consumer = Consumer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "group.id": "perf-reader",  # demanded, not used: partitions are assigned by hand
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign([TopicPartition(topic, n, 0) for topic in topics for n in range(PARTITIONS)])
    pipe.send("ready")
    while not pipe.poll():
        # Not ``consume`` with a time limit: that waits for its end, or for all that were asked for.
        first = consumer.poll(0.01)
        messages = [first, *consumer.consume(5000, 0)] if first is not None else []
        now_ms = time.time_ns() // 1_000_000
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            yield now_ms, message
    pipe.recv()
    consumer.close()


def append_times(bootstrap: str, topic: str) -> dict[tuple[int, int], int]:
    """When the broker appended each record of a LogAppendTime topic, by (partition, offset)."""
    consumer = Consumer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "group.id": "perf-live-times",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    times: dict[tuple[int, int], int] = {}
    ended = 0
    while ended < PARTITIONS:
        for message in consumer.consume(10_000, 1.0):
            if message.error() is None:
                place = message.partition(), message.offset()
                times[place] = message.timestamp()[1]
            else:
                ended += 1
    consumer.close()
    return times
