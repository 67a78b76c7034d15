"""Keywords as phones send them: quoted, punctuated, with emoji and characters that nobody sees.

Every keyword of every locale is known in any such dress. Answers are not: whatever is not exactly
the word and its number leaves a question about money open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unicodedata import category, normalize

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import streamproc.contracts
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.rules_file.packs import pack_path
from streamproc.core.commands.arguments import Command
from streamproc.core.commands.parsing import Grammar, grammar_of
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.spelling import meaning
from tests.property.budget import budget
from tests.support.talking import Talking, outcomes, talking_rules

PACKAGED = Path(streamproc.contracts.__file__).parent / "rules" / "default.yaml"
ANSWERS = ("confirm", "refuse")


def _is_mere_sign(char: str) -> bool:
    """Punctuation or a symbol that does not stand for letters."""
    if category(char)[0] not in "PS":
        return False  # most of a million, at the start of each process with tests
    return not any(category(one)[0] in "LN" for one in normalize("NFKD", char))


SIGNS = st.sampled_from([one for one in map(chr, range(sys.maxunicode + 1)) if _is_mere_sign(one)])
USUAL = st.sampled_from(
    [
        *".,;:!?'\"()[]-+%。，、！？；：「」『』“”‘’«»„‹›؟،؛।…¡¿·•—–*#_~",
        "😀",
        "👍🏽",
        "❤️",
        "™",
        "ℹ️",
        "🈚",
    ]
)
UNSEEN = st.sampled_from(
    [*"\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202c\u2066\u2069\u00ad\ufe0f\ufe0e\x00"]
)
SPACE = st.sampled_from([*" \t\n\r\u00a0\u2003\u3000\u202f"])
AROUND = st.lists(st.one_of(USUAL, SIGNS, UNSEEN, SPACE), max_size=6).map("".join)
INSIDE = st.lists(st.one_of(UNSEEN, SPACE), max_size=2).map("".join)
DIGITS = st.sampled_from(
    ["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९"]
)
CASES: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, str.upper, str.lower, str.title, str.swapcase]
)


@cache
def rules_of(name: str) -> Rulebook:
    if name == "talking":
        return talking_rules()
    path = PACKAGED if name == "packaged" else pack_path(name)
    return load_rulebook(path.read_text(encoding="utf-8"), name)


def grammar(name: str) -> Grammar:
    rules = rules_of(name)
    assert rules.commands is not None
    return grammar_of(rules, rules.commands)


def keywords(name: str, *, of_answers: bool) -> list[tuple[str, str]]:
    commands = rules_of(name).commands
    assert commands is not None
    return [
        (action, keyword)
        for action, spellings in commands.keywords.items()
        for keyword in spellings
        if (action in ANSWERS) == of_answers
    ]


def read_by_both(text: str, name: str) -> Command | None:
    found, wanted = grammar(name).parse(text), meaning(text, rules_of(name))
    assert (found and (found.action, found.word, found.numbers)) == (wanted and tuple(wanted))
    return found


@st.composite
def dressed(draw: st.DrawFn, keyword: str) -> str:
    """A keyword in any width and case, of any digits, with things inside and around."""
    shown = draw(CASES)(keyword).translate(str.maketrans("0123456789", draw(DIGITS)))
    return "".join(char + draw(INSIDE) for char in shown)


@pytest.mark.parametrize("name", ["packaged", "us", "china", "talking"])
@budget(400)
@given(data=st.data())
def test_every_keyword_is_known_in_any_dress(name: str, data: st.DataObject) -> None:
    action, keyword = data.draw(st.sampled_from(keywords(name, of_answers=False)))
    text = data.draw(AROUND) + data.draw(dressed(keyword)) + data.draw(AROUND)
    found = read_by_both(text, name)
    assert found == Command(action), text


@budget(300)
@given(data=st.data(), numbers=st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True))
def test_numbers_are_known_in_any_dress(data: st.DataObject, numbers: list[int]) -> None:
    spellings = rules_of("packaged").commands.keywords["unsubscribe"]  # type: ignore[union-attr]
    keyword = data.draw(st.sampled_from(spellings))
    between = data.draw(st.sampled_from([", ", "、", ";", "/", " ", "+", "＋", "&", "،", "，"]))
    shown = between.join(map(str, numbers)).translate(
        str.maketrans("0123456789", data.draw(DIGITS))
    )
    text = data.draw(AROUND) + data.draw(dressed(keyword)) + data.draw(AROUND)
    found = read_by_both(text + shown + data.draw(AROUND), "packaged")
    assert found == Command("unsubscribe", "", tuple(numbers)), text


@budget(300)
@given(data=st.data(), action=st.sampled_from(["stop", "start"]))
def test_categories_are_known_in_any_dress(data: st.DataObject, action: str) -> None:
    rules = rules_of("talking")
    assert rules.commands is not None
    names = {category: category for category in rules.categories}
    names |= {one: id_ for id_, words in rules.commands.categories.items() for one in words}
    name = data.draw(st.sampled_from(sorted(names)))
    keyword = data.draw(st.sampled_from(rules.commands.keywords[action]))
    text = data.draw(AROUND) + data.draw(dressed(keyword)) + data.draw(AROUND)
    found = read_by_both(text + data.draw(dressed(name)) + data.draw(AROUND), "talking")
    assert found == Command(action, names[name]), text


@budget(400)
@given(data=st.data())
def test_an_answer_in_any_dress_is_none(data: st.DataObject) -> None:
    _, keyword = data.draw(st.sampled_from(keywords("packaged", of_answers=True)))
    number = data.draw(st.sampled_from(["", "1", " 2"]))
    before, after = data.draw(AROUND), data.draw(AROUND)
    bare = (before + after).split()
    assume(bare)
    found = read_by_both(before + keyword + number + after, "packaged")
    assert found is None or found.action not in ANSWERS


WORDS_OF_YES = sorted(rules_of("talking").commands.keywords["confirm"])  # type: ignore[union-attr]
PIECES = st.sampled_from(
    [*WORDS_OF_YES, "1", "2", "+", " ", ".", "!", "not", "please", "\u200b", "?"]
)


def is_exactly_yes(text: str) -> bool:
    """The word, then at most a plus and a number; of spaces there may be any."""
    left = "".join(normalize("NFKC", text).casefold().split())
    words = [normalize("NFKC", one).casefold() for one in WORDS_OF_YES]
    for word in words:
        if left.startswith(word):
            rest = left[len(word) :]
            number = rest.removeprefix("+")
            if not rest or (number.isdecimal() and len(number) <= 3):
                return True
    return False


@budget(400)
@given(st.lists(PIECES, max_size=5).map("".join) | st.text(max_size=12))
def test_no_charge_is_confirmed_but_by_the_word_itself(text: str) -> None:
    line = Talking(rules_of("talking"))
    line.begin(services=["video"])
    line.request_charge("video", 1500, 1)
    confirmed = ("charge", "video", "confirmed") in outcomes(line.text(text, 1.01))
    assert not confirmed or is_exactly_yes(text), text
    if text in WORDS_OF_YES:
        assert confirmed
