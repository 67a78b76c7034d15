"""What ``texts lint`` says of texts, names and dates that readers lack, and what preview shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.load import default_rulebook, load_rulebook
from streamproc.core.texts.checking import check
from streamproc.core.texts.missing_texts import missing_names, missing_texts, times_without_dates
from tests.support.checked import checked
from tests.support.rules import YAML, edited
from tests.support.talking import RULES

PACKS = ("us", "canada", "eu-roaming", "china", "india", "australia")


def book(*changes: tuple[str, str], rules: str = YAML):  # type: ignore[no-untyped-def]
    return load_rulebook(edited(rules, *changes), "r.yaml")


def texts(written: str) -> tuple[str, str]:
    return '{en: "{percent}% used"}', written


NOTICE = """\
notices:
  - {id: hello, kind: activation_welcome, category: x, texts: {en: "Hello", pl: "Witamy"}}
"""


def test_a_locale_that_others_have_and_one_lacks_is_named() -> None:
    rules = book(("rules:", NOTICE + "rules:"))
    assert missing_texts(rules) == ["low: no text in pl, which others have"]


@pytest.mark.parametrize(
    ("written", "missing"),
    [
        ("{en-GB: a, pl-PL: b}", []),
        ("{en-US: a}", ["pl"]),
        ("{pl: a}", ["en"]),
        ("{en: a, pl: b, zh-TW: c, zh-HK: d}", ["hello: zh-TW, zh-HK"]),
        ("{en: a, pl: b, zh-TW: c, zh-CN: d}", ["hello: zh-TW, zh-CN"]),
    ],
)
def test_another_country_is_no_gap_and_another_script_is_one(
    written: str, missing: list[str]
) -> None:
    rules = book(("rules:", NOTICE + "rules:"), texts(written))
    assert missing_texts(rules) == [
        f"{one if ':' in one else f'low: {one}'}, which others have".replace(": ", ": no text in ")
        for one in missing
    ]


def test_replies_lack_what_the_rules_have_and_may_have_more() -> None:
    commands = ("rules:", "commands: {}\nrules:")
    assert missing_texts(book(commands)) == []
    german = missing_texts(book(commands, texts("{de: a}")))
    assert "reply.help: no text in de, which others have" in german
    assert all(one.startswith("reply.") for one in german)


def test_names_that_texts_show_are_missed_by_locale() -> None:
    assert missing_names(book()) == []
    shown = texts('{en: "{bucket}", pl: "{bucket}"}')
    assert missing_names(book(shown)) == [
        "allowance data has no name in en, pl",
        "pack extra has no name in en, pl",
    ]
    named = ("{id: data, ", "{id: data, names: {en: Data}, ")
    assert missing_names(book(shown, named))[0] == "allowance data has no name in pl"


def test_names_of_everything_that_replies_list_are_missed() -> None:
    found = missing_names(load_rulebook(RULES, "r.yaml"))
    for one in ("plan small", "allowance data", "pack extra", "zone asia", "category balance"):
        assert any(gap.startswith(f"{one} has no name in en") for gap in found), one
    assert "service music has no name in zh-CN" in found
    assert not any(gap.startswith("service video") for gap in found)


@pytest.mark.parametrize(
    ("template", "is_lonely"),
    [
        ("{as_of, time}", True),
        ("{as_of, time, ::Hm} and {expires, date}", True),
        ("{as_of, date, ::MMMd}, {as_of, time}", False),
        ("{as_of, datetime}", False),
        ("{as_of}", False),
        ("{percent, plural, one {{as_of, time}} other {}}.", True),
    ],
)
def test_a_time_without_a_date_is_told_of(template: str, is_lonely: bool) -> None:
    rules = book(texts(f'{{en: "{template}"}}'))
    assert bool(times_without_dates(rules)) is is_lonely
    short = book(("category: balance", "category: balance\n    ttl_seconds: 600"),
                 texts(f'{{en: "{template}"}}'))  # fmt: skip
    assert times_without_dates(short) == []


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["texts", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_lint_fails_for_a_gap_and_warns_of_names(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(edited(YAML, ("rules:", NOTICE + "rules:")))
    code, _, err = run("lint", str(path))
    assert (code, err) == (1, "low: no text in pl, which others have\n")
    path.write_text(edited(YAML, texts('{en: "{bucket}"}')))
    code, out, err = run("lint", str(path))
    assert (code, out) == (0, "OK: 1 texts in en\n")
    assert err.splitlines()[0] == "warning: allowance data has no name in en"
    assert run("lint", "--strict", str(path))[0] == 1


def test_preview_shows_lists_keywords_and_hours_as_they_are() -> None:
    shown = {
        one.rule: one.longest.text for one in checked(default_rulebook()) if one.locale == "pl"
    }
    assert "1 Video VIP 15,00 zł" not in shown["reply.services"]  # the rules' currency is CNY
    assert "1 Video VIP 15,00 ¥; 2 Music 8,00 ¥" in shown["reply.services"]
    assert "22:00-07:30" in shown["reply.quiet_hours"]
    assert "WWW" not in "".join(shown.values())
    german = load_rulebook(edited(RULES, ("Video VIP", "Films and series")), "r.yaml")
    (one,) = [o for o in check(german, ["en"]) if (o.rule, o.locale) == ("reply.services", "en")]
    assert "1 Films and series ¥15.00; 2 Music ¥8.00" in one.longest.text
