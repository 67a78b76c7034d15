"""Nothing that others wrote steers the terminal of a person who looks at it."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.cli.failing import CommandGroup
from streamproc.cli.logs import configure
from streamproc.cli.printing import echo
from streamproc.errors import StreamprocError
from streamproc.printable import printable, printable_lines

ODD = "a\x1b[2J\x9b31m\r\x07\x7f\u202e\u2066\u200f\ufeff\u2028\U000e0041z"
ROOT = Path(__file__).parents[2]


def test_all_that_steers_is_shown_and_the_rest_stays() -> None:
    assert printable("Ünï 中文 עברית 🎉 a\u200db") == "Ünï 中文 עברית 🎉 a\u200db"
    assert printable("\x1b[31m") == "\\u001b[31m"
    assert printable("a\nb\tc") == "a\\u000ab\\u0009c"
    assert printable_lines("a\nb\tc\rd") == "a\nb\tc\\u000dd"
    assert printable("\udcff\U000e0041") == "\\udcff\\udb40\\udc41"
    steering = [one for one in map(chr, range(0x110000)) if _steers(one)]
    assert len(steering) > 2000
    assert not [one for one in steering if one in printable(one)]
    assert not [one for one in steering if one not in "\n\t" and one in printable_lines(one)]


def _steers(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (
        kind == "Cf" and unicodedata.bidirectional(character) in BIDI
    )


BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
"""Marks of direction. Unicode has all of them among the formats (Cf)."""


def test_json_stays_the_same_json() -> None:
    line = json.dumps({"id": ODD}, ensure_ascii=False)
    assert json.loads(printable_lines(line)) == {"id": ODD}


def test_echo_errors_and_log_lines_are_escaped(
    capsys: pytest.CaptureFixture[str], restored: Any
) -> None:
    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    def fails() -> None:
        echo(ODD)
        raise StreamprocError(ODD)

    result = CliRunner().invoke(group, ["fails"])
    assert result.exit_code == 1
    shown = printable_lines(ODD)
    assert result.output == f"{shown}\nError: {shown}\n"
    configure()
    logging.getLogger("x").warning("a record %s", ODD)
    told = capsys.readouterr().err
    assert shown in told
    assert "\x1b" not in told


@pytest.fixture
def restored() -> Any:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = kept[0], kept[1]


def test_commands_that_show_what_others_wrote_print_through_the_one_door() -> None:
    for name in ("explain", "dead_letters", "receipts", "send", "file_options", "verify"):
        text = (ROOT / f"streamproc/cli/{name}.py").read_text(encoding="utf-8")
        lines = [one for one in text.splitlines() if "click.echo" in one]
        assert not [one for one in lines if not re.search(r"\\r|\"\"", one)], name


def test_a_missing_file_with_an_odd_name_is_told_in_one_line() -> None:
    result = CliRunner().invoke(main, ["rules", "check", "no\x1b[31m\u202efile.yaml"])
    assert result.exit_code != 0
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
