"""The tables of the docs are what the registries have: `make tables` writes them."""

from __future__ import annotations

import pytest

from streamproc.contracts.topics import TOPICS
from tests.support import generated_tables
from tests.support.generated_tables import ROOT, pages, written


@pytest.mark.parametrize("page", pages())
def test_the_tables_of_a_page_are_not_stale(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == written(page), "run: make tables"


def test_a_registry_with_one_more_makes_a_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "schemas/README.md"
    more = (*TOPICS, TOPICS[0])
    monkeypatch.setattr(generated_tables, "TOPICS", more)

    assert (ROOT / page).read_text(encoding="utf-8") != written(page)


def test_a_page_without_a_place_for_its_table_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generated_tables.TABLES, ("README.md", "none"), generated_tables.topics)

    with pytest.raises(ValueError, match=r"README\.md has no place for the table none"):
        written("README.md")
