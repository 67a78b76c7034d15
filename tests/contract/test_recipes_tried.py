"""The changes of recipes, made in a copy: they work, and no place can be forgotten unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.test_recipes import places
from tests.support.recipe_trials import TRIALS, Trial, copy_of_the_project, make, run, run_tests

BY_NAME = {one.recipe: one for one in TRIALS}


def _forgotten() -> Iterator[tuple[str, str]]:
    for trial in TRIALS:
        yield from ((trial.recipe, place) for place in list(trial.edits)[1:])


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return copy_of_the_project(tmp_path)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_trial_goes_through_the_places_of_its_recipe(name: str) -> None:
    assert set(BY_NAME[name].edits) <= set(places(name))


@pytest.mark.parametrize("trial", TRIALS, ids=lambda one: one.recipe)
def test_a_change_at_the_places_of_its_recipe_works(trial: Trial, copied: Path) -> None:
    make(trial, copied)
    done = run(copied, ["-c", trial.does])
    assert done.returncode == 0, done.stderr
    tested = run_tests(trial, copied)
    assert tested.returncode == 0, tested.stdout


@pytest.mark.parametrize(("name", "place"), list(_forgotten()))
def test_a_place_that_is_forgotten_is_told(name: str, place: str, copied: Path) -> None:
    make(BY_NAME[name], copied, but=place)

    assert run_tests(BY_NAME[name], copied).returncode != 0
