"""How a worker's process ends, by itself and when it is told to."""

from __future__ import annotations

import os
import threading
from typing import Any
from unittest import mock

import faust
import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from streamproc import hard_end
from streamproc.engine.faust.ending import BoundedWorker


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Faust's part is not there."""
    monkeypatch.setattr(faust.Worker, "stop", mock.AsyncMock())
    return BoundedWorker(faust.App("ending"), loglevel="info", quiet=True)


async def test_a_start_that_is_broken_off_by_a_signal_is_no_failure(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust cancels what its start waits for, and a topic's declaration then fails."""
    broken_off = mock.AsyncMock(side_effect=RuntimeError("invalid state"))
    monkeypatch.setattr(faust.Worker, "start", broken_off)
    with pytest.raises(RuntimeError, match="invalid state"):
        await worker.start()
    worker._signal_stop_time = 1.0
    await worker.start()


async def test_a_broker_that_is_gone_at_the_start_is_one_line(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = mock.AsyncMock(side_effect=KafkaConnectionError("no bootstrap"))
    monkeypatch.setattr(faust.Worker, "start", gone)
    with capture_logs() as logs, pytest.raises(SystemExit) as ended:
        await worker.start()
    assert ended.value.code == 1
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("the worker could not start: the broker is gone", "critical")
    ]


async def test_stopping_is_bounded_however_it_began(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(hard_end, "STOP_LIMIT_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    await worker.stop()
    assert ended.wait(5.0)


def test_the_last_words_are_why(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(_: Any) -> None:
        worker.crash_reason = ValueError("the topic was created again")
        raise SystemExit(1)

    monkeypatch.setattr(faust.Worker, "execute_from_commandline", execute)
    with capture_logs() as logs, pytest.raises(SystemExit) as ended:
        worker.execute_from_commandline()
    assert ended.value.code == 1
    assert logs == [
        {
            "event": "the worker has ended",
            "why": "the topic was created again",
            "log_level": "critical",
        }
    ]


def test_an_ending_that_takes_too_long_says_why_too(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    worker.crash_reason = ValueError("")
    with capture_logs() as logs:
        worker._hard_end._end()
    assert codes == [hard_end.ENDED_HARD]
    assert [one["event"] for one in logs][1:] == ["the worker has ended"]
    assert logs[1]["why"] == "ValueError('')"
