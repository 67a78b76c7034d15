"""Templates: what they may say, how they are rendered, what is wrong with others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.core.rules.placeholders import Kind
from streamproc.core.state.effects import Threshold
from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.template import TextError, compile_text, template_error

VOCABULARY = {
    "left": Kind.BYTES,
    "days": Kind.COUNT,
    "cost": Kind.MONEY,
    "end": Kind.INSTANT,
    "plan": Kind.TEXT,
    "names": Kind.NAMES,
    "level": Kind.LEVEL,
}


def figures(**values: Any) -> Any:
    given: dict[str, Any] = {
        "left": 1_250_000_000,
        "days": 3,
        "cost": 1230,
        "end": 29_481_965,
        "plan": "basic",
        "names": ["data"],
        "level": Threshold("percent", 80),
    }
    return SimpleNamespace(**given | values)


def shown(template: str, locale: str = "en", **values: Any) -> str:
    return compile_text(template, locale, VOCABULARY, "CNY").render(figures(**values))


@pytest.mark.parametrize("count", range(9))
def test_a_plain_text_has_any_number_of_placeholders(count: int) -> None:
    assert shown("100% " + "{days};" * count) == "100% " + "3;" * count


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{left} left of {plan}", "1.25 GB left of basic"),
        ("{names}: {level}, {days}, {end}", "data: 80%, 3, 2026-01-20 14:05"),
        ("{{{plan}}} it's '{plan}'", "{basic} it's 'basic'"),
        ("{{left, plan}}", "{left, plan}"),
        ("nothing", "nothing"),
        ("{plan}", "basic"),
    ],
)
def test_plain_texts(template: str, text: str) -> None:
    assert shown(template) == text


def test_several_names_are_enumerated() -> None:
    assert shown("{names}", names=["a", "b", "c"]) == "a, b, and c"
    assert shown("{names}", "zh-TW", names=["a", "b", "c"]) == "a、b和c"


def test_what_has_no_meaning_is_shown_as_nothing() -> None:
    assert shown("[{days}{level}]", days=None, level=None) == "[]"


def test_what_never_ends_is_a_dash() -> None:
    assert shown("{end}", end=None) == "-"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (1, "<1 MB"),
        (999, "<1 MB"),
        (1000, "1 kB"),
        (999_999, "999.99 kB"),
        (1_000_000, "1 MB"),
        (1_050_000_000, "1.05 GB"),
        (1_999_999_999, "1.99 GB"),
        (10**12, "1 TB"),
        (2**53, "9007.19 TB"),
        (-1, "0 MB"),
        (-1_500_000, "0 MB"),
    ],
)
def test_bytes_are_cut_and_never_rounded_up(count: int, text: str) -> None:
    assert shown("{left}", left=count) == text
    assert shown("{left}", "zh-CN", left=count) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{foo}", "unknown placeholder {foo}; known: cost, days, end, left, level, names, plan"),
        ("{}", "unknown placeholder {}"),
        ("{left:>5}", "placeholder {left} takes no format"),
        ("{left!r}", "placeholder {left} takes no format"),
        ("{left.real}", "unknown placeholder {left.real}"),
        ("{left", "expected '}' before end of string"),
        ("left}", "Single '}' encountered in format string"),
    ],
)
def test_what_is_wrong_with_a_plain_text(template: str, problem: str) -> None:
    assert (template_error(template, "en", VOCABULARY) or "").startswith(problem)


@pytest.mark.parametrize(
    ("available", "wanted", "found"),
    [
        (["en", "zh-CN"], "zh-CN", "zh-CN"),
        (["en", "zh-CN"], "zh", "zh-CN"),
        (["en", "zh-CN"], "zh-TW", "zh-CN"),
        (["en", "zh-CN"], "fr", "en"),
        (["en", "zh-CN"], "", "en"),
        (["zh-CN", "fr"], "de", "fr"),
        (["en-GB", "zh-CN"], "EN-us", "en-GB"),
    ],
)
def test_the_best_locale_of_those_there_are(available: list[str], wanted: str, found: str) -> None:
    assert best_locale(available, wanted, "en") == found


def test_an_error_is_raised() -> None:
    with pytest.raises(TextError):
        compile_text("{foo}", "en", VOCABULARY)
