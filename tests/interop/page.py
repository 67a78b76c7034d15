"""docs/interop.md: what was tried with each foreign part, and what came of it.

``make interop`` runs the suite and writes the tables. The text around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.interop.parts import GROUPS, PARTS, Group
from tests.support.generated_tables import table

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
HEADING = ("Part", "Version", "From", "Tried", "Result")


class Finding(NamedTuple):
    """One row: what was tried with a part, and the result. The same words in every run."""

    part: str
    tried: str
    result: str


def rows(group: Group, findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    """The table of a group: heading, then the findings in the order of the parts."""
    made: list[tuple[str, ...]] = [HEADING]
    known = list(dict.fromkeys(findings))
    for part in PARTS:
        if part.group == group:
            made += [
                (part.name, part.version, part.source, one.tried, one.result)
                for one in known
                if one.part == part.name
            ]
    return made


def written(text: str, findings: Sequence[Finding]) -> str:
    """The page's text with the tables as they are to be.

    Raises ``ValueError`` if a part has no finding, a finding no part, or a table no place.
    """
    names, found = {part.name for part in PARTS}, {one.part for one in findings}
    if names != found:
        raise ValueError(f"not in both the list of parts and the findings: {names ^ found}")
    for group in GROUPS:
        begin, end = marks(group)
        whole = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
        if not whole.search(text):
            raise ValueError(f"{PAGE.name} has no place for the table {group}: {begin}{end}")
        made = f"{begin}\n{table(rows(group, findings))}\n{end}"
        text = whole.sub(lambda _, made=made: made, text)  # type: ignore[misc]
    return text


def marks(group: Group) -> tuple[str, str]:
    """The lines before and behind the table of a group."""
    begin = f"<!-- Table {group}: written by `make interop`. Do not edit. -->\n"
    return begin, f"<!-- End of table {group}. -->\n"


def read(text: str) -> dict[Group, list[tuple[str, ...]]]:
    """The tables of the page's text by group, headings included."""
    found: dict[Group, list[tuple[str, ...]]] = {}
    for group in GROUPS:
        begin, end = marks(group)
        inner = text.partition(begin)[2].partition(end)[0]
        lines = [line for line in inner.splitlines() if line.startswith("|")]
        found[group] = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in lines]
    return found
