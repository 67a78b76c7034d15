"""SMS without diacritics, where the rules ask for them."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.texts.checking import check
from streamproc.core.texts.letters import plain_letters
from streamproc.core.texts.segments import segments
from tests.support.line import SUBSCRIBER, reminders
from tests.support.rules import YAML, edited, problems
from tests.support.talking import Talking

POLISH = edited(
    YAML,
    ("version: 1", "version: 1\ntransliterate: [pl]"),
    ("{id: data, ", "{id: data, names: {pl: Łódź}, "),
    (
        '{en: "{percent}% used"}',
        '{pl: {text: "Zużyto „{bucket}” – {as_of, date, ::MMMd}", channels: {push: "Zużyto"}},'
        ' cs: "Využito", en: "x"}',
    ),
)


def test_an_sms_loses_its_diacritics_and_a_push_keeps_them() -> None:
    line = Talking(load_rulebook(POLISH, "r.yaml"))
    line.begin("basic", locale="pl")
    (said,) = reminders(line.use(900_000, 273))
    assert said.subscriber == SUBSCRIBER
    assert said.text == 'Zuzyto "Lodz" - 1 paz'
    assert (said.encoding, said.segments) == ("gsm7", 1)
    assert said.channel_texts == {"push": "Zużyto"}


def test_other_locales_keep_them() -> None:
    texts = {
        (one.locale, one.channel): one.longest.text
        for one in check(load_rulebook(POLISH, "r.yaml"))
    }
    assert texts["cs", "sms"] == "Využito"
    assert texts["pl", "push"] == "Zużyto"
    assert texts["pl", "sms"].startswith('Zuzyto "')


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Zażółć gęślą jaźń, ŁÓDŹ", "Zazolc gesla jazn, LODZ"),
        ("é è ù ì ò ñ ü ß Ç ä ö å", "é è ù ì ò ñ ü ß Ç ä ö å"),
        ("ç ê œ", "c e oe"),
        ("流量 Ж", "流量 Ж"),
        ("„a” ‘b’ – c…", "\"a\" 'b' - c..."),
        ("", ""),
    ],
)
def test_letters_of_the_alphabet_of_sms_stay(text: str, plain: str) -> None:
    assert plain_letters(text) == plain


def test_about_twice_as_much_fits_in_a_part() -> None:
    text = "Usługa zużyła część pakietu. " * 4
    assert (segments(text)[1], segments(plain_letters(text))[1]) == (2, 1)


@pytest.mark.parametrize("locale", ["zh-CN", "ru", "ar", "hi"])
def test_it_is_for_latin_letters(locale: str) -> None:
    wrong = edited(POLISH, ("[pl]", f"[pl, {locale}]"))
    assert problems(wrong) == [f"2: transliterate[1]: texts in {locale} are not in Latin letters"]
