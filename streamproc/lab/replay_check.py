"""Compares a worker's results for a topic with the oracle's."""

from __future__ import annotations

import time
from collections.abc import Iterator

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.kafka.errors import MissingTopicError, TopicError
from streamproc.kafka.settings import Broker
from streamproc.lab.oracle import Expectation, PlacedRecord, differences, expect, observed
from streamproc.tools.replay.sources import TopicSource

POLL_SECONDS = 0.5


def verify(
    bootstrap: Broker,
    topic: str,
    outputs: WorkerTopics,
    rules: Rulebook,
    timeout_seconds: float,
) -> tuple[Expectation, list[str]]:
    """The expectation for all of ``topic``, and the differences of the outputs from it.

    Waits up to ``timeout_seconds`` until the worker has written as many records to each output
    topic as are expected. The worker must have begun with the topic's first record, with the same
    rules and ``--clock event``. Raises ``TopicError``.
    """
    source = TopicSource(bootstrap, topic)
    expected = expect(_records(source), rules, partitions=len(source.partitions))
    deadline = time.monotonic() + timeout_seconds
    missing: list[str] = []
    read = ""

    def values(name: str) -> Iterator[bytes]:
        nonlocal read
        read = name
        try:
            yield from _values(bootstrap, name)
        except MissingTopicError:
            missing.append(name)

    while True:
        missing.clear()
        try:
            found = observed(
                values(outputs.reminders),
                values(outputs.audit),
                values(outputs.rejects),
                # The outputs do not show this: accounts are in the worker's own table.
                records=expected.records,
                charged_bytes=expected.charged_bytes,
                policies=values(outputs.policy),
                orders=values(outputs.orders),
            )
        except (LookupError, TypeError, ValueError) as error:
            problem = f"{read} has a record that no worker wrote there; is its name right?"
            raise TopicError(problem) from error
        lines = differences(found, expected)
        if not lines:
            return expected, []
        if time.monotonic() > deadline or _beyond(found, expected):
            absent = [
                f"there is no topic {one} at {bootstrap}; is its name right?" for one in missing
            ]
            return expected, [*absent, *lines]
        time.sleep(POLL_SECONDS)


def _beyond(found: Expectation, expected: Expectation) -> bool:
    """Whether waiting is useless, because there is something that should not be there."""
    return bool(found.reminders - expected.reminders) or bool(found.rejects - expected.rejects)


def _records(source: TopicSource) -> Iterator[PlacedRecord]:
    for record in source.records(source.begin()):
        yield PlacedRecord(
            source.topic,
            record.partition or 0,
            record.offset or 0,
            record.key,
            record.value,
            record.timestamp_ms,
            record.headers,
        )


def _values(bootstrap: Broker, topic: str) -> Iterator[bytes]:
    source = TopicSource(bootstrap, topic)
    for record in source.records(source.begin()):
        if record.value is not None:
            yield record.value
