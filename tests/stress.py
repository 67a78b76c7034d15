"""The whole suite several times beside a load: ``make stress``, or ``python -m tests.stress``.

A test that hopes for time fails on a machine that is busy. Beside the tests, one process for each
core computes for half of each tenth of a second. Exit code 1 if any of the runs fails; the load
ends with the runs, and by itself after the limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.limited import run_limited

PERIOD_SECONDS = 0.1


def compute(share: float, until: float) -> None:
    """Keep a core busy for a share of the time, until an instant of the monotonic clock."""
    while (begun := time.monotonic()) < until:
        while time.monotonic() < begun + PERIOD_SECONDS * share:
            sum(range(1000))
        # The other share is for others.
        time.sleep(max(begun + PERIOD_SECONDS - time.monotonic(), 0))


@contextmanager
def load(share: float, cores: int, limit_seconds: float) -> Iterator[None]:
    """So much of so many cores is taken, for the length of the ``with`` at most."""
    context = multiprocessing.get_context("spawn")
    until = time.monotonic() + limit_seconds
    processes = [
        context.Process(target=compute, args=(share, until), daemon=True) for _ in range(cores)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.5, help="of each core")
    parser.add_argument("--jobs", type=int, default=4, help="tests at once")
    parser.add_argument("--minutes", type=float, default=60.0, help="for one run, at most")
    parser.add_argument("tests", nargs="*", default=["tests"], help="all, by default")
    options = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(options.jobs)]
    command += options.tests
    failed = 0
    limit_seconds = options.minutes * 60
    with load(options.share, os.cpu_count() or 1, limit_seconds * options.runs):
        for number in range(1, options.runs + 1):
            begun = time.monotonic()
            code = run_limited(command, limit_seconds)
            failed += code != 0
            how = "passed" if code == 0 else f"FAILED with exit code {code}"
            if code is None:
                how = "FAILED: it did not end in time"
            print(f"run {number}: {how} ({(time.monotonic() - begun) / 60:.1f} min)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
