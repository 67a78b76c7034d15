"""docs/texts.md says what is so."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.commands import REPLIES
from streamproc.core.rules.fields import TextEntry
from streamproc.core.rules.notices import PLACEHOLDERS
from streamproc.core.rules.placeholders import ENDLESS, REMINDER, Kind, Vocabulary
from streamproc.core.texts.template import compile_text
from tests.house.test_rules_docs import TEXT as RULES

TEXT = (Path(__file__).parents[2] / "docs" / "texts.md").read_text(encoding="utf-8")
EXAMPLE = RULES.split("```yaml\n", 1)[1].split("```", 1)[0]
ROWS = re.findall(r"^\| `(.+)` \| (\w+) = (.+) \| `(.+)` \|$", TEXT, re.MULTILINE)


def value(name: str, written: str) -> Any:
    kind = REMINDER[name]
    if kind is Kind.NAMES:
        return written.split(", ")
    if written == "unlimited":
        return ENDLESS
    if kind is Kind.DATE:
        return (datetime.fromisoformat(written) - datetime(1970, 1, 1)).days
    if kind is Kind.INSTANT:
        if written == "never":
            return None
        return (datetime.fromisoformat(written) - datetime(1970, 1, 1)) // timedelta(minutes=1)
    return int(written)


def test_the_table_of_messages_is_read() -> None:
    assert len(ROWS) == TEXT.split("| Template |", 1)[1].split("\n\n", 1)[0].count("\n") - 1


@pytest.mark.parametrize(("template", "name", "figure", "shown"), ROWS)
def test_a_message_is_shown_as_the_table_says(
    template: str, name: str, figure: str, shown: str
) -> None:
    figures = SimpleNamespace(**{name: value(name, figure)})
    assert compile_text(template, "en", REMINDER).render(figures) == shown


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_examples_load() -> None:
    inline, directory, sender, names = blocks("yaml")
    found = re.search(r"^    texts:\n(      .*\n)+", EXAMPLE, re.MULTILINE)
    assert found is not None
    rules = EXAMPLE.replace(found[0], inline, 1)
    book = load_rulebook(rules, "rules.yaml", {"rules.texts/pl.yaml": directory})
    assert book.rules_by_id["low-balance"].texts.keys() == {"zh-CN", "en", "pl"}
    assert load_rulebook(f"{sender}{EXAMPLE}", "rules.yaml").wording.care == {"zh-CN": "10010"}
    found = re.search(r"^packs:.*\n(  .*\n)+", EXAMPLE, re.MULTILINE)
    assert found is not None
    named = load_rulebook(EXAMPLE.replace(found[0], names, 1), "rules.yaml")
    assert named.packs["day-1gb"].names["en"] == "Day pack"
    assert named.wording.topup_names == {"en": "gift data"}
    assert book.text_options["cycle-end", "pl"].max_segments == 2
    assert "\n" not in book.rules_by_id["cycle-end"].texts["pl"]


def test_the_table_of_fields_is_the_type() -> None:
    written = TEXT.split("A text is a string, or a mapping:", 1)[1].split("\n\n", 2)[1]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", written, re.MULTILINE)
    defaults = {"required": msgspec.NODEFAULT, "none": msgspec.NODEFAULT, "1": 1}
    assert {name: defaults[default] for name, default in rows} == {
        field.name: field.default for field in msgspec.structs.fields(TextEntry)
    }


@pytest.mark.parametrize(
    ("command", "output"), re.findall(r"^\$ streamproc (.+)\n((?:.+\n)+)```", TEXT, re.MULTILINE)
)
def test_a_command_prints_what_is_shown(command: str, output: str) -> None:
    assert CliRunner().invoke(main, command.split()).stdout == output


def table(first: str) -> list[list[str]]:
    """The rows of the table whose head begins with a cell."""
    _, _, rest = TEXT.partition(f"| {first} |")
    lines = rest.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def described(vocabularies: Mapping[Any, Vocabulary], *firsts: str) -> dict[str, set[str]]:
    """By kind of text the placeholders that tables describe."""
    found: dict[str, set[str]] = {kind: set() for kind in vocabularies}
    for kinds, names, *_ in (row for first in firsts for row in table(first)):
        every = kinds == "all"
        patterns = ["*"] if every else re.findall(r"`([\w*]+)`", kinds)
        for pattern in patterns:
            of = fnmatch.filter(found, pattern)
            assert of, f"there is no {pattern}"
            for kind in of:
                for name in re.findall(r"`\{([\w*]+)\}`", names):
                    known = set(fnmatch.filter(vocabularies[kind], name))
                    assert known, f"{kind} has no {name}"
                    assert known.isdisjoint(found[kind]), f"{name} of {kind} is described twice"
                    found[kind] |= known
    return found


def test_it_is_said_of_what_each_placeholder_of_a_rule_is() -> None:
    rows = table("In rules")
    names = [name for row in rows for name in re.findall(r"`\{(\w+)\}`", row[0])]
    assert sorted(names) == sorted(REMINDER)
    assert all(len(row) == 6 and any(row[1:5]) for row in rows)


def test_it_is_said_of_what_each_placeholder_of_a_notice_is() -> None:
    assert described(PLACEHOLDERS, "In notices") == {k: set(v) for k, v in PLACEHOLDERS.items()}


def test_it_is_said_of_what_each_placeholder_of_a_reply_is() -> None:
    replies: Mapping[Any, Vocabulary] = REPLIES
    found = described(replies, "In replies", "In replies about choices")
    assert found == {k: set(v) for k, v in replies.items()}
