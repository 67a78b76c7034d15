"""The shape of the code: short functions, few arrows between the floors of the core."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "streamproc"
LONGEST = 100
"""Lines of a function, with its docstring."""
MOST_ARROWS = 75
"""Pairs of rooms of the core of which one imports the other."""


def test_no_function_is_long() -> None:
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST
    }

    assert found == set()


def test_the_rooms_of_the_core_know_few_others() -> None:
    arrows = {
        (path.relative_to(PACKAGE / "core").parts[0].removesuffix(".py"), room)
        for path in (PACKAGE / "core").rglob("*.py")
        for room in re.findall(
            r"^\s*from streamproc\.core\.(\w+)", path.read_text(encoding="utf-8"), re.M
        )
    }

    assert len([(one, other) for one, other in arrows if one != other]) <= MOST_ARROWS
