"""A rules file's data as it was written, whatever its types: wrong ones are told elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def items(data: Mapping[str, Any], name: str) -> list[Any]:
    """The list in a field; empty if there is none."""
    found = data.get(name)
    return found if isinstance(found, list) else []


def entries(data: Mapping[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Those of a field's list that are mappings, with their places."""
    for index, one in enumerate(items(data, name)):
        if isinstance(one, dict):
            yield index, one
