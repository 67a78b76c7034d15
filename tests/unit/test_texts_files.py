"""Texts in the rules file and in the directory beside it: read, merged, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.contracts.rules_file.load import (
    RulesError,
    default_rulebook,
    load_rulebook,
    load_rules,
)
from streamproc.core.rules.rulebook import TextOptions
from streamproc.worker.rules import RulesFile
from tests.support.rules import YAML, edited, problems
from tests.support.talking import RULES

LONG = """\
    texts:
      en: {text: "{percent}% used", max_segments: 3, channels: {push: "{percent}%"}}
      pl: "{percent}%"
"""
RICH = edited(YAML, ('    texts: {en: "{percent}% used"}\n', LONG))


def wrong(texts: dict[str, str], rules: str = YAML) -> list[str]:
    with pytest.raises(RulesError) as caught:
        load_rulebook(rules, "r.yaml", texts)
    return str(caught.value).splitlines()


def test_a_text_may_say_what_it_needs_and_speak_otherwise_on_other_channels() -> None:
    rules = load_rulebook(RICH, "r.yaml")
    assert rules.usage_rules[0].texts == {"en": "{percent}% used", "pl": "{percent}%"}
    assert rules.text_options == {("low", "en"): TextOptions(3, {"push": "{percent}%"})}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("max_segments: 3", "max_segments: 0", "max_segments: must be at least 1, not 0"),
        ("max_segments", "max_segment", "max_segment: unknown field; did you mean max_segments?"),
        ('text: "{percent}% used", ', "", "text: is missing"),
        (
            "{percent}% used",
            "{foo}",
            "text: unknown placeholder {foo}; known: as_of, brand, bucket",
        ),
        ('push: "{percent}%"', 'push: "{foo}"', "channels.push: unknown placeholder {foo}"),
        ("push:", "P:", "channels.P: must be a channel such as push, not 'P'"),
    ],
)
def test_what_is_wrong_with_a_long_text(old: str, new: str, problem: str) -> None:
    (found,) = problems(edited(RICH, (old, new)))
    assert found.startswith(f"17: rules[0].texts.en.{problem}")


def test_a_text_is_a_string_or_a_mapping() -> None:
    assert problems(edited(RICH, ('pl: "{percent}%"', "pl: [1]"))) == [
        "18: rules[0].texts.pl: must be text, not a list"
    ]


def test_the_directory_adds_locales() -> None:
    rules = load_rulebook(YAML, "r.yaml", {"r.texts/pl.yaml": 'low: "{percent}%"\n'})
    assert rules.usage_rules[0].texts == {"en": "{percent}% used", "pl": "{percent}%"}
    toml = {"r.texts/pl.toml": '[low]\ntext = "{percent}%"\nmax_segments = 2\n'}
    rules = load_rulebook(YAML, "r.yaml", toml)
    assert rules.usage_rules[0].texts["pl"] == "{percent}%"
    assert rules.text_options == {("low", "pl"): TextOptions(2)}


def test_all_texts_of_a_rule_may_be_in_the_directory() -> None:
    rules = edited(YAML, ('    texts: {en: "{percent}% used"}\n', ""))
    texts = {"r.texts/pl.yaml": "low: pusto", "r.texts/en.yaml": "low: empty"}
    assert load_rulebook(rules, "r.yaml", texts).usage_rules[0].texts == {
        "en": "empty",
        "pl": "pusto",
    }
    assert problems(rules) == ["12: rules[0].texts: is missing"]


def test_the_directory_speaks_for_notices_and_replies_too() -> None:
    notice = next(iter(load_rulebook(RULES, "r.yaml").notices.values()))
    de = f"{notice.id}: Hallo\nreply.none: nichts\n"
    rules = load_rulebook(RULES, "r.yaml", {"r.texts/de.yaml": de})
    assert rules.notices[notice.kind].texts["de"] == "Hallo"
    assert rules.commands is not None
    assert rules.commands.replies["none"].texts["de"] == "nichts"
    assert rules.commands.replies["none"].texts["en"] == "none"
    told, _, known = wrong({"r.texts/de.yaml": "\nreply.help: '{foo}'"}, RULES)[0].rpartition(": ")
    assert told == "r.texts/de.yaml:2: reply.help: unknown placeholder {foo}; known"
    assert {"balance_keyword", "commands"} <= {*known.split(", ")}
    assert wrong({"r.texts/de.yaml": "reply.hello: x"}, RULES) == [
        "r.texts/de.yaml:1: reply.hello: r.yaml has no such rule"
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("pl.yaml", "\nlow: '{foo}'\n", "2: low: unknown placeholder {foo}; known: as_of"),
        ("pl.yaml", "low:\n  text: 'x'\n  channels:\n    push: '{'\n", "4: low.channels.push: "),
        ("pl.yaml", "low: ' '\n", "1: low: must not be empty"),
        ("pl.yaml", "low: 5\n", "1: low: must be text, not 5; put it in quotes"),
        ("pl.yaml", "low: {text: 5}\n", "1: low.text: must be text, not 5"),
        ("pl.yaml", "high: x\n", "1: high: r.yaml has no such rule"),
        ("en.yaml", "low: x\n", "1: low: there is a text in en already"),
        ("pl.yaml", "low: x\nlow: y\n", "2: low: given twice"),
        ("pl.yaml", "low: [\n", "2: not YAML"),
        ("pl.yaml", "", "1: the file is empty"),
        ("polish!.yaml", "low: x", "1: the name must be a language tag, such as pl.yaml"),
        ("pl.yaml", "low: '{threshold, number}'", "1: low: {threshold} has no type 'number'"),
        ("pl.yaml", "low: '{percent, plural, two {} other {}}'",
         "1: low: {percent, plural}: two is not a plural form of pl; it has few, many, one, other"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_directory_is_told_with_file_and_line(
    name: str, content: str, problem: str
) -> None:
    (found,) = wrong({f"r.texts/{name}": content})
    assert found.startswith(f"r.texts/{name}:{problem}")


def test_problems_of_all_files_are_told_at_once() -> None:
    texts = {"r.texts/ru.yaml": "low: '{foo}'", "r.texts/pl.yaml": "low: '{bar}'"}
    found = wrong(texts, edited(YAML, ("thresholds: [80, 100]", "thresholds: [0]")))
    assert [one.partition(" ")[0] for one in found] == [
        "r.yaml:14:",
        "r.texts/pl.yaml:1:",
        "r.texts/ru.yaml:1:",
    ]


def test_files_are_found_beside_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(YAML)
    directory = tmp_path / "rules.texts"
    directory.mkdir()
    (directory / "pl.yaml").write_text("low: pusto")
    (directory / "README.md").write_text("for translators")
    (directory / ".pl.yaml").write_text("an editor's")
    assert load_rules(path).usage_rules[0].texts["pl"] == "pusto"


def test_a_running_worker_follows_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(YAML)
    file = RulesFile(path)
    directory = tmp_path / "rules.texts"
    directory.mkdir()
    (directory / "pl.yaml").write_text("low: '{foo}'")
    assert (file.refresh(), file.refresh()) == (None, None)
    assert file.refusal is not None
    assert "pl.yaml:1: low: unknown placeholder {foo}" in file.refusal
    (directory / "pl.yaml").write_text("low: pusto")
    assert file.refresh() is None
    taken = file.refresh()
    assert taken is not None
    assert taken.usage_rules[0].texts["pl"] == "pusto"
    assert file.refusal is None


def test_the_packaged_rules_speak_languages_with_many_plural_rules() -> None:
    for rule in default_rulebook().rules_by_id.values():
        assert rule.texts.keys() >= {"zh-CN", "zh-TW", "en", "pl", "ru", "ar"}, rule.id
