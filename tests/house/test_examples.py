"""Each file in examples/ is played by a test, and each folder is on a page of docs/."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.texts import read
from streamproc.contracts.rules_file.warnings import warnings_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
FILES = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in EXAMPLES.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in path.parts[-2]
)


def is_played(path: Path) -> bool:
    """Whether it is played below: a file of events, or the rules beside one."""
    return path.suffix == ".ndjson" or (
        path.name == "rules.yaml" and path.with_name("events.ndjson").exists()
    )


def is_checked(path: Path) -> bool:
    """Whether tests/house/test_configuration_docs.py checks it, or test_compose.py runs it."""
    compose = EXAMPLES / "compose"
    settings = (EXAMPLES / "streamproc.toml", compose / "streamproc.toml")
    return path in (*settings, compose / "rules" / "rules.yaml")


def is_on_a_page(path: Path) -> bool:
    """Whether tests/house/test_play_docs.py plays it, because docs/play.md does."""
    page = (ROOT / "docs" / "play.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)
    return f" {path.relative_to(ROOT)}" in "".join(blocks)


def has_its_own_test(folder: Path) -> bool:
    """Whether it is a package that a test installs or imports, by its path."""
    named = f'"examples" / "{folder.name}"'
    return (folder / "pyproject.toml").exists() and any(
        named in test.read_text(encoding="utf-8")
        for test in (ROOT / "tests").rglob("test_*.py")
        if test != Path(__file__)
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_used_by_a_test(name: str) -> None:
    path = EXAMPLES / name

    assert (
        is_played(path)
        or is_on_a_page(path)
        or is_checked(path)
        or has_its_own_test(EXAMPLES / path.relative_to(EXAMPLES).parts[0])
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_on_a_page(folder: str) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))

    assert f"examples/{folder}" in pages


PLAYED = sorted(
    one.relative_to(EXAMPLES).as_posix()
    for one in EXAMPLES.rglob("*.ndjson")
    if one.parent.name != "mapped"  # several files, which docs/play.md plays
)


@pytest.mark.parametrize("name", PLAYED)
def test_every_example_is_played_without_a_fault(name: str) -> None:
    events = EXAMPLES / name
    rules = events.with_name("rules.yaml")
    named = [f"pack:{events.stem}"] if events.parent.name == "packs" else []
    files = [*([str(rules)] if rules.exists() else named), str(events)]
    result = CliRunner().invoke(main, ["play", *files])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "SMS from" in result.stdout


@pytest.mark.parametrize("name", ["first", "night"])
def test_examples_give_no_warning(name: str) -> None:
    content = read(EXAMPLES / name / "rules.yaml")
    assert warnings_of(content.rules, name, content.texts, date(2026, 1, 15)) == []
