"""Arabic texts as a phone shows them: the Unicode bidirectional algorithm, by python-bidi.

Words are read from right to left. So the words of a shown line, from its right end, must be those
of the text in order: a number that joins a Latin name's run, or a unit that leaves its number, is
at another place.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from bidi import get_display

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.texts import packaged_content
from streamproc.core.rules.placeholders import Kind
from streamproc.core.rules.rulebook import Pack, Plan
from streamproc.core.texts import formats as formats_module
from streamproc.core.texts.checking import Checked, check
from streamproc.core.texts.direction import as_it_is
from streamproc.core.texts.formats import Formats, formats
from streamproc.core.texts.template import compile_text

MARKS = re.compile("[\u200e\u200f]")
NAMES = re.compile(r",?\s*\bnames: \{[^}]*\}")
SERVICES = """\
services:
  - {id: video-vip, price_minor: 1500}
  - {id: music2, price_minor: 800}
"""
QUESTIONS = """\
  - {id: ask, kind: subscription_question, category: service, texts: {ar: "%s"}}
  - {id: ask-charge, kind: charge_question, category: service, texts: {ar: "%s"}}
"""
ASKING = "هل توافق على {service} مقابل {price}، {deadline}؟"


def shown(text: str) -> str:
    """From left to right, as on a screen."""
    return MARKS.sub("", str(get_display(text, base_dir="R")))


def as_a_phone_shows(text: str) -> str:
    """The same where the first letter decides the direction, as on phones (UAX 9, P2)."""
    return MARKS.sub("", str(get_display(text)))


def is_in_order(text: str) -> bool:
    """Whether the words of a text are read in order, each with what belongs to it."""
    words = text.split()
    found = shown(text).split()[::-1]
    signs = re.findall(r"[A-Za-z]+[$¥€£]", text)
    return (
        len(found) == len(words)
        and all(one in _forms(word) for one, word in zip(found, words, strict=True))
        and all(sign in shown(text) for sign in signs)
    )


def _forms(word: str) -> set[str]:
    """A word by itself, and after Arabic letters, where ``77%`` has its sign on the left."""
    return {shown(word), shown(f"ا {word}").split()[0]}


def with_latin_names(currency: str = "CNY", more: str = "") -> list[Checked]:
    """The packaged texts about things whose names are Latin, as their ids are."""
    content = packaged_content("default.yaml")
    source = NAMES.sub("", content.rules.decode())
    source = source.replace("currency: CNY", f"currency: {currency}\n{more}{SERVICES}")
    source = source.replace("notices:\n", "notices:\n" + QUESTIONS % (ASKING, ASKING))
    rules = load_rulebook(source, "default.yaml", content.texts)
    return check(rules, ["ar"])


PACKS = ("us", "canada", "china", "india", "australia", "eu-roaming")
LATIN = with_latin_names()


def test_names_are_latin() -> None:
    assert any("video-vip" in one.longest.text for one in LATIN)
    assert any("data-basic" in one.longest.text for one in LATIN)
    assert len(LATIN) > 40


@pytest.mark.parametrize("text", LATIN, ids=lambda one: one.rule)
def test_each_number_stands_beside_its_unit_and_items_are_in_order(text: Checked) -> None:
    wrong = [one.text for one in text.rendered if not is_in_order(one.text)]
    assert wrong == []


def test_a_text_that_begins_with_a_latin_name_runs_from_right_to_left() -> None:
    branded = with_latin_names(more="brand: Airy\n")
    texts = [one.text for text in branded for one in text.rendered if "Airy" in one.text]
    assert len(texts) > 100
    assert [one for one in texts if as_a_phone_shows(one) != shown(one)] == []
    for source in ("{service}: {price}", "{brand}", "{price}، {service}"):
        known = {"service": Kind.NAME, "price": Kind.MONEY, "brand": Kind.NAME}
        text = compile_text(source, "ar", known, "USD", {"brand": "Airy"})
        said = text.render(SimpleNamespace(service="Video VIP", price=150))
        assert as_a_phone_shows(said) == shown(said)
        english = compile_text(source, "en", known, "USD", {"brand": "Airy"})
        assert "\u200f" not in english.render(SimpleNamespace(service="Video VIP", price=150))


@pytest.mark.parametrize("currency", ["SAR", "USD", "EUR", "AED", "EGP", "PLN"])
@pytest.mark.parametrize("display", ["narrow", "standard"])
def test_signs_of_money_stay_behind_their_amounts(currency: str, display: str) -> None:
    checked = with_latin_names(currency, f"currency_display: {display}\n")
    texts = {one.text for text in checked for one in text.rendered}
    # What has no money in it is as it is in any currency.
    with_money = texts - {one.text for text in LATIN for one in text.rendered}
    assert len(with_money) > 20
    assert [one for one in with_money if not is_in_order(one)] == []


@pytest.mark.parametrize(
    "pack", ["default.yaml", "quota.yaml", "showcase.yaml", *(f"packs/{one}.yaml" for one in PACKS)]
)
def test_the_packaged_files_are_in_order_with_their_own_names(pack: str) -> None:
    rules = packaged_rulebook(pack)
    things: list[Plan | Pack] = [*rules.plans.values(), *rules.packs.values()]
    names = {name for one in things for name in one.names.values()} | {"Video VIP"}
    names |= {name for by_locale in rules.source_names.values() for name in by_locale.values()}
    by_category = rules.commands.category_names.values() if rules.commands else ()
    names |= {name for by_locale in by_category for name in by_locale.values()}
    for text in check(rules, ["ar"]):
        for one in text.rendered:
            shown_text = one.text
            for name in sorted(names, key=len, reverse=True):  # a Latin run of several words
                shown_text = shown_text.replace(name, name.replace(" ", ""))
            shown_text = re.sub(r"\b([A-Z]{3,}) (?=[A-Za-z])", r"\1", shown_text)  # what is typed
            assert is_in_order(shown_text), one.text


@pytest.mark.parametrize(
    "text",
    [
        "باقة data-basic 2.4 جيجا",
        "الخدمات: 1 Video 15.00 CN¥؛ 2 Music 8.00 CN¥",
        "رسوم 15.00 CN¥، المتبقي",
    ],
)
def test_what_is_out_of_order_is_seen(text: str) -> None:
    assert not is_in_order(text)


def test_without_the_marks_the_packaged_texts_are_out_of_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats_module, "closed", as_it_is)
    formats.cache_clear()
    try:
        checked = with_latin_names("USD", "currency_display: standard\n")
        wrong = {text.rule for text in checked if not is_in_order(text.longest.text)}
    finally:
        formats.cache_clear()
    assert {"ask", "reply.services"} <= wrong


@pytest.mark.parametrize("tag", ["ar", "fa", "he", "ur"])
def test_names_and_amounts_have_marks_in_languages_from_right_to_left(tag: str) -> None:
    known = Formats(tag, "USD", is_narrow=False)
    assert known.name("Music").endswith("\u200f")
    assert known.name("Musik!").endswith("\u200e\u200f")
    assert known.name("موسيقى") == "موسيقى"
    assert known.list(["a", "b"]).count("\u200f") >= 2
    assert formats("en", "USD").name("Music") == "Music"
