"""What is imported at a start: large libraries only by those who use them."""

from __future__ import annotations

import ast
import atexit
import gc
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

import streamproc.cli
from streamproc.__main__ import run
from streamproc.engine.housekeeping import YOUNG_OBJECTS

ROOT = Path(__file__).parents[2]
SLOW = {
    *("aiohttp", "faust", "matplotlib", "cryptography", "asn1tools", "javaproperties"),
    "opentelemetry",
}
"""Each takes long at each start of a program, or brings others that do."""


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


def test_the_collector_looks_through_no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Mock()
    monkeypatch.setattr(gc, "set_threshold", calls.set_threshold)
    monkeypatch.setattr(atexit, "register", calls.at_the_end)
    monkeypatch.setattr(streamproc.cli, "main", calls.main)
    run()
    names = [name for name, _, _ in calls.mock_calls]
    assert names == ["set_threshold", "at_the_end", "main"]
    assert calls.set_threshold.call_args.args[0] == YOUNG_OBJECTS
    calls.at_the_end.assert_called_once_with(gc.freeze)


@pytest.mark.parametrize("begin", ["streamproc.worker.app", "streamproc.dispatch.main"])
def test_a_process_without_spans_does_not_load_their_library(begin: str) -> None:
    assert "opentelemetry" not in libraries(begin)
    assert "opentelemetry" in libraries("streamproc.tracing.otel")
