"""Commands as processes that can be killed, and the content of a topic afterwards."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition

from streamproc.cli import main
from tests.support.committed import read_committed
from tests.support.waiting import LIMIT_SECONDS, wait_until


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """``streamproc ARGUMENTS`` as a process."""
    command = [sys.executable, "-m", "streamproc", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def run(*arguments: str | Path, code: int = 0, given: bytes | None = None) -> str:
    """Run a command in this process to its end; returns its output (both streams).

    ``given`` is its standard input. Fails if it ends with another code than ``code``.
    """
    texts = [str(one) for one in arguments]
    result = CliRunner().invoke(main, texts, input=given, catch_exceptions=False)
    assert result.exit_code == code, f"exit {result.exit_code}:\n{result.output}"
    return result.output


def kill_at_random(
    arguments: Sequence[str | Path], bootstrap: str, topic: str, records: int, seed: int
) -> int:
    """SIGKILL a command that writes ``records`` to a topic, at random points.

    Each run is killed when the topic (with uncommitted records) has grown to a random size. The
    last run ends by itself. Returns how many runs were killed.
    """
    chance = random.Random(seed)
    hit = 0
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, metrics_enabled=False)
    try:
        numbers = consumer.partitions_for_topic(topic)
        places = [TopicPartition(topic, number) for number in numbers]
        for share in sorted(chance.uniform(0.05, 0.9) for _ in range(4)):
            process = start(*arguments)
            while process.poll() is None:
                if sum(consumer.end_offsets(places).values()) > share * records:
                    time.sleep(chance.uniform(0, 0.05))  # it can be killed at any instant
                    process.kill()
                    hit += 1
                    break
                time.sleep(0.01)  # and asks again
            process.communicate()
    finally:
        consumer.close()
    run(*arguments)
    return hit


def wait_for_growth(bootstrap: str, topic: str, records: int) -> None:
    """Return when a topic has more than this many records, committed or not."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, metrics_enabled=False)
    try:
        places = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)]
        wait_for(lambda: sum(consumer.end_offsets(places).values()) > records)
    finally:
        consumer.close()


def read(bootstrap: str, topic: str, partitions: int) -> list[Any]:
    """The committed records of a topic (aiokafka's)."""
    return asyncio.run(read_committed(bootstrap, topic, partitions))


Contents = dict[int, list[tuple[bytes | None, bytes | None, int]]]


def contents(bootstrap: str, topic: str, partitions: int) -> Contents:
    """Key, value and timestamp of each committed record, by partition in order."""
    found: Contents = defaultdict(list)
    for record in read(bootstrap, topic, partitions):
        found[record.partition].append((record.key, record.value, record.timestamp))
    return dict(found)


def contents_at_rest(bootstrap: str, topic: str, partitions: int) -> Contents:
    """What :func:`contents` returns once nothing was added for a second."""

    def at_rest() -> Contents | None:
        first = contents(bootstrap, topic, partitions)
        time.sleep(1.0)  # nothing may come
        return first if contents(bootstrap, topic, partitions) == first else None

    found = wait_until(at_rest)
    assert found is not None
    return found


def wait_for(condition: Any, timeout_seconds: float = LIMIT_SECONDS) -> None:
    """Poll until ``condition()`` is true."""
    wait_until(condition, timeout_seconds)
