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
    "-p",
    "no:logging",
    "-p",
    "no:xdist",
)
"""The plugin imports hypothesis. The cache would only have the results of one process. To collect
the lines of each phase of each test takes a tenth of the time."""


def shares(files: Sequence[Path], processes: int) -> list[list[Path]]:
    """The files for each process, with about as many bytes of tests in each.

    They stay in their order: files with names alike import the same, and only one process does.
    """
    total = sum(path.stat().st_size for path in files)
    found: list[list[Path]] = [[] for _ in range(processes)]
    before = 0
    for path in sorted(files):
        size = path.stat().st_size
        # A file belongs where its middle is, so that empty files have a place, too.
        found[min((before + size // 2) * processes // max(total, 1), processes - 1)].append(path)
        before += size
    return [share for share in found if share]


def main(words: Sequence[str]) -> int:
    """The exit code is 0 if each process has passed."""
    files = [path for folder in words for path in Path(folder).glob("test_*.py")]
    running = []
    for share in shares(files, os.cpu_count() or 1):
        # For each file that is named, pytest looks at the whole folder.
        others = [f"--ignore={path}" for path in files if path not in share]
        running.append(
            subprocess.Popen(
                [*PYTEST, *words, *others],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    failed = not running
    for process in running:
        said, _ = process.communicate()
        print(said, end="", flush=True)
        failed = failed or process.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
