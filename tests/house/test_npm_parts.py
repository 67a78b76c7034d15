"""Tests with foreign parts run, fail, or are left out aloud: they never pass without running."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.support import npm_parts
from tests.support.npm_parts import LEFT_OUT, PARTS, node_modules
from tests.support.parts_cache import PartsUnavailable


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(npm_parts, "_installed", npm_parts._installed.__wrapped__)


def found(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(
        npm_parts, "shutil", SimpleNamespace(which=lambda name: name if name in programs else None)
    )


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("ci", "programs"), [("", ["node"]), ("", []), ("1", [])])
def test_without_them_the_test_is_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, ci: str, programs: list[str]
) -> None:
    monkeypatch.setenv("CI", ci)
    found(monkeypatch, *programs)
    with pytest.raises(pytest.skip.Exception, match=f"{LEFT_OUT}: .*no 'n"):
        node_modules()


@pytest.mark.usefixtures("nothing_installed")
def test_with_ci_and_node_what_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    found(monkeypatch, "node")
    with pytest.raises(PartsUnavailable, match="no 'npm' is on the PATH"):
        node_modules()


@pytest.mark.parametrize(("reason", "is_told"), [(f"{LEFT_OUT}: no 'node'", True), ("x", False)])
def test_the_end_of_the_run_tells_of_it(reason: str, is_told: bool) -> None:
    said: list[str] = []
    reporter: Any = SimpleNamespace(
        stats={"skipped": [SimpleNamespace(longrepr=("file", 1, f"Skipped: {reason}"))]},
        section=lambda title, **_: said.append(title),
        line=lambda text, **_: said.append(text),
    )
    conftest._tell_of_foreign_parts(reporter)
    assert ("FOREIGN PARTS NOT RUN" in said) == is_told
    assert any(reason in line for line in said) == is_told


def test_every_package_is_pinned_with_its_hash_and_names_no_registry() -> None:
    wanted = json.loads((PARTS / "package.json").read_text())["dependencies"]
    packages = json.loads((PARTS / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        pinned = version.rpartition("@")[2]  # of another name: npm:PACKAGE@VERSION
        assert packages[f"node_modules/{name}"]["version"] == pinned
    assert all(one["integrity"] and "resolved" not in one for name, one in packages.items() if name)
