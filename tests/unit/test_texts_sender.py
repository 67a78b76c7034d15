"""What every text may say of its sender, and of ends as people count them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streamproc.contracts.rules_file import conversation
from streamproc.contracts.rules_file.conversation import default_commands
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.placeholders import ENDLESS, EVERYWHERE, REMINDER, Kind
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.checking import check
from streamproc.core.texts.reminding import last_day_before
from streamproc.core.texts.template import TextError, compile_text, template_error
from tests.support.rules import YAML, edited, problems
from tests.support.talking import RULES as TALKING
from tests.support.talking import Talking, talking_rules, texts

VOCABULARY = {**EVERYWHERE, "left": Kind.BYTES, "end": Kind.INSTANT, "day": Kind.DATE}
ENDS = "{end, select, never {for ever} midnight {to {day, date, ::MMMd}} other {to {end}}}"
MIDNIGHT = 29_498_400
"""2026-02-01 00:00."""


def shown(template: str, given: dict[str, str] | None = None, **values: Any) -> str:
    figures = SimpleNamespace(**{"left": 1000, "end": None, "day": None, **values})
    return compile_text(template, "en", VOCABULARY, "EUR", given).render(figures)


@pytest.mark.parametrize(
    ("left", "text"),
    [(ENDLESS, "no limit"), (0, "none"), (1000, "1 kB left"), (ENDLESS - 1, "1152921.50 TB left")],
)
def test_bytes_without_limit_have_a_branch_of_their_own(left: int, text: str) -> None:
    template = "{left, plural, unlimited {no limit} =0 {none} other {# left}}"
    assert shown(template, left=left).replace(".5 TB", ".50 TB") == text


def test_without_that_branch_they_are_other() -> None:
    assert shown("{left, plural, =0 {none} other {# left}}", left=ENDLESS) == "unlimited left"


def test_only_bytes_are_unlimited() -> None:
    problem = template_error("{days, plural, unlimited {x} other {#}}", "en", REMINDER)
    assert problem == "{days, plural}: unlimited is not a plural form of en; it has one, other"


@pytest.mark.parametrize(
    ("end", "text"),
    [(None, "for ever"), (MIDNIGHT, "to Jan 31"), (MIDNIGHT + 60, "to 2026-02-01 01:00")],
)
def test_an_end_at_midnight_is_the_day_before(end: int | None, text: str) -> None:
    assert shown(ENDS, end=end, day=last_day_before(end)) == text


def test_a_day_that_never_comes() -> None:
    assert shown("{day} {day, date} {day, select, never {never} other {{day}}}") == "- - never"


def test_what_the_rules_say_is_filled_in() -> None:
    given = {"brand": "A {b}", "care": "100"}
    assert shown("{brand}: {left}, {care}", given) == "A {b}: 1 kB, 100"
    assert (
        shown("{brand}: {left, plural, other {#, call {care}}}", given) == "A {b}: 1 kB, call 100"
    )


def test_a_text_of_literals_and_figures_stays_one() -> None:
    template = "{brand, select, none {Data} other {{brand}}}: {left}"
    for given, literal in ({"brand": "A"}, "A: "), ({}, "Data: "):
        assert compile_text(template, "en", VOCABULARY, "EUR", given).pieces == ((literal, "left"),)


def test_nobody_reads_a_hole() -> None:
    for template in ("{brand}: x", "{left, plural, =0 {{brand}} other {#}}"):
        with pytest.raises(TextError, match=r"\{brand\} is shown, and the rules give no brand"):
            compile_text(template, "en", VOCABULARY)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{brand, select, none {{foo}} other {x}}", "unknown placeholder {foo}"),
        ("{brand, select, none {x} other {{foo}}}", "unknown placeholder {foo}"),
        ("{brand, plural, other {x}}", "{brand} has no type 'plural'; its types: select"),
        ("{left, plural, other {{brand, select, a {#} other {}}}}", "right"),
    ],
)
def test_branches_that_are_not_taken_are_checked(template: str, problem: str) -> None:
    assert (template_error(template, "en", VOCABULARY) or "right").startswith(problem)


BRANDED = edited(
    YAML,
    ("version: 1", "version: 1\nbrand: {en: Example, de: Beispiel}\ncare: '100'"),
    ('{en: "{percent}% used"}', '{en: "{brand}, {care}", de: "{brand}, {care}", fr: "{brand}"}'),
)


def test_brand_and_care_are_by_locale() -> None:
    rules = load_rulebook(BRANDED, "r.yaml")
    texts = rules.rules_by_id["low"].texts
    shown = {
        locale: text_of("low", texts, REMINDER, locale, rules).render(None)
        for locale in ("en", "de", "de-AT", "fr")
    }
    expected = {"en": "Example, 100", "de": "Beispiel, 100", "fr": "Example"}
    assert shown == expected | {"de-AT": "Beispiel, 100"}
    assert [one.longest.text for one in check(rules)] == list(expected.values())


def test_the_fingerprint_covers_them() -> None:
    books = [
        load_rulebook(edited(BRANDED, change), "r.yaml")
        for change in (("Example", "Example"), ("Beispiel", "Muster"), ("'100'", "'101'"))
    ]
    assert len({one.fingerprint for one in books}) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("brand: {en: Example, de: Beispiel}\n", ""), "17: rules[0].texts.de: {brand} is shown"),
        (("care: '100'", "care: ' '"), "3: care: must be words, 1 to 100 characters"),
        (("{en: Example, de: Beispiel}", "{}"), "2: brand: must have at least 1 entries"),
        (("{en: Example", "{en: ''"), "2: brand.en: must be words, 1 to 100 characters, not ''"),
        (("{en: Example", "{en_US: Example"), "2: brand.en_US: must be a language tag"),
        (("{en: Example, de: Beispiel}", "5"), "2: brand: must be text, not 5"),
    ],
)
def test_what_is_wrong_with_them(change: tuple[str, str], problem: str) -> None:
    assert problems(edited(BRANDED, change))[0].startswith(problem)


def test_a_reply_and_a_word_in_it_name_them_too() -> None:
    words = (
        "texts: {help: {en: '{brand}: {stop_keyword}'}, none: {en: 'none of {brand}'}, "
        "overview: {en: 'Services: {services}.'}}"
    )
    changes = (
        ("version: 1", "version: 1\nbrand: Example"),
        ("commands:\n", f"commands:\n  {words}\n"),
    )
    line = Talking(talking_rules(*changes))
    line.begin(locale="en")
    assert texts(line.text("HELP", 1)) == ["Example: STOP"]
    assert "Services: none of Example." in texts(line.text("0000", 2))[0]


def test_a_packaged_reply_that_shows_them_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = default_commands()
    texts = {**packaged.texts, "help": {"en": "{brand}"}}
    monkeypatch.setattr(
        conversation, "default_commands", lambda: msgspec.structs.replace(packaged, texts=texts)
    )
    (found,) = problems(TALKING)
    assert "commands: the packaged reply help in en: {brand} is shown" in found
    assert load_rulebook(edited(TALKING, ("version: 1", "version: 1\nbrand: x")), "r.yaml")
    own = edited(TALKING, ("commands:\n", "commands:\n  texts: {help: {en: 'no brand'}}\n"))
    assert load_rulebook(own, "r.yaml")
