"""What changes from one rulebook to another one, in words."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.tools.publishing.changed_words import differences
from tests.support.rules import TOML, YAML, edited

MORE = edited(
    YAML,
    (
        "rules:\n",
        """\
rules:
  - {id: monthly, kind: usage_summary, every: month, at: "09:00", category: balance,
     texts: {en: "{used}"}}
  - {id: costs, kind: spend_amount, thresholds: [1000], category: money, texts: {en: "{spend}"}}
""",
    ),
)


def book(text: str) -> Rulebook:
    return load_rulebook(text, "rules.yaml")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[80, 100]", "[75, 100]", "rule low: thresholds: 80 %, 100 % → 75 %, 100 %"),
        (
            "granted_bytes: 1_000_000",
            "granted_bytes: 5_000_000",
            "plan basic: allowance data, granted: 1 MB → 5 MB",
        ),
        (
            "granted_bytes: 1_000_000",
            "granted_bytes: 1_000_001",
            "plan basic: allowance data, granted: 1,000,000 bytes → 1,000,001 bytes",
        ),
        ("validity_hours: 24", "validity_hours: 36", "pack extra: validity: 1 d → 36 h"),
        ("[1000]", "[1000, 2550]", "rule costs: thresholds: 10.00 EUR → 10.00 EUR, 25.50 EUR"),
        ('at: "09:00"', 'at: "10:30"', "rule monthly: at: 09:00 → 10:30"),
        ('"{used}"', '"Used: {used}"', 'rule monthly: texts, en: "{used}" → "Used: {used}"'),
        ("kind: spend_amount", "kind: used_bytes", "rule costs: spend amount → used bytes"),
        ("default_locale: en", "default_locale: de", "default locale: en → de"),
        (
            "hold_unknown_seconds: 60",
            "hold_unknown_seconds: 90",
            "limits: hold unknown: 1 min → 90 s",
        ),
    ],
)
def test_each_change_is_one_line(before: str, after: str, words: str) -> None:
    assert differences(book(MORE), book(edited(MORE, (before, after)))) == [words]


def test_what_is_added_and_removed_is_named() -> None:
    added = list(differences(book(YAML), book(MORE)))
    assert added == ["rule costs: new (spend amount)", "rule monthly: new (usage summary)"]
    assert differences(book(MORE), book(YAML)) == ["rule costs: removed", "rule monthly: removed"]
    renamed = edited(YAML, ("id: extra", "id: other"))
    assert differences(book(YAML), book(renamed)) == ["pack extra: removed", "pack other: new"]


def test_money_is_in_the_currency_of_its_rulebook() -> None:
    priced = edited(MORE, ("currency: EUR", "currency: JPY"), ("[1000]", "[1200]"))
    assert differences(book(MORE), book(priced)) == [
        "currency: EUR → JPY",
        "rule costs: thresholds: 10.00 EUR → 1,200 JPY",
    ]


def test_another_form_and_order_with_the_same_meaning_is_no_change() -> None:
    toml = load_rulebook(TOML, "rules.toml")
    commented = edited(YAML, ("rules:\n", "# a comment\nrules:\n"))
    assert differences(book(YAML), toml) == differences(book(YAML), book(commented)) == []


def test_segments_of_a_text_are_told() -> None:
    longer = edited(
        YAML, ('{en: "{percent}% used"}', '{en: {text: "{percent}% used", max_segments: 2}}')
    )
    assert differences(book(YAML), book(longer)) == ["text of low in en: max segments: 1 → 2"]
