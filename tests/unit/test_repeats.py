"""Libraries that say the same many times a second are heard once; ours always are."""

from __future__ import annotations

import logging
import time

import pytest

from streamproc.cli import repeats
from streamproc.cli.repeats import Repeats


def line(name: str, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file.py", 1, text, args, None)


def test_a_repeated_line_passes_once_and_then_counts_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    filter_ = Repeats()
    assert filter_.filter(line("aiokafka", "cannot reach node %s", 1))
    assert not any(filter_.filter(line("aiokafka", "cannot reach node %s", n)) for n in range(30))
    now += repeats.QUIET_SECONDS
    again = line("aiokafka", "cannot reach node %s", 7)
    assert filter_.filter(again)
    assert again.getMessage() == "cannot reach node 7 (and 30 more like it before)"
    assert not filter_.filter(line("aiokafka", "cannot reach node %s", 8))


def test_another_line_level_or_logger_is_another_matter() -> None:
    filter_ = Repeats()
    assert filter_.filter(line("aiokafka.conn", "a"))
    assert filter_.filter(line("aiokafka.conn", "b"))
    assert filter_.filter(line("aiokafka.client", "a"))
    worse = line("aiokafka.conn", "a")
    worse.levelno = logging.CRITICAL
    assert filter_.filter(worse)


def test_our_own_lines_always_pass() -> None:
    filter_ = Repeats()
    assert all(filter_.filter(line("streamproc.engine.repair", "again")) for _ in range(5))


def test_few_sorts_are_remembered() -> None:
    filter_ = Repeats()
    for number in range(3 * repeats.MOST_SORTS):
        assert filter_.filter(line("kafka", f"offset {number} is gone"))
    assert len(filter_._told) <= repeats.MOST_SORTS
