"""A worker that is expected to refuse: run it, and read its output."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.cluster import Names, WorkerProcess
from tests.support.waiting import wait_until


def refusal(
    bootstrap: str, names: Names, directory: Path, *options: str, limit_seconds: float = 60
) -> str:
    """The output of a worker that ended with an error; AssertionError if it runs on or ends with
    success."""
    worker = WorkerProcess(bootstrap, names, directory, "refusing", *options).start()
    return ending(worker, limit_seconds)


def ending(worker: WorkerProcess, limit_seconds: float = 60) -> str:
    """The output of a running worker until it ended with an error."""
    assert worker.process is not None
    try:
        code = worker.process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise AssertionError(
            f"it did not end within {limit_seconds:g} s:\n{worker.tail()}"
        ) from None
    assert code != 0, worker.tail()
    return worker.log.read_text(errors="replace")


def wait_for_words(worker: WorkerProcess, words: str, limit_seconds: float = 120) -> None:
    """Return when the worker's log contains the words; the worker must still run."""

    def are_there() -> bool:
        assert worker.is_alive, worker.tail()
        return words in worker.log.read_text(errors="replace")

    wait_until(are_there, limit_seconds, worker.tail)
