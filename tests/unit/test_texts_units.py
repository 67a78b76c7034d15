"""Bytes in units of 1024, for operators whose gigabyte has as many megabytes."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.placeholders import ENDLESS
from streamproc.core.texts.checking import check
from streamproc.core.texts.formats import Formats
from streamproc.worker.native_bridge.taught_words import words_of
from tests.support.line import reminders
from tests.support.rules import YAML, edited
from tests.support.talking import Talking, talking_rules, texts

BINARY = edited(
    YAML,
    ("version: 1", "version: 1\nbyte_units: binary\ncommands: {}"),
    ("granted_bytes: 1_000_000}", "granted_bytes: 5_368_709_120}"),
    ('{en: "{percent}% used"}', '{en: "{remaining} of {granted}"}'),
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (1023, "<1 MB"),
        (1024, "1 kB"),
        (2**20 - 1, "1023.99 kB"),
        (2**20, "1 MB"),
        (10**9, "953.67 MB"),
        (5 * 2**30, "5 GB"),
        (2**40 + 2**39, "1.5 TB"),
        (ENDLESS, "unlimited"),
    ],
)
def test_units_of_1024_are_cut_and_never_rounded_up(count: int, text: str) -> None:
    assert Formats("en", "TWD", is_binary=True).bytes(count) == text


def test_prices_are_for_units_of_1024() -> None:
    shown = Formats("zh-TW", "TWD", is_binary=True)
    assert [shown.price_unit(one) for one in (2**20, 10 * 2**20, 2**30)] == ["MB", "10 MB", "GB"]


def test_reminders_replies_and_checks_have_them() -> None:
    rules = load_rulebook(BINARY, "r.yaml")
    line = Talking(rules)
    line.begin("basic", locale="en")
    (said,) = reminders(line.use(9 * 2**29, 1))
    assert said.text == "512 MB of 5 GB"
    assert said.granted_bytes == 5 * 2**30
    assert "data 512 MB" in texts(line.text("BALANCE", 2))[0]
    assert any(
        "of 847.7 MB" in one.longest.text for one in check(rules, ["en"]) if one.rule == "low"
    )


def test_the_compiled_part_leaves_them_to_python() -> None:
    decimal = load_rulebook(edited(BINARY, ("byte_units: binary\n", "")), "r.yaml")
    binary = load_rulebook(BINARY, "r.yaml")
    taught = [
        words_of(rules.usage_rules[0], "en", 20_000, rules, is_empty=False)
        for rules in (decimal, binary)
    ]
    assert taught[0] is not None
    assert taught[1] is None


@pytest.mark.parametrize(("display", "price"), [("narrow", "¥15.00"), ("standard", "CN¥15.00")])
def test_money_has_the_sign_that_the_rules_choose(display: str, price: str) -> None:
    line = Talking(talking_rules(("currency: CNY", f"currency: CNY\ncurrency_display: {display}")))
    line.begin(services=["music"])
    assert texts(line.charge("music", 1500, 1)) == [f"Music was charged {price}."]
