"""Every packaged text with figures at their worst, and that the check finds what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.load import default_rulebook, load_rulebook
from streamproc.core.rules.commands import REPLIES
from streamproc.core.texts.checking import Checked, check
from tests.support.checked import checked
from tests.support.rules import YAML, edited
from tests.support.talking import RULES
from tests.support.truth.probes import LOCALES

PACKAGED = checked(default_rulebook())


def name(text: Checked) -> str:
    return f"{text.rule}-{text.locale}-{text.channel}"


@pytest.mark.parametrize("locale", sorted({one.locale for one in PACKAGED}))
def test_the_packaged_texts_are_right_in_every_case(locale: str) -> None:
    found = {name(one): one.problems for one in PACKAGED if one.locale == locale}
    assert len(found) >= len(REPLIES)
    assert {one: problems for one, problems in found.items() if problems} == {}


REPLY = "reply."
"""Replies have no budget: they list what there is to list (docs/texts.md)."""


@pytest.mark.parametrize(
    "text",
    [one for one in PACKAGED if one.locale.startswith("zh") and not one.rule.startswith(REPLY)],
    ids=name,
)
def test_a_packaged_chinese_text_is_a_single_sms(text: Checked) -> None:
    usual = [one for one in text.rendered if one.sample.is_usual]
    assert len(usual) == 4
    assert max(len(one.text) for one in usual) <= 70
    assert {one.segments for one in usual} == {1}


@pytest.mark.parametrize("text", [one for one in PACKAGED if one.locale == "en"], ids=name)
def test_a_packaged_english_text_is_a_single_gsm7_sms(text: Checked) -> None:
    usual = [one for one in text.rendered if one.sample.is_usual]
    assert {one.encoding for one in usual} == {"gsm7"}
    is_list = text.rule in ("reply.balance", "reply.help")
    assert max(one.segments for one in usual) == (2 if is_list else 1)


def found(texts: str) -> list[str]:
    (text,) = check(load_rulebook(edited(YAML, ('{en: "{percent}% used"}', texts)), "r.yaml"))
    return text.problems


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ('{en: "{percent, plural, =100 {} other {left}}"}', "is empty with empty figures"),
        ('{pl: "{percent, plural, one {#} other {#}}"}', "{percent, plural} has no words for few"),
        ('{ru: "{percent, plural, one {#} few {#} other {#}}"}', "{percent, plural} has no words"),
        (f'{{zh: "{"长" * 68}{{percent}}"}}', "needs 2 segments (71 characters, ucs2) with empty"),
        (f'{{en: "{"x" * 158}{{percent}}"}}', "needs 2 segments (161 characters, gsm7) with empty"),
        (f'{{en: {{text: "{"x" * 305}{{percent}}", max_segments: 2}}}}', "needs 3 segments (308"),
    ],
)
def test_what_the_check_finds(texts: str, problem: str) -> None:
    assert any(one.startswith(problem) for one in found(texts)), found(texts)


@pytest.mark.parametrize(
    "texts",
    [
        f'{{zh: "{"长" * 67}{{percent}}"}}',
        f'{{en: {{text: "{"x" * 303}{{percent}}", max_segments: 2}}}}',
        '{pl: "{percent, plural, other {#}}"}',
        '{pl: "{percent, plural, =1 {#} other {#}}"}',
        '{ru: "{percent, plural, one {#} few {#} many {#} other {#}}"}',
    ],
)
def test_what_the_check_lets_pass(texts: str) -> None:
    assert found(texts) == []


def test_other_channels_have_no_budget() -> None:
    rules = edited(YAML, ("{en:", f'{{fr: {{text: x, channels: {{push: "{"长" * 900}"}}}}, en:'))
    assert [(one.channel, one.problems) for one in check(load_rulebook(rules, "r.yaml"))] == [
        ("sms", []),
        ("push", []),
        ("sms", []),
    ]


TALKING = load_rulebook(RULES, "rules.yaml")


def test_texts_of_notices_and_replies_are_checked_too() -> None:
    found = checked(TALKING)
    names = {one.rule for one in found}
    assert names > {f"reply.{one}" for one in REPLIES}
    assert names > {one.id for one in TALKING.notices.values()}
    assert [problem for one in found for problem in one.problems] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_reply_is_there_in_every_packaged_locale(locale: str) -> None:
    found = {one.rule for one in checked(TALKING) if one.locale == locale}
    assert found >= {f"reply.{one}" for one in REPLIES}


def test_a_notice_has_a_budget_and_a_reply_has_none() -> None:
    too_long = "ü" * 161
    texts = {"rules.texts/de.yaml": f"welcome: {too_long}\nreply.help: {too_long}\n"}
    found = check(load_rulebook(RULES, "rules.yaml", texts), ["de"])
    problems = {one.rule: one.problems for one in found}
    assert problems["reply.help"] == []
    assert problems["welcome"][0].startswith("needs 2 segments (161 characters, gsm7)")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["texts", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_lint_of_the_packaged_texts() -> None:
    code, out, _ = run("lint")
    assert (code, out) == (0, f"OK: {len(PACKAGED)} texts in {', '.join(sorted(LOCALES))}\n")


def test_lint_names_rule_locale_and_channel(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(edited(YAML, ('{en: "{percent}% used"}', f'{{zh: "{"长" * 71}"}}')))
    code, _, err = run("lint", str(path))
    assert code == 1
    assert err.splitlines()[0].startswith("low zh sms: needs 2 segments (71 characters, ucs2)")


def test_a_wrong_file_is_told_as_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(edited(YAML, ("{percent}", "{foo}")))
    code, _, err = run("lint", str(path))
    assert code == 1
    assert err.startswith(f"{path}:16: rules[0].texts.en: unknown placeholder {{foo}}")


def test_preview_shows_the_longest_of_what_was_asked_for() -> None:
    code, out, _ = run("preview", "--rule", "cycle-end", "--locale", "pl")
    assert (code, out.splitlines()[0], len(out.splitlines())) == (0, "cycle-end pl sms", 2)
    assert "Okres rozliczeniowy kończy się z końcem dnia 27 listopada. Niewykorzystane" in out


def test_preview_of_extreme_figures() -> None:
    _, out, _ = run("preview", "--rule", "low-balance", "--locale", "en", "--all")
    for one in ("negative", "endless", "huge", "five buckets", ", 0 MB of", "2001.59 TB of"):
        assert one in out, one


def test_preview_of_what_is_not_there() -> None:
    code, _, err = run("preview", "--locale", "xx")
    assert (code, err) == (1, "Error: no such text\n")


def test_thresholds_and_money_are_as_large_as_the_rules_have_them() -> None:
    rules = edited(
        YAML,
        ("granted_bytes: 1_000_000}", "granted_bytes: 1_000_000}\n    cost_cap_minor: 5000"),
        ("kind: usage_percent", "kind: spend_percent"),
        ("{percent}% used", "{threshold} of {cap}: {spend}"),
    )
    (text,) = check(load_rulebook(rules, "r.yaml"))
    assert text.longest.text == "100% of €58.88: €58.88"
