"""The user's cache of foreign parts: each appears there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class PartsUnavailable(RuntimeError):
    """Foreign parts cannot be had here; the message says what is missing."""


def cached(name: str) -> Path:
    """The place of a part in the cache; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "streamproc" / name


@contextmanager
def appearing(
    home: Path, made: str, is_whole: Callable[[Path], bool] = Path.exists
) -> Iterator[Path]:
    """A folder for the work; what lies there as ``made`` in the end becomes ``home``."""
    home.parent.mkdir(parents=True, exist_ok=True)
    # Next to its final place, because a rename works only within one file system.
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{home.name}.") as scratch:
        yield Path(scratch)
        try:
            Path(scratch, made).rename(home)
        except OSError:
            # Another process was faster, and what it made is as good. Otherwise it is a real error.
            if not is_whole(home):
                raise


def run(tool: str, command: list[str], directory: Path, limit_s: float) -> None:
    """Let a tool bring parts. Raises :class:`PartsUnavailable`."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, cwd=directory
        )
    except subprocess.TimeoutExpired as error:
        raise PartsUnavailable(f"{tool} took over {limit_s:g} s") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise PartsUnavailable(f"{tool} could not bring them:\n{said}")
