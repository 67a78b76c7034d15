"""Pages, help texts and the prose in code avoid words that a non-native reader must decode.

The lists have the idioms and constructions that were found hard to read, each with a plain form.
Design decisions, laws and lessons are read by everybody, so they are held to it, too. In code they
apply to comments, docstrings, log lines and messages of errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from tests.support.prose import prose_of, sentences

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

HARD_IN_CODE = {
    **HARD,
    r"(where|there|here)(of|by|upon)|whence|thence|therein|wherein": "of it, by it; a new sentence",
    r"(is|are|was|were|be|been|not|never) told(?! to)": "is reported, gets the message",
    r"(speaks?|spoke|spoken) of": "is about, reports",
    r"in vain": "without effect",
    r"dearest": "most expensive",
    r"work(s|ed)? out": "calculate",
    r"(un)?said of": "is about",
    r"told apart": "distinguished",
    r"no more(?= ?[.;:,)]|$)": "not any more",
    r"(?<!there )(is|are|was|were) no (?!longer|more|less|other|such|\d)\w+": "is not a ...",
    r"that what|(?<!half )of what (is|was|were|has|had|nothing|nobody)": "name the thing",
    r"(?:what|who) of": "which part of, which of",
    r"(exists?|holds?|counts?|draws?|has|have) \w* ?no more": "not any more",
}
"""Hard words and constructions by pattern, each with what to write."""
INVERTED = {
    r"(What|Who) (is|was|are|were|has|had|nothing|nobody) [^?]*, (is|are|was|has)\b": "noun first",
    r"Not [a-z]+ (is|are|was|were|has|have|does|do|can) (it|they|the)\b": "subject first",
    r"(Nor|Neither) (is|are|do|does|has|have|can|will|was)\b": "and ... not",
    r"Of (a|an|the|its|each|all|those|some|what|this|these) [^.]*\.?$": "a noun before 'of'",
    r"[^.]*, for (it|they|its|there|nobody|nothing) \w+s\b": "because",
}
"""Constructions at the start of a sentence or fragment."""
LONGEST_SENTENCE_WORDS = 30
SOURCES = [
    *sorted((ROOT / "streamproc").rglob("*.py")),
    *sorted((ROOT / "native" / "src").glob("*.rs")),
    *sorted((ROOT / "tests" / "support").rglob("*.py")),
]
ALLOWED = (
    "a running partition that has input must make progress",  # "is no reason" is a fixed phrase
)
"""Beginnings of paragraphs that keep a pattern, with the reason."""

ANY_HARD = re.compile(rf"\b(?:{'|'.join(HARD_IN_CODE)})", re.IGNORECASE)
ANY_INVERTED = re.compile("|".join(INVERTED))
"""Searched first, because hardly any paragraph has one of them."""


def hard_prose(text: str) -> Iterator[str]:
    """What is hard in a paragraph of code's prose, each with a plain form."""
    if text.lower().startswith(ALLOWED):
        return
    for hard, plain in HARD_IN_CODE.items() if ANY_HARD.search(text) else ():
        for found in re.finditer(rf"(?<!\")\b(?:{hard})(?!\w)(?!\")", text, re.IGNORECASE):
            yield f"{found[0]!r}, write: {plain}"
    for sentence in sentences(text):
        for start, plain in INVERTED.items() if ANY_INVERTED.match(sentence) else ():
            if re.match(start, sentence):
                yield f"{sentence[:60]!r}, write: {plain}"
        if len(sentence.split()) > LONGEST_SENTENCE_WORDS:
            yield f"{sentence[:60]!r} has {len(sentence.split())} words: make it two sentences"


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


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in SOURCES}), ids=lambda one: str(one.relative_to(ROOT))
)
def test_prose_in_code_is_in_plain_english(folder: Path) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{prose.line}: {problem}"
        for path in SOURCES
        if path.parent == folder
        for prose in prose_of(path)
        for problem in hard_prose(prose.text)
    ]

    assert found == []


def test_all_prose_of_a_source_is_read(tmp_path: Path) -> None:
    source = tmp_path / "some.py"
    source.write_text(
        '''"""First."""

LIMIT = 3  # a limit
"""Second,
over two lines."""


def give() -> None:
    """Third.

    - An item.
    """
    # A comment
    # of two lines.
    log.warning("it failed", error=1)
    raise ValueError(f"the limit is {LIMIT}, not more")
'''
    )

    assert sorted(prose.text for prose in prose_of(source)) == [
        "- An item.",
        "A comment of two lines.",
        "First.",
        "Second, over two lines.",
        "Third.",
        "a limit",
        "it failed",
        "the limit is X, not more",
    ]


def test_hard_prose_is_found() -> None:
    assert list(hard_prose("A record that is no event is told elsewhere.")) == [
        "'is told', write: is reported, gets the message",
        "'is no event', write: is not a ...",
    ]
    assert list(hard_prose("Of the account.")) == ["'Of the account.', write: a noun before 'of'"]
    assert len(list(hard_prose("What is held, is due then. Nor is it lost."))) == 2
    assert len(list(hard_prose("word " * 31))) == 1


def test_a_hard_word_is_found() -> None:
    assert list(hard_words("Made anew.\nIt goes on.")) == [
        "line 1: 'anew', write: again",
        "line 2: 'goes on', write: continue",
    ]
    assert list(hard_words('We do not say "lowest priority".')) == []
