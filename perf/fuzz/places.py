"""Where samples come from, and where inputs are written that an entrance reads from a file."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PACKAGED_RULES = ROOT / "streamproc/contracts/rules"
PACKAGED_MAPPINGS = ROOT / "streamproc/producing/readers/mappings"


def new_folder() -> Path:
    """An empty folder, which is gone when the process ends.

    It is in memory where the system has such a place: writing a file takes longer than an entrance.
    """
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.path.isdir(memory) else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
