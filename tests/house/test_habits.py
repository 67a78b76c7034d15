"""The files around the code: licence, changelog, checks before a commit, templates."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import streamproc

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The headings of keepachangelog.com."""
PARTS_OF_CHECK = ("types", "site", "lint", "rust")
"""Targets of the Makefile."""


def test_the_licence_is_whole_and_named() -> None:
    text = (ROOT / "LICENSE").read_text()

    assert PROJECT["license"] == "Apache-2.0"
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text
    assert [f"   {number}. " in text for number in range(1, 10)] == [True] * 9


def test_the_image_has_every_file_that_the_build_needs() -> None:
    copied = (ROOT / "Dockerfile").read_text()

    for name in (*PROJECT["license-files"], PROJECT["readme"], "pyproject.toml"):
        assert re.search(rf"^COPY .*\b{re.escape(name)}\b", copied, re.M), name


def test_the_changelog_has_the_form_that_it_names() -> None:
    assert re.findall(r"^## (.*)$", CHANGELOG, re.M)[0] == "[Unreleased]"
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.M)) - KINDS == set()


def test_the_version_is_in_the_changelog() -> None:
    assert PROJECT["version"] == streamproc.__version__
    assert streamproc.__version__ in CHANGELOG


def test_the_checks_before_a_commit_are_those_of_make_check() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    programs = {entry.removeprefix(".venv/bin/").split()[0] for entry in entries}
    makefile = (ROOT / "Makefile").read_text()
    check = makefile.split("\ncheck:", 1)[1].split("\n\n", 1)[0]
    parts = [makefile.split(f"\n{one}:", 1)[1].split("\n\n", 1)[0] for one in PARTS_OF_CHECK]

    assert all(repo["repo"] == "local" for repo in config["repos"])
    assert programs >= {"ruff", "mypy", "lint-imports", "cargo"}
    assert check.split()[-len(PARTS_OF_CHECK) :] == list(PARTS_OF_CHECK)
    run = set(re.findall(r"\$\(BIN\)/([\w-]+)", "".join(parts)))
    assert {"ruff", "mypy", "lint-imports"} <= run <= programs | {"mkdocs"}


def test_templates_can_be_read_and_name_files_that_exist() -> None:
    folder = ROOT / ".github"
    forms = [yaml.safe_load(path.read_text()) for path in folder.glob("ISSUE_TEMPLATE/*.yml")]
    words = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    named = set(re.findall(r"\b(?:docs|schemas|tests)/[\w/.-]*\w", words))

    assert len([form for form in forms if "body" in form]) == 2
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
