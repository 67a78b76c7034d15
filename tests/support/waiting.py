"""Waiting for what must come: a condition and a limit, in place of a guess how long it takes.

A fixed ``sleep`` elsewhere in the tests says in a comment why there is nothing to wait for: time
itself is what is tested, or something must *not* come (``tests/unit/test_waiting.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LIMIT_SECONDS = 30.0
EVERY_SECONDS = 0.05


def came(condition: Callable[[], object], limit_seconds: float = LIMIT_SECONDS) -> bool:
    """Whether the condition is true before the limit."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(EVERY_SECONDS)
    return True


def wait_until(
    condition: Callable[[], T],
    limit_seconds: float = LIMIT_SECONDS,
    seen: Callable[[], object] | None = None,
) -> T:
    """The first true value of the condition. Fails with what was ``seen`` last: by default, the
    condition's own value."""
    deadline = time.monotonic() + limit_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _late(limit_seconds, seen() if seen else found)
        time.sleep(EVERY_SECONDS)
    return found


async def until(
    condition: Callable[[], T],
    limit_seconds: float = LIMIT_SECONDS,
    seen: Callable[[], object] | None = None,
) -> T:
    """:func:`wait_until` beside other tasks."""
    deadline = time.monotonic() + limit_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _late(limit_seconds, seen() if seen else found)
        await asyncio.sleep(EVERY_SECONDS)
    return found


async def let_run() -> None:
    """Other tasks go on until each waits for something; that takes some turns of the loop."""
    await asyncio.sleep(0.02)


def _late(limit_seconds: float, last: object) -> str:
    return f"not within {limit_seconds:g} s; last seen: {last}"
