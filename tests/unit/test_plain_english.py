"""Pages, READMEs and help texts avoid words that a non-native reader must decode.

The list has the idioms that were found hard to read, each with a plain word. Design decisions, laws
and lessons are read by everybody, so they are held to it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "schemas/*.md", "native/*.md", "tests/*.md")
    for path in ROOT.glob(pattern)
] + list((ROOT / "streamproc").rglob("*.md"))
FROM_THE_CODE = {"map.md"}
"""Made from docstrings."""
HARD = {
    r"anew": "again",
    r"dearer": "more expensive",
    r"go(es|ing)? on": "continue",
    r"stands? still": "stop",
    r"gives? up|gave up|given up": "abandon",
    r"lowest priority": "smallest priority number",
    r"tells? of|told of": "report",
    r"became of|becomes of": "the result of",
    r"as ever": "as usual",
    r"whoever": "a person who, a worker that",
    r"comes? true": "is right",
}


def hard_words(text: str) -> Iterator[str]:
    """Each hard word that is used, with its plain one; quoted words do not count."""
    for hard, plain in HARD.items():
        for found in re.finditer(rf"(?<!\")\b(?:{hard})\b(?!\")", text, re.IGNORECASE):
            line = text.count("\n", 0, found.start()) + 1
            yield f"line {line}: {found[0]!r}, write: {plain}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name not in FROM_THE_CODE],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_is_in_plain_english(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)

    assert list(hard_words(text)) == []


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_help_is_in_plain_english(path: tuple[str, ...]) -> None:
    shown = " ".join(CliRunner().invoke(main, [*path, "--help"]).output.split())

    assert list(hard_words(shown)) == []
    assert not re.search(r"\bOf (a|the) \w+:", shown), "an option is described by a whole sentence"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_text_is_never_an_sms_of_a_subscriber(page: Path) -> None:
    """docs/glossary.md: a *text* is the words of a message; subscribers send an *SMS*."""
    text = " ".join(page.read_text(encoding="utf-8").split())

    assert (
        re.findall(r"(?i)\btexts? (?:of|from) (?:a )?subscribers?\b|subscriber's text", text) == []
    )


def test_a_hard_word_is_found() -> None:
    assert list(hard_words("Made anew.\nIt goes on.")) == [
        "line 1: 'anew', write: again",
        "line 2: 'goes on', write: continue",
    ]
    assert list(hard_words('We do not say "lowest priority".')) == []
