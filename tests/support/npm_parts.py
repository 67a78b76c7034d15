"""Packages from npm for tests/interop, pinned there, and kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[1] / "interop"
LEFT_OUT = "foreign parts cannot be had"
"""How the reason of a skip begins: tests/conftest.py looks for it at the end of the run."""
NPM_LIMIT_S = 120.0


class PartsUnavailable(RuntimeError):
    """Foreign parts cannot be had here; the message says what is missing."""


def node_modules() -> Path:
    """The packages, installed exactly as in the lock file.

    Without Node.js, or without a registry, the test is skipped, and the end of the run reports it.
    With CI set and Node.js installed, a missing package is an error.
    """
    try:
        return _installed()
    except PartsUnavailable as error:
        if is_duty(os.environ, shutil.which("node")):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")


def is_duty(environment: Mapping[str, str], program: str | None) -> bool:
    """Whether tests must run with parts that need a program, which is at this path."""
    return bool(environment.get("CI")) and program is not None


@functools.cache
def _installed() -> Path:
    if shutil.which("node") is None:
        raise PartsUnavailable("no 'node' on the PATH")
    lock = PARTS / "package-lock.json"
    name = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base or Path.home() / ".cache") / "streamproc" / f"npm-{name}"
    if not home.is_dir():
        _install(home)
    return home


def _install(home: Path) -> None:
    """Let npm fill ``home``, which is created complete or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        raise PartsUnavailable(f"{home} is missing, and no 'npm' is on the PATH")
    home.parent.mkdir(parents=True, exist_ok=True)
    # Next to its final place, because a rename works only within one file system.
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{home.name}.") as scratch:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(PARTS / file, scratch)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=NPM_LIMIT_S, cwd=scratch
            )
        except subprocess.TimeoutExpired as error:
            raise PartsUnavailable(f"npm took over {NPM_LIMIT_S:g} s") from error
        if done.returncode != 0:
            raise PartsUnavailable(f"npm could not bring them:\n{done.stderr.strip()[-1500:]}")
        try:
            Path(scratch, "node_modules").rename(home)
        except OSError:
            # Another process was faster, and its packages are as good. Otherwise it
            # is a real error.
            if not home.is_dir():
                raise
