"""Waits for a condition with a limit, instead of guessing how long something takes.

A fixed ``sleep`` in the tests has a comment that says why there is no condition to wait for: the
test is about time, or something must *not* happen (``tests/house/test_waiting.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
LIMIT_SECONDS = 60.0
"""It is for machines that are busy with other things, too."""
FIRST_SECONDS, EVERY_SECONDS = 0.002, 0.05
"""Pauses between two looks: short at first, because most conditions come soon."""


def came(condition: Callable[[], object], limit_seconds: float = LIMIT_SECONDS) -> bool:
    """Whether the condition becomes true before the limit."""
    deadline = time.monotonic() + limit_seconds
    pauses = _pauses()
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(next(pauses))
    return True


def wait_until(
    condition: Callable[[], T],
    limit_seconds: float = LIMIT_SECONDS,
    seen: Callable[[], object] | None = None,
) -> T:
    """The first true value of the condition. It fails with the last value of ``seen``; by default,
    of the condition."""
    deadline = time.monotonic() + limit_seconds
    pauses = _pauses()
    while not (found := condition()):
        assert time.monotonic() < deadline, _late(limit_seconds, seen() if seen else found)
        time.sleep(next(pauses))
    return found


async def until(
    condition: Callable[[], T],
    limit_seconds: float = LIMIT_SECONDS,
    seen: Callable[[], object] | None = None,
) -> T:
    """:func:`wait_until` beside other tasks."""
    deadline = time.monotonic() + limit_seconds
    pauses = _pauses()
    while not (found := condition()):
        assert time.monotonic() < deadline, _late(limit_seconds, seen() if seen else found)
        await asyncio.sleep(next(pauses))
    return found


async def let_run() -> None:
    """Let other tasks run until each of them waits; that takes some turns of the loop."""
    await asyncio.sleep(0.02)


def _pauses() -> Iterator[float]:
    pause = FIRST_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, EVERY_SECONDS)


def _late(limit_seconds: float, last: object) -> str:
    return f"not within {limit_seconds:g} s; last seen: {last}"
