"""What customers read in the packaged rules and packs: characters, sender, clocks, plans without
data."""

from __future__ import annotations

import re

import pytest

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.texts import packaged_content
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.texts.locales import best_name
from streamproc.core.texts.samples import owners_of
from tests.support.line import day, reminders
from tests.support.rules import edited
from tests.support.talking import Talking, texts

PACKS = ("australia", "canada", "china", "eu-roaming", "india", "us")
NO_DATA = """\
  - id: bare
    names: {en: Bare}
    allowances: []
    overage_price_minor: 29
"""


def begun(rules: Rulebook, locale: str, plan: str, zone: str = "UTC") -> Talking:
    line = Talking(rules)
    line.begin(locale=locale, plan=plan, time_zone=zone)
    return line


def everything(line: Talking) -> list[str]:
    """All replies, and what usage beyond the plan and the end of a pack lead to."""
    said = [one.text for one in reminders(line.effects)]
    line.top_up(1, pack="day-1gb")
    for at, word in enumerate(("0000", "YE", "CXLL", "YZ", "MDR", "DQTX", "TZ", "KT", "BZ")):
        said += texts(line.text(word, 1.1 + at / 100))
    said += texts(line.use(40_000_000_000, 3))
    return said


def test_nobody_reads_both_kinds_of_chinese_characters_in_one_text() -> None:
    for name in ("packs/china.yaml", "default.yaml"):
        for locale in ("zh-TW", "zh-HK", "zh-Hant", "yue", "zh-CN", "zh"):
            said = everything(begun(packaged_rulebook(name), locale, "family-20gb"))
            assert len(said) > 10
            for text in said:
                kinds = [re.search("[畅轻视频额务业]", text), re.search("[暢輕視頻額務業]", text)]
                assert not all(kinds), (name, locale, text)


def test_a_name_in_the_other_characters_gives_way_to_an_english_one() -> None:
    names = {"zh-CN": "畅享", "en": "Basic"}
    assert best_name(names, "zh-TW", "zh-CN") == "Basic"
    assert best_name(names, "zh-SG", "en") == "畅享"
    assert best_name({"zh-TW": "暢享", "pl": "Podst."}, "zh-CN", "pl") == "暢享"
    assert best_name({"sr-Latn": "Osnovni", "en": "Basic"}, "sr-Cyrl", "en") == "Osnovni"


@pytest.mark.parametrize("locale", ["zh-TW", "zh-HK", "zh-Hant"])
def test_a_reader_of_traditional_characters_reads_no_others_in_the_chinese_pack(
    locale: str,
) -> None:
    for plan in ("basic-5gb", "family-20gb"):
        for text in everything(begun(packaged_rulebook("packs/china.yaml"), locale, plan)):
            assert not re.search("[畅轻视频额务业请订现计费询复时将续办]", text), text
            assert not re.search("[a-z]{3}", text), text
    said = texts(begun(packaged_rulebook("packs/china.yaml"), locale, "basic-5gb").text("YE", 1))
    assert "剩餘上網量：方案一般上網量 5 GB" in said[0]


@pytest.mark.parametrize("name", ["default.yaml", *(f"packs/{one}.yaml" for one in PACKS)])
def test_a_text_names_its_sender_in_each_language_or_in_none(name: str) -> None:
    for owner in owners_of(packaged_rulebook(name)):
        named = {locale: "{brand}" in text for locale, text in owner.texts.items()}
        assert len(set(named.values())) == 1, (owner.name, named)


NOT_INCLUDED = {
    "en": "plan has no general data",
    "zh-CN": "不含通用流量",
    "zh-TW": "不含一般上網量",
    "pl": "danych do dowolnego użytku",
    "ru": "общего трафика",
    "ar": "لا تشمل",
}
USED_UP = re.compile(
    "used up|no (general|domestic) data left|用完|无可用|無可用|[Ww]ykorzystano|Nie masz już|"
    "израсходован|больше нет|نفد|لم تعد"
)


@pytest.mark.parametrize(("locale", "words"), NOT_INCLUDED.items())
def test_whose_plan_has_no_data_is_not_told_that_it_is_used_up(locale: str, words: str) -> None:
    line = begun(with_bare_plan("default.yaml"), locale, "bare")
    for word in ("0000", "CXLL"):
        (said,) = texts(line.text(word, 1 + len(word) / 100))
        assert words in said
        assert not USED_UP.search(said)
    (said,) = texts(line.use(1_000_000, 2))
    assert words in said
    assert not USED_UP.search(said)
    assert "0.29" in said.replace(",", ".")


@pytest.mark.parametrize(
    ("pack", "locale"),
    [("us", "en"), ("us", "es-US"), ("canada", "en-CA"), ("canada", "fr-CA")]
    + [("eu-roaming", one) for one in ("en", "de", "fr", "pl")]
    + [("china", one) for one in ("en", "zh-CN", "zh-TW")],
)
def test_replies_of_a_pack_show_clocks_as_its_other_texts_do(pack: str, locale: str) -> None:
    owners = owners_of(packaged_rulebook(f"packs/{pack}.yaml"))
    shown: dict[bool, set[str]] = {True: set(), False: set()}
    for owner in owners:
        is_reply = owner.name.startswith("reply.")
        text = owner.texts.get(locale) or owner.texts.get(locale.partition("-")[0], "")
        shown[is_reply] |= set(re.findall(r"as_of, time[^}]*", text))
    assert len(shown[True]) == 1
    assert shown[True] == shown[False]


@pytest.mark.parametrize("locale", ["en", "en-US", "en-GB", "fr", ""])
def test_an_american_reads_ends_by_the_clock_of_the_other_times(locale: str) -> None:
    line = begun(packaged_rulebook("packs/us.yaml"), locale, "flex-5gb")
    line.top_up(1, granted_bytes=1_000_000_000, expires_time=day(9.5))
    (said,) = texts(line.text("BALANCE", 2.25))
    assert "6:00 AM: " in said
    assert "(until Jan 10, 12:00 PM)" in said


@pytest.mark.parametrize("locale", ["en", "en-US"])
@pytest.mark.parametrize(
    ("time", "end"),
    [
        ("{as_of, time}", "Jan 10, 12:00 PM"),
        ("{as_of, time, medium}", "Jan 10, 12:00 PM"),
        ("{as_of, time, ::Hm}", "Jan 10, 12:00"),
    ],
)
def test_ends_in_a_list_have_the_clock_of_the_times_of_their_text(
    locale: str, time: str, end: str
) -> None:
    text = f"At {time}: {{buckets}}"
    rule = (
        f"rules:\n  - {{id: low, kind: usage_percent, thresholds: [1], category: balance,"
        f' bucket_kinds: [topup], texts: {{{locale}: "{text}"}}}}\n'
        f'commands: {{texts: {{balance: {{{locale}: "{text}"}}}}}}\n'
    )
    file = PLAN_OF_1000 + rule
    line = begun(load_rulebook(file, "rules.yaml"), locale, "basic")
    line.top_up(1, granted_bytes=1_000_000_000, expires_time=day(9.5))
    (reply,) = texts(line.text("BALANCE", 2.25))
    (message,) = texts(line.use(20_000_000, 3))
    for said in (reply, message):
        assert f"(until {end})" in said


PLAN_OF_1000 = """\
version: 1
currency: USD
default_locale: en
plans: [{id: basic, allowances: [{id: data, granted_bytes: 1000}]}]
"""


def with_bare_plan(name: str) -> Rulebook:
    """Packaged rules, and a plan without data."""
    content = packaged_content(name)
    return load_rulebook(
        edited(content.rules.decode(), ("plans:\n", "plans:\n" + NO_DATA)), name, content.texts
    )


PREPOSITIONS = {"pl": "o", "ru": "в", "de": "um", "fr": "à", "fr-CA": "à", "es-US": "a las"}
"""What stands before a time of day in these languages; elsewhere it stands alone."""


@pytest.mark.parametrize(
    "file",
    ["default.yaml", *(f"packs/{one}.yaml" for one in ("canada", "china", "eu-roaming", "us"))],
)
def test_a_time_of_a_summary_has_the_preposition_of_its_language(file: str) -> None:
    replies = packaged_rulebook(file).commands
    assert replies is not None
    for every in ("day", "week", "month", "month_start", "cycle_end"):
        found = replies.replies[f"word_{every}"].texts
        missing = [
            (locale, word)
            for locale, word in found.items()
            if locale in PREPOSITIONS and not word.endswith(f" {PREPOSITIONS[locale]}")
        ]
        assert missing == []
