"""docs/guarantees.md names tests that exist, and every kind of fault."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.kind import KINDS
from tests.faults.lab import Lab  # noqa: F401 - registers the kinds

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def table() -> list[str]:
    """The rows of promises."""
    rows = TEXT.split("## Promises", 1)[1].split("\n## ", 1)[0].splitlines()
    return [row for row in rows if row.startswith("| ")][2:]


def named_kinds() -> set[str]:
    return {name for found in re.findall(r"`lab ([a-z_,]+)`", TEXT) for name in found.split(",")}


def test_every_kind_that_is_named_exists_and_every_kind_is_named() -> None:
    assert named_kinds() == KINDS.keys()


def test_every_test_that_is_named_exists() -> None:
    paths = re.findall(r"`(tests/[a-z_/.]+)`", TEXT)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_promise_names_a_test() -> None:
    rows = table()
    assert len(rows) >= 18
    silent = [row for row in rows if not re.search(r"`(tests/|lab |streamproc )|of the lab", row)]
    assert silent == []
