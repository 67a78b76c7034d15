"""Making subscribers known to an app before its usage is measured."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from perf.compare_run import START_LIMIT_SECONDS, GroupOffsets, PeerError, PeerProcess
from perf.compare_task import Input

LIMIT_SECONDS = 900.0


def apply_all(bootstrap: str, app_id: str, given: Input, output: str, *worker_options: str) -> None:
    """A worker applies the activations of an input and ends; raises PeerError."""

    def command(directory: Path) -> list[str]:
        arguments = (bootstrap, app_id, given.accounts, output, str(given.subscribers))
        command = [sys.executable, "-m", "perf.bare.worker", "full", *arguments, str(directory)]
        return [*command, *worker_options]

    offsets = GroupOffsets(bootstrap, app_id, given.accounts)
    worker = PeerProcess(f"{app_id}-preload", command)
    try:
        limit = time.monotonic() + START_LIMIT_SECONDS + LIMIT_SECONDS
        while offsets.committed() < given.subscribers:
            worker.check(limit)
            if worker.process.poll() is not None:
                raise PeerError(f"it ended before the activations did:\n{worker.tail()}")
            time.sleep(0.1)
    finally:
        worker.stop()
