"""The command line as processes that can be killed, and what a topic holds afterwards."""

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

from tests.support.cluster import read_committed


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """``streamproc ARGUMENTS`` as a process."""
    command = [sys.executable, "-m", "streamproc", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def run(*arguments: str | Path, code: int = 0, timeout_seconds: float = 60) -> str:
    """Run it to its end; returns what it said, and fails if it ends otherwise than expected."""
    process = start(*arguments)
    said, _ = process.communicate(timeout=timeout_seconds)
    text = said.decode()
    assert process.returncode == code, f"exit {process.returncode}:\n{text}"
    return text


def kill_at_random(
    arguments: Sequence[str | Path],
    times: int,
    chance: random.Random,
    after_seconds: tuple[float, float],
) -> int:
    """Start and SIGKILL a command again and again, then let it finish.

    Returns how often it was alive to be killed; fails if the last run does.
    """
    hit = 0
    for _ in range(times):
        process = start(*arguments)
        try:
            process.wait(chance.uniform(*after_seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            hit += 1
        process.communicate()
    run(*arguments)
    return hit


def read(bootstrap: str, topic: str, partitions: int) -> list[Any]:
    """The committed records of a topic (aiokafka's)."""
    return asyncio.run(read_committed(bootstrap, topic, partitions))


def contents(
    bootstrap: str, topic: str, partitions: int
) -> dict[int, list[tuple[bytes | None, bytes | None, int]]]:
    """Key, value and timestamp of each committed record, by partition in order."""
    found: dict[int, list[tuple[bytes | None, bytes | None, int]]] = defaultdict(list)
    for record in read(bootstrap, topic, partitions):
        found[record.partition].append((record.key, record.value, record.timestamp))
    return dict(found)


def wait_for(condition: Any, timeout_seconds: float = 20) -> None:
    """Poll until ``condition()`` is true."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the time allowed"
        time.sleep(0.05)
