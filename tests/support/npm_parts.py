"""Packages from npm for tests/interop, pinned there, and kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.parts_cache import PartsUnavailable, appearing, cached, run

PARTS = Path(__file__).parents[1] / "interop"
LEFT_OUT = "foreign parts cannot be had"
"""How the reason of a skip begins: tests/conftest.py looks for it at the end of the run."""
NPM_LIMIT_S = 120.0


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
    home = cached(f"npm-{name}")
    if not home.is_dir():
        _install(home)
    return home


def _install(home: Path) -> None:
    """Let npm fill ``home``, which is created complete or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        raise PartsUnavailable(f"{home} is missing, and no 'npm' is on the PATH")
    with appearing(home, "node_modules") as scratch:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(PARTS / file, scratch)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run("npm", command, scratch, NPM_LIMIT_S)
