"""The data of a rules file as the operator wrote it, with any types. Wrong types are reported
elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamproc.core.rules.limits import Limits

Path = tuple[str | int, ...]
"""Field names and list positions, from the top of the file (or of an entry)."""
Problem = tuple[Path, str]
"""A field, and what is wrong with it."""


def items(data: Mapping[str, Any], name: str) -> list[Any]:
    """The list in a field; empty if there is none."""
    found = data.get(name)
    return found if isinstance(found, list) else []


def entries(data: Mapping[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The entries of a field's list that are mappings, each with its position."""
    for index, one in enumerate(items(data, name)):
        if isinstance(one, dict):
            yield index, one


def kept_cycles(file: Mapping[str, Any]) -> int:
    """How many closed cycles are kept; the default if the file has no number there."""
    limits = file.get("limits")
    kept = limits.get("history_cycles") if isinstance(limits, dict) else None
    return kept if isinstance(kept, int) else Limits().history_cycles


def has_cap(entry: Mapping[str, Any]) -> bool:
    """Whether a plan or tariff has a cap."""
    return entry.get("cost_cap_minor") is not None
