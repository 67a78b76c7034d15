"""Typography of every packaged text, by locale: punctuation, spaces, quotes, alphabet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace

import pytest

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.texts import packaged_content
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.checking import Checked
from streamproc.core.texts.formats import formats
from streamproc.core.texts.samples import owners_of
from streamproc.core.texts.segments import segments
from tests.support.checked import checked
from tests.support.rules import edited

FILES = (
    *("default.yaml", "quota.yaml", "showcase.yaml"),
    *(f"packs/{one}.yaml" for one in ("us", "canada", "china", "india", "australia", "eu-roaming")),
)
HAN = "\u4e00-\u9fff"
ARABIC = "\u0621-\u064a"
RULES: dict[str, list[tuple[str, str]]] = {
    "": [
        (r"  ", "two spaces"),
        (r"^\s|\s$", "a space at an end"),
        (r"\.\.|,,|;;|::|，，|。。|[,;:]\.", "doubled punctuation"),
        (r"\d{4}-\d\d-\d\d", "a date as machines write it"),
        (r"\b(per|par|je|za|por) 1 [MGk]?[Bo]\b|/1 [MGk]B", "per 1 of a unit"),
        (r"(?<![\d.,])\d+ B\b", "single bytes"),
        (r"\(-\)|（-）", "an end that is none"),
        ("\u200f\u200f|\u200e\u200e", "a mark of direction twice"),
        (r"\{|\}", "a brace"),
        (r"\bNone\b", "a value that is none"),
    ],
    "zh": [
        (rf"[{HAN}][,;:!?(]|[,;:!?)][{HAN}]", "half-width punctuation between Han"),
        (rf"[{HAN}]\.", "a full stop of Latin texts"),
        (r" [，。；：、（）【】]|[，。；：、（【] ", "a space beside full-width punctuation"),
        (r"[\"“”]", "quotes of other texts"),
        (rf"[{HAN}] [{HAN}](?![^「]*」)", "a space between Han"),
    ],
    "zh-CN": [("[「」]", "quotes of Taiwan")],
    "ar": [
        (rf"[{ARABIC}]\s?[,;?]|[,;?]\s?[{ARABIC}]", "Latin punctuation in Arabic"),
        (rf"^[^{ARABIC}\u200fA-Za-z]*[A-Za-z]", "Latin letters set the direction"),
    ],
    "fr": [(r"[^\s\d]:(?!\d)", "no space before a colon")],
}
RULES["pl"] = RULES["ru"] = RULES["de"] = [(r"[\"“]|''", "quotes of English texts")]
TIGHT = (r"\s[,.;!?%)](?!\w)|\( ", "a space before punctuation")


@cache
def rendered(file: str, sender: str = "") -> list[tuple[Checked, str]]:
    """Every text with usual figures, with or without the names of a sender."""
    content = packaged_content(file)
    text = edited(content.rules.decode(), ("version: 1\n", f"version: 1\n{sender}"))
    rules = load_rulebook(text, file, content.texts)
    return [
        (text, one.text)
        for text in checked(rules)
        for one in text.rendered
        if one.sample.is_usual or one.sample.name in ("zero", "unlimited")
    ]


def rules_of(locale: str, *, is_whole: bool = True) -> Iterator[tuple[str, str]]:
    """``is_whole``: no part of other texts, which may begin with anything."""
    language = locale.partition("-")[0]
    for key in dict.fromkeys(("", language, locale)):
        yield from (one for one in RULES.get(key, []) if is_whole or not one[0].startswith("^["))
    has_space = formats(locale, "XXX").percent(50).endswith(" %")
    yield (r"\d%", "no space before %") if has_space else (r"\d %", "a space before %")
    if language != "fr":
        pattern, what = TIGHT
        yield (pattern.replace("%", "") if has_space else pattern), what


def faults(file: str, sender: str = "") -> list[str]:
    found = []
    for text, shown in rendered(file, sender):
        is_whole = not text.rule.startswith(("reply.help_", "reply.word_", "reply.none"))
        for pattern, what in rules_of(text.locale, is_whole=is_whole):
            if re.search(pattern, shown):
                found.append(f"{text.rule} {text.locale}: {what}: {shown}")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("file", FILES)
def test_typography(file: str) -> None:
    found = faults(file) + faults(file, "brand: Airy\ncare: '1011'\n")
    assert found == [], "\n".join(found)


COMMANDING = [one for one in FILES if packaged_rulebook(one).commands is not None]
INVARIABLE = {
    *("off", "关闭", "關閉", "brak", "нет", "aus", "non", "no"),
    "متوقفة",  # the plural of things is feminine singular
}
"""A word for hours and for summaries, whose genders differ in some languages."""


@pytest.mark.parametrize("file", COMMANDING)
def test_what_is_off_fits_its_sentence(file: str) -> None:
    rules = packaged_rulebook(file)
    replies = {one.name: one for one in owners_of(rules) if one.is_reply}
    words = replies["reply.word_off"].texts
    assert set(words.values()) <= INVARIABLE
    for name in ("quiet_hours", "schedule"):
        owner = replies[f"reply.{name}"]
        for locale, word in words.items():
            text = text_of(owner.key, owner.texts, owner.known, locale, rules)
            shown = text.render(SimpleNamespace(keyword="KEYWORD", **{name: word}))
            found = [what for pattern, what in rules_of(locale) if re.search(pattern, shown)]
            assert not found, shown


@pytest.mark.parametrize("file", FILES)
def test_english_keeps_to_the_alphabet_of_sms(file: str) -> None:
    found = {
        f"{text.rule} {text.locale}: {shown}"
        for text, shown in rendered(file)
        if text.locale.startswith("en") and segments(shown)[0] != "gsm7"
    }
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("zh-CN", "您的日包,剩余1 GB"),
        ("zh-TW", "請回覆“退訂”"),
        ("zh-CN", "截至1月8日， 您的"),
        ("en", "50 % used"),
        ("en", "two  spaces"),
        ("de", "50% verbraucht"),
        ("fr-CA", "suspendues: 5"),
        ("ar", "باقة, المتبقي"),
        ("ar", "Music باقة"),
        ("pl", 'usługa "Music"'),
        ("en", "ends 2026-01-01"),
        ("en", "only 0 B left"),
        ("ru", "остаток , сгорит"),
    ],
)
def test_what_is_wrong_is_seen(locale: str, text: str) -> None:
    assert any(re.search(pattern, text) for pattern, _ in rules_of(locale))


@pytest.mark.parametrize(
    ("locale", "list_"),
    [("fr", "a 1 Go ; b 2 Go"), ("fr-CA", "a 1 Go; b 2 Go"), ("de", "a 1 Go; b 2 Go")],
)
def test_french_has_a_space_before_a_semicolon_but_in_canada(locale: str, list_: str) -> None:
    assert formats(locale, "EUR").clauses(["a 1 Go", "b 2 Go"]) == list_
