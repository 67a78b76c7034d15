"""Foreign parts from the Go proxy: the program of tests/interop/programs/go, built once and kept
in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.support.npm_parts import LEFT_OUT, PARTS, is_duty
from tests.support.parts_cache import PartsUnavailable, appearing, cached, run

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
    program = cached(f"go-{digest.hexdigest()[:16]}")
    if not program.is_file():
        go = shutil.which("go")
        if go is None:
            raise PartsUnavailable(f"{program} is missing, and no 'go' is on the PATH")
        with appearing(program, "program") as scratch:
            command = [go, "build", "-mod=readonly", "-o", str(scratch / "program"), "."]
            run("go", command, SOURCES, GO_LIMIT_S)
    return program
