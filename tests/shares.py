"""The unit tests in seconds: ``make unit``, or ``python -m tests.shares FOLDER``.

Each core runs its share of the files in a separate process. With pytest-xdist each process would
collect all files and send each result through a pipe. That takes a quarter of the time here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:cacheprovider",
)
"""The plugin imports hypothesis. The cache would only have the results of one process."""


def shares(files: Sequence[Path], processes: int) -> list[list[Path]]:
    """The files for each process, with about as many bytes of tests in each."""
    sizes = [0] * processes
    found: list[list[Path]] = [[] for _ in sizes]
    for path in sorted(files, key=lambda one: (-one.stat().st_size, one)):
        least = sizes.index(min(sizes))
        sizes[least] += path.stat().st_size
        found[least].append(path)
    return [sorted(share) for share in found if share]


def main(words: Sequence[str]) -> int:
    """The exit code is 0 if each process has passed."""
    files = [path for folder in words for path in Path(folder).glob("test_*.py")]
    running = [
        subprocess.Popen(
            [*PYTEST, *share], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for share in shares(files, os.cpu_count() or 1)
    ]
    failed = not running
    for process in running:
        said, _ = process.communicate()
        print(said, end="", flush=True)
        failed = failed or process.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
