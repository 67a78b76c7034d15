"""Foreign parts from the Go proxy: the programs of tests/interop/programs that have a go.mod, built
once and kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.support.npm_parts import LEFT_OUT, PARTS, is_duty
from tests.support.parts_cache import PartsUnavailable, appearing, cached, run

PROGRAMS = PARTS / "programs"
PLAIN = "go"
"""The program whose clients are Go alone. Another one has C in it, and needs its compiler."""
GO_LIMIT_S = 280.0
TOOL_LIMIT_S = 900.0
"""Of programs of others, which are large."""


def go_program(folder: str = PLAIN) -> Path:
    """The program with the clients that the go.mod of a folder pins.

    Where there is no Go, or no proxy, the test is skipped, and the end of the run says so. With CI
    set and Go there, what is missing is an error.
    """
    return _built_here(folder, ".")


def go_tool(folder: str, package: str) -> Path:
    """A program of others that the go.mod of a folder pins, as :func:`go_program`."""
    return _built_here(folder, package)


def _built_here(folder: str, package: str) -> Path:
    try:
        return _built(folder, package)
    except PartsUnavailable as error:
        if is_duty(os.environ, shutil.which("go")):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")


def module_version(module: str, folder: str = PLAIN) -> str:
    """The version of a module in go.mod."""
    for line in (PROGRAMS / folder / "go.mod").read_text(encoding="utf-8").splitlines():
        if line.split()[:1] == [module]:
            return line.split()[1].removeprefix("v")
    raise ValueError(f"go.mod has no {module}")


@functools.cache
def _built(folder: str, package: str) -> Path:
    digest = hashlib.sha256()
    for file in sorted((PROGRAMS / folder).iterdir()):
        digest.update(file.read_bytes())
    program = cached(f"{folder}-{digest.hexdigest()[:16]}")
    if not program.is_file():
        go = shutil.which("go")
        if go is None:
            raise PartsUnavailable(f"{program} is missing, and no 'go' is on the PATH")
        with appearing(program, "program") as scratch:
            limit_s = GO_LIMIT_S if package == "." else TOOL_LIMIT_S
            command = [go, "build", "-mod=readonly", "-o", str(scratch / "program"), package]
            run("go", command, PROGRAMS / folder, limit_s)
    return program
