"""No test guesses how long something takes: a fixed sleep says why nothing can be waited for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.waiting import came, until, wait_until

TESTS = Path(__file__).parents[1]
HELPER = TESTS / "support" / "waiting.py"
SLEEP = re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\))")
"""``asyncio.sleep(0)`` lets other tasks go on, and takes no time."""
FAULTS = re.compile(r"faults/kinds_\w+\.py$")
"""In the kinds of faults, a sleep is how long a fault lasts, or what it needs to take hold."""


def test_a_fixed_sleep_has_a_reason() -> None:
    unexplained = []
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        if path in (HELPER, Path(__file__)) or FAULTS.search(name):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if SLEEP.search(line) and "#" not in line and "#" not in lines[number - 1]:
                unexplained.append(f"{name}:{number + 1}: {line.strip()}")
    assert unexplained == []


def test_what_comes_is_returned_and_what_does_not_is_told_with_what_was_seen() -> None:
    values = iter(["", "", "here"])
    assert wait_until(lambda: next(values)) == "here"
    with pytest.raises(AssertionError, match=r"not within 0\.01 s; last seen: \[\]"):
        wait_until(list, 0.01)
    with pytest.raises(AssertionError, match="last seen: 7 lines"):
        wait_until(lambda: False, 0.01, lambda: "7 lines")
    assert came(lambda: True)
    assert not came(lambda: False, 0.01)


async def test_beside_other_tasks_too() -> None:
    values = iter([0, 0, 5])
    assert await until(lambda: next(values)) == 5
    with pytest.raises(AssertionError, match="last seen: None"):
        await until(lambda: None, 0.01)
