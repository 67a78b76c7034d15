"""ICU messages and the formats of locales, by CLDR."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.core.texts.formats import formats
from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.template import compile_text, template_error
from tests.unit.test_texts_template import VOCABULARY, shown

LANGUAGES = ("en", "zh_CN", "zh_TW", "pl", "ru", "ar", "de", "fr", "pt_BR", "ja", "hi", "lv", "ga")


@pytest.mark.parametrize(
    ("locale", "count", "text"),
    [
        ("en", 0, "0 days"),
        ("en", 1, "1 day"),
        ("pl", 1, "1 dzień"),
        ("pl", 3, "3 dni"),
        ("pl", 5, "5 dni (wiele)"),
        ("pl", 22, "22 dni"),
        ("ru", 1, "1 день"),
        ("ru", 21, "21 день"),
        ("ru", 4, "4 дня"),
        ("ru", 11, "11 дней"),
        ("ar", 0, "لا أيام"),
        ("ar", 1, "يوم"),
        ("ar", 2, "يومان"),
        ("ar", 7, "7 أيام"),
        ("ar", 11, "11 يومًا"),
        ("ar", 100, "100 يوم"),
        ("zh-CN", 1, "1天"),
        ("zh-TW", 30_000, "30,000天"),
    ],
)
def test_plural_forms_are_those_of_the_language(locale: str, count: int, text: str) -> None:
    forms = {
        "en": "one {# day} other {# days}",
        "pl": "one {# dzień} few {# dni} many {# dni (wiele)} other {# dnia}",
        "ru": "one {# день} few {# дня} many {# дней} other {# дня}",
        "ar": "zero {لا أيام} one {يوم} two {يومان} few {# أيام} many {# يومًا} other {# يوم}",
        "zh": "other {#天}",
    }[locale.partition("-")[0]]
    assert shown(f"{{days, plural, {forms}}}", locale, days=count) == text


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("{days, plural, =0 {none} other {#}}", {"days": 0}, "none"),
        ("{days, plural, =-1 {less} other {#}}", {"days": -1}, "less"),
        ("{days, plural, other {#}}", {"days": None}, "0"),
        ("{days, plural, offset:1 =1 {you} one {you and # other} other {you and # others}}",
         {"days": 2}, "you and 1 other"),
        ("{days, selectordinal, one {#st} two {#nd} few {#rd} other {#th}}", {"days": 22}, "22nd"),
        ("{days, number}", {"days": 1234567}, "1,234,567"),
        ("{days, percent}", {}, "3%"),
        ("{left, plural, =0 {nothing} other {#}} left", {"left": 0}, "nothing left"),
        ("{left, plural, =0 {nothing} other {#}} left", {}, "1.25 GB left"),
        ("{cost, plural, =0 {free} other {{cost}}}", {}, "¥12.30"),
        ("{names, list}", {"names": ["a", "b", "c"]}, "a, b, and c"),
        ("{names, plural, one {{names} is} other {# are: {names}}}", {}, "data is"),
        ("{names, plural, one {{names} is} other {# are: {names}}}", {"names": ["a", "b"]},
         "2 are: a and b"),
        ("{end, time}", {}, "2:05 PM"),
        ("{end, time, ::Hm}", {}, "14:05"),
        ("{end, date}", {}, "Jan 20, 2026"),
        ("{end, date, short}", {}, "1/20/26"),
        ("{end, date, ::MMMd}", {}, "Jan 20"),
        ("{end, datetime}", {}, "1/20/26, 2:05 PM"),
        ("Ends {end, time}.", {}, "Ends 2:05 PM."),
        ("{end, date}", {"end": None}, "-"),
        ("{end, select, never {for good} other {until {end, date}}}", {}, "until Jan 20, 2026"),
        ("{end, select, never {for good} other {until {end}}}", {"end": None}, "for good"),
        ("{plan, select, basic {small} other {large}}", {}, "small"),
        ("{plan, select, basic {small} other {large}}", {"plan": "x"}, "large"),
        ("it''s '{'{plan}'}', 100%{days, plural, other {}}", {}, "it's {basic}, 100%"),
    ],
)  # fmt: skip
def test_messages(template: str, values: dict[str, Any], text: str) -> None:
    assert shown(template, **values) == text


@pytest.mark.parametrize(
    ("locale", "bytes", "money", "percent", "number", "date", "time"),
    [
        ("en", "1.25 GB", "¥12.30", "3%", "12,345", "Jan 20, 2026", "2:05 PM"),
        ("zh-CN", "1.25 GB", "¥12.30", "3%", "12,345", "2026年1月20日", "14:05"),
        ("zh-TW", "1.25 GB", "¥12.30", "3%", "12,345", "2026年1月20日", "下午2:05"),
        ("pl", "1,25 GB", "12,30 ¥", "3%", "12 345", "20 sty 2026", "14:05"),
        ("ru", "1,25 ГБ", "12,30 ¥", "3%", "12 345", "20 янв. 2026 г.", "14:05"),
        (
            "ar",
            "1.25 جيجا",
            "\u200f12.30 ¥",
            "3%",
            "12,345",
            "20\u200f/01\u200f/2026",
            "2:05 م",
        ),
        ("fr", "1,25 Go", "12,30 ¥", "3 %", "12 345", "20 janv. 2026", "14:05"),
        ("de", "1,25 GB", "12,30 ¥", "3 %", "12.345", "20.01.2026", "14:05"),
    ],
)
def test_figures_are_written_as_the_locale_does(
    locale: str, bytes: str, money: str, percent: str, number: str, date: str, time: str
) -> None:
    assert shown("{left}", locale) == bytes
    assert shown("{cost}", locale) == money
    assert shown("{days, percent}", locale) == percent
    assert shown("{level}", locale) == percent.replace("3", "80")
    assert shown("{days, number}", locale, days=12_345) == number
    assert shown("{end, date}", locale) == date
    assert shown("{end, time}", locale) == time


@pytest.mark.parametrize("language", ["de", "it"])
def test_one_of_a_unit_has_the_symbol_that_more_of_it_have(language: str) -> None:
    known = formats(language, "EUR")
    assert [known.bytes(one) for one in (1, 2, 1000, 2000, 10**6, 2 * 10**6)] == [
        *("<1 MB", "<1 MB", "1 kB", "2 kB", "1 MB", "2 MB"),
    ]


def test_minor_units_are_those_of_the_currency() -> None:
    for currency, text in (
        ("INR", "Rs 12.30"),
        ("ILS", "ILS 12.30"),
        ("JPY", "¥1,230"),
        ("KWD", "KWD 1.230"),
        ("EUR", "€12.30"),
    ):
        template = compile_text("{cost}", "en", VOCABULARY, currency)
        assert template.render(type("F", (), {"cost": 1230})) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_figure_has_a_space_that_makes_a_text_ucs2(language: str) -> None:
    known = formats(language.replace("_", "-"), "CNY")
    texts = [known.bytes(10**9), known.money(123_456_789), known.number(1_234_567)]
    texts += [known.percent(80), known.instant("datetime", "short")(29_473_285)]
    assert not {"\u00a0", "\u202f"} & set("".join(texts))


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{days, plural, one {#} few {#} other {#}}",
         "{days, plural}: few is not a plural form of en; it has one, other"),
        ("{days, plural, =x {} other {}}", "{days, plural}: =x is not a whole number"),
        ("{days, plural, one {#}}", "Expected plural sub-message other at character 23"),
        ("{days, plural}", "Expected plural sub-messages at character 14"),
        ("{left, plural, offset:1 other {#}}", "{left, plural} takes no offset"),
        ("{left, number}", "{left} has no type 'number'; its types: plural"),
        ("{level, number}", "{level} has no type 'number'; its types: none"),
        ("{days, number, percent}", "{days, number} takes no style"),
        ("{end, date, tiny}", "the style of {end, date}: 'tiny': one of short, medium"),
        ("{end, date, ::QQQQzz}", "the style of {end, date}: '::QQQQzz' is not a skeleton of en"),
        ("{end, select, soon {} other {}}", "{end, select} knows never, midnight, other only"),
        ("{foo, number}", "unknown placeholder {foo}"),
        ("{days, plural, other {{foo}}}", "unknown placeholder {foo}"),
        ("{days, number} {{", "Expected placeholder name at character 17"),
        ("{days, number", "Expected , or } at character 14"),
        ("{days, number} }", 'Unexpected "}" at character 16'),
        ("{days, plural, other {" * 60, "Too much recursion at character"),
        ("{days, plural, other {x} other {y}}", "the branch other is given twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_message(template: str, problem: str) -> None:
    assert (template_error(template, "en", VOCABULARY) or "right").startswith(problem)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("zh-HK", "zh-TW"), ("zh-Hant", "zh-TW"), ("zh-MO", "zh-TW"), ("zh-SG", "zh-CN"),
        ("zh", "zh-CN"), ("zh-Hans-HK", "zh-CN"),
    ],
)  # fmt: skip
def test_script_counts_more_than_country(wanted: str, found: str) -> None:
    assert best_locale(["en", "zh-CN", "zh-TW"], wanted, "en") == found


def test_a_sentence_that_ends_with_an_abbreviation_has_one_full_stop() -> None:
    assert shown("El ciclo termina a las {end, time}.", "es-US").endswith("2:05 p.m.")
    assert shown("Fin le {end, date, ::MMMd}. {plan}", "fr") == "Fin le 20 janv. basic"
    assert shown("{end, time}... {plan}", "es-US").endswith("p.m.... basic")


def test_an_unknown_language_has_english_figures() -> None:
    assert shown("{left} {cost}", "tlh") == "1.25 GB ¥12.30"


def test_names_and_branches_of_a_message_are_known() -> None:
    text = compile_text("{days, plural, one {{left}} other {#}} {plan}", "en", VOCABULARY)
    assert text.names == {"days", "left", "plan"}
    assert text.branches == (("days", "plural", frozenset({"one", "other"})),)
