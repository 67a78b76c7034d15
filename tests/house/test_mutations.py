"""The places that are broken at night are there, once each, and so are their tests."""

from __future__ import annotations

import re

import pytest

from tests.mutations.__main__ import ROOT, files_of, place_of
from tests.mutations.places import MUTATIONS, TRUTH, Mutation


def test_there_are_twenty_and_more() -> None:
    assert len({one.what for one in MUTATIONS}) == len(MUTATIONS) >= 20


def test_the_decision_says_who_notices_each() -> None:
    page = (ROOT / "docs" / "decisions" / "checking.md").read_text(encoding="utf-8")
    lies = [one for one in MUTATIONS if one.tests == TRUTH]
    told = dict(re.findall(r"^\| ([^|`]+) \| `(tests/[^`]+)` \|$", page, re.M))

    assert f"{len(lies)} of the {len(MUTATIONS)} places are lies" in page
    assert set(told) == {one.what for one in MUTATIONS if one not in lies}
    others = [one for one in MUTATIONS if one not in lies]
    assert [one.what for one in others if told[one.what] not in files_of(one)] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: str(one.what))
def test_a_place_is_found_and_so_are_its_tests(mutation: Mutation) -> None:
    assert mutation.old != mutation.new
    assert place_of(mutation).is_file()
    assert files_of(mutation)
