"""The pages about the code: laws, decision records, package READMEs, and links between pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "streamproc"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "streamproc/**/*.md", "native/*.md", "schemas/*.md")
    for path in ROOT.glob(pattern)
)
RECORDS = [page for page in PAGES if page.parent.name == "decisions" and page.stem != "index"]
PARTS = ("**Context.**", "**Decision.**", "**Consequence.**")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_laws_are_numbered_without_gaps() -> None:
    laws = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("\n## Laws\n", 1)[1]
    numbers = [int(one) for one in re.findall(r"^(\d+)\. ", laws.split("\n## ", 1)[0], re.M)]

    assert numbers == list(range(1, 29))


@pytest.mark.parametrize("page", RECORDS, ids=name_of)
def test_a_decision_record_has_its_parts_and_the_next_number(page: Path) -> None:
    records = page.read_text(encoding="utf-8").split("\n## ")[1:]
    titles = [record.split("\n", 1)[0] for record in records]
    letter = titles[0][0]

    assert [title.split(". ")[0] for title in titles] == [
        f"{letter}{number}" for number in range(1, len(titles) + 1)
    ]
    for record in records:
        places = [record.find(part) for part in PARTS]
        assert -1 not in places, record
        assert places == sorted(places), record


def test_each_page_of_records_is_listed() -> None:
    index = (ROOT / "docs" / "decisions" / "index.md").read_text(encoding="utf-8")

    assert len(RECORDS) >= 8
    assert [page.name for page in RECORDS if f"]({page.name})" not in index] == []


def packages() -> Iterator[Path]:
    for folder in (PACKAGE, PACKAGE / "core"):
        for path in folder.glob("*/__init__.py"):
            yield path.parent


@pytest.mark.parametrize("package", sorted(packages()), ids=name_of)
def test_each_package_has_a_readme(package: Path) -> None:
    assert (package / "README.md").exists()


@pytest.mark.parametrize(
    "page", [*sorted(PACKAGE.glob("**/*.md")), ROOT / "docs" / "design.md", *RECORDS], ids=name_of
)
def test_a_readme_names_modules_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    roots = (page.parent, PACKAGE, ROOT, PACKAGE / "core")

    for named in re.findall(r"`([a-z_/]+\.py)`", text):
        assert any((root / named).exists() for root in roots), named
    for named in re.findall(r"\b((?:docs|tests)/[\w/.-]*\w)", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)

    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        assert not path or (page.parent / path).exists(), target
        if anchor:
            assert anchor in anchors(page.parent / path if path else page), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_list_runs_into_a_list_of_another_sort(page: Path) -> None:
    """On the site the second one would have the sort of the first: steps without numbers."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    sorts = ["" if line[0] not in "-0123456789" else line[0] for line in _beginnings(text)]
    numbered = ["1" if one.isdigit() else one for one in sorts]
    assert not {("-", "1"), ("1", "-")} & set(pairwise(numbered))


def _beginnings(text: str) -> list[str]:
    """The lines that begin a paragraph, a heading or an entry of a list."""
    return [line for line in text.splitlines() if re.match(r"- |\d+\. |[^\s\d-]", line)]


def anchors(page: Path) -> set[str]:
    """Of each heading, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}
