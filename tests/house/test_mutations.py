"""The places that are broken at night are there, once each, and so are their tests."""

from __future__ import annotations

import pytest

from tests.mutations.__main__ import files_of, place_of
from tests.mutations.places import MUTATIONS, Mutation


def test_there_are_twenty_and_more() -> None:
    assert len({one.what for one in MUTATIONS}) == len(MUTATIONS) >= 20


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: str(one.what))
def test_a_place_is_found_and_so_are_its_tests(mutation: Mutation) -> None:
    assert mutation.old != mutation.new
    assert place_of(mutation).is_file()
    assert files_of(mutation)
