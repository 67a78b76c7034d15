"""docs/interop.md has the tables that the interop suite writes, for the parts that it runs now."""

from __future__ import annotations

import dataclasses

import pytest

from tests.interop import page
from tests.interop.page import HEADING, PAGE, Finding, read, written
from tests.interop.parts import GROUPS, PARTS


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_each_part_is_on_the_page_at_its_version() -> None:
    for group, rows in read(text()).items():
        heading, rule, *others = rows
        assert heading == HEADING
        assert set("".join(rule)) == {"-"}
        expected = [(part.name, part.version, part.source) for part in PARTS if part.group == group]
        assert list(dict.fromkeys(row[:3] for row in others)) == expected, "run: make interop"
        assert all(len(row) == len(HEADING) and all(row) for row in others)


def test_the_names_of_parts_are_unique_and_every_group_has_some() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert {part.group for part in PARTS} == set(GROUPS)


def test_findings_are_written_in_the_order_of_the_parts() -> None:
    findings = [Finding(part.name, "all", "well") for part in reversed(PARTS)]
    made = written(text(), findings)
    assert written(made, findings) == made
    assert [row[0] for rows in read(made).values() for row in rows[2:]] == [
        part.name for part in PARTS
    ]


def test_a_part_without_a_finding_is_told() -> None:
    findings = [Finding(part.name, "all", "well") for part in PARTS[1:]]
    with pytest.raises(ValueError, match=PARTS[0].name):
        written(text(), findings)


def test_a_new_version_makes_the_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = dataclasses.replace(PARTS[0], version="99.0")
    monkeypatch.setattr(page, "PARTS", (newer, *PARTS[1:]))
    findings = [Finding(part.name, "all", "well") for part in PARTS]
    assert "| 99.0 |" in written(text(), findings)
