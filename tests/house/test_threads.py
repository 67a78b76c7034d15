"""A test that leaves a thread running is found, and named."""

from __future__ import annotations

import threading

import pytest

from tests.support import threads
from tests.support.threads import ThreadsLeft


def test_a_thread_that_outlives_its_test_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "GRACE_SECONDS", -1.0)
    left, end = ThreadsLeft(), threading.Event()
    left.begin()
    lasting = [threading.Thread(target=end.wait, name=name) for name in ("a watch", "hard end")]
    short = threading.Thread(target=lambda: None, name="short")
    for thread in (*lasting, short):
        thread.start()
    left.end("tests/test_one.py::test_one")
    short.join()
    try:
        assert left.running() == ["'a watch', started by tests/test_one.py::test_one"]
        assert left.running() == []
    finally:
        end.set()
    for thread in lasting:
        thread.join()
