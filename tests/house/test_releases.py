"""Releases, their states and docs/upgrade.md agree, and a rollback by one release works."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from streamproc.engine.changelog import PROGRESS_VERSION
from streamproc.engine.forms import SILENT_FORM, WRITES_FORM
from tests.support.former import releases

ROOT = Path(__file__).parents[2]
STATES = ROOT / "tests" / "contract" / "data" / "releases"


def test_each_release_has_its_commit_and_its_state() -> None:
    found = releases()
    assert found[0].version == "0.1.0"
    assert found[0].reads_form == SILENT_FORM, "it does not say what it reads"
    assert {path.stem for path in STATES.glob("*.json")} == {one.version for one in found}
    assert all(re.fullmatch("[0-9a-f]{40}", one.commit) for one in found)


def test_a_form_is_read_one_release_before_it_is_written() -> None:
    """Else a rollback by one release would be refused."""
    found = releases()
    assert all(later.writes_form <= earlier.reads_form for earlier, later in pairwise(found))
    assert found[-1].reads_form >= WRITES_FORM
    assert found[-1].reads_form <= PROGRESS_VERSION


def test_the_page_names_each_release_and_its_commit() -> None:
    page = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")
    for one in releases():
        assert f"| {one.version} | `{one.commit}` |" in page
