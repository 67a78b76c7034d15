"""What is imported at a start: large libraries only by those who use them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"aiohttp", "faust", "matplotlib", "cryptography", "asn1tools"}
"""Each takes a tenth of a second and more, at each start of a program."""


def imported_by(module: str) -> Iterator[str]:
    """The modules that a module imports as it is loaded."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        return
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def libraries(begin: str) -> set[str]:
    """All libraries that are loaded with a module."""
    known, found = {begin}, set()
    new = [begin]
    while new:
        for name in imported_by(new.pop()):
            if not name.startswith("streamproc"):
                found.add(name.partition(".")[0])
            elif name not in known:
                known.add(name)
                new.append(name)
    return found


@pytest.mark.parametrize(
    "begin", ["streamproc.cli", "streamproc.producer", "streamproc.dispatch.main"]
)
def test_a_program_starts_without_large_libraries_that_few_need(begin: str) -> None:
    assert libraries(begin) & SLOW == set()


def test_what_is_imported_is_followed() -> None:
    assert "faust" in libraries("streamproc.worker.app")
