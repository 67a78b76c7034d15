"""Foreign parts from the Go proxy: the program of tests/interop/programs/go, built once and kept
in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.npm_parts import LEFT_OUT, PARTS, PartsUnavailable, is_duty

SOURCES = PARTS / "programs" / "go"
GO_LIMIT_S = 280.0


def go_program() -> Path:
    """The program with the clients that go.mod pins.

    Where there is no Go, or no proxy, the test is skipped, and the end of the run says so. With CI
    set and Go there, what is missing is an error.
    """
    try:
        return _built()
    except PartsUnavailable as error:
        if is_duty(os.environ, shutil.which("go")):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")


def module_version(module: str) -> str:
    """The version of a module in go.mod."""
    for line in (SOURCES / "go.mod").read_text(encoding="utf-8").splitlines():
        if line.split()[:1] == [module]:
            return line.split()[1].removeprefix("v")
    raise ValueError(f"go.mod has no {module}")


@functools.cache
def _built() -> Path:
    digest = hashlib.sha256()
    for file in sorted(SOURCES.iterdir()):
        digest.update(file.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME")
    cache = Path(base or Path.home() / ".cache") / "streamproc"
    program = cache / f"go-{digest.hexdigest()[:16]}"
    if not program.is_file():
        go = shutil.which("go")
        if go is None:
            raise PartsUnavailable(f"{program} is missing, and no 'go' is on the PATH")
        cache.mkdir(parents=True, exist_ok=True)
        _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    """Have Go make ``program``, which appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=f"{program.name}.") as scratch:
        made = Path(scratch, "program")
        command = [go, "build", "-mod=readonly", "-o", str(made), "."]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=GO_LIMIT_S, cwd=SOURCES
            )
        except subprocess.TimeoutExpired as error:
            raise PartsUnavailable(f"go took over {GO_LIMIT_S:g} s") from error
        if done.returncode != 0:
            raise PartsUnavailable(f"go could not build it:\n{done.stderr.strip()[-1500:]}")
        made.rename(program)
