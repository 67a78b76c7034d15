"""The short form of ``tests.faults.upgraded``: the former release, this one, and one to come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamproc import __version__
from streamproc.engine.changelog import PROGRESS_VERSION
from streamproc.engine.forms import WRITES_FORM
from tests.faults.brokers import Single
from tests.faults.fleet import THIS
from tests.faults.life import Life, Variant
from tests.faults.upgraded import (
    change,
    coming_program,
    former_program,
    last_release,
    roll,
    rules_of,
)
from tests.support.former import COMING
from tests.support.waiting import wait_until

VARIANT = Variant(seed=5, rate=300, subscribers=400, events=60_000, static_members=False)
LIMIT_SECONDS = 60.0


@pytest.mark.timeout(300)
def test_an_upgrade_and_a_rollback_under_load_with_kills_are_exact(
    cluster: Single, tmp_path: Path
) -> None:
    release = last_release()
    program = former_program(release, is_built=False)
    variant = Variant(**{**vars(VARIANT), "rules": rules_of(release)})
    with Life(cluster, variant, tmp_path, program=program) as life:
        life.mark()
        life.wait_for_flow()
        told = life.fleet.slots[0].worker.log.read_text(errors="replace")
        assert f"version={release.version}" in told

        assert roll(life, THIS, kills=True) == []
        assert all(__version__ in one for one in life.observer.releases)
        told = "".join(one.worker.log.read_text(errors="replace") for one in life.fleet.running())
        assert "workers of the group changed" in told
        assert f"'{__version__}': ['" in told

        assert roll(life, program, kills=True) == []
        assert life.check(final=True) == []
        assert all(one == {WRITES_FORM} for one in life.observer.forms)


@pytest.mark.timeout(300)
def test_a_new_form_waits_for_all_workers_and_then_no_earlier_one_takes_a_partition(
    cluster: Single, tmp_path: Path
) -> None:
    coming = coming_program(tmp_path)
    with Life(cluster, VARIANT, tmp_path) as life:
        life.mark()
        life.wait_for_flow()
        first, second, third = life.fleet.slots[:3]
        change(life, first, coming)
        life.mark()
        life.wait_for_flow()
        # Both releases write by now, but one of the workers cannot read the new form.
        wait_until(lambda: any(COMING in one for one in life.observer.releases), LIMIT_SECONDS)
        assert all(one == {WRITES_FORM} for one in life.observer.forms)

        change(life, second, coming, is_killed=True)
        life.mark()
        life.wait_for_flow()
        new = PROGRESS_VERSION + 1
        wait_until(lambda: all(new in one for one in life.observer.forms), LIMIT_SECONDS)
        assert life.check() == []

        life.fleet.start(third)
        third.watched = False
        wait_until(lambda: not third.worker.is_alive, LIMIT_SECONDS)
        said = third.worker.log.read_text(errors="replace")
        assert third.worker.running.returncode != 0
        assert f"run the newer release (streamproc {COMING} wrote it)" in said
        assert "partitions assigned" not in said, "it did not join the group"
        life.mark()
        life.wait_for_flow()
        assert life.check() == []


def test_the_releases_are_named_with_whole_commits() -> None:
    page = Path(__file__).parents[2] / "docs" / "releases.json"
    for one in json.loads(page.read_text(encoding="utf-8")):
        assert len(one["commit"]) == 40
