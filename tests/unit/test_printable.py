"""Nothing that others wrote steers the terminal of a person who looks at it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import unicodedata
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.table import Table
from rich.text import Text

from streamproc.cli import main
from streamproc.cli.failing import CommandGroup
from streamproc.cli.logs import configure
from streamproc.cli.printing import console, echo
from streamproc.dispatch.gateways.console import ConsoleGateway
from streamproc.dispatch.model import Origin, message_of
from streamproc.errors import StreamprocError
from streamproc.printable import printable, printable_lines
from tests.support.scheduler import START_MS, reminder

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


STEERING = {
    "printing.py": "the door itself",
    "completion.py": "a script for a shell",
    "failing.py": "nothing is printed there",
    "kafka_options.py": "a line that takes the place of the one before it",
    "verify.py": "the same",
    "rules.py": "problems, one a line",
    "reading.py": "problems, one a line",
}


def test_all_commands_print_through_the_one_door() -> None:
    for path in sorted((ROOT / "streamproc" / "cli").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        direct = re.findall(r"click\.s?echo\(|(?<!\.)\bprint\(|rich\.console import", text)
        assert not direct or path.name in STEERING or path.name == "demo.py", path


def test_a_styled_console_sends_nothing_of_others_to_the_terminal() -> None:
    out = io.StringIO()
    terminal = console(file=out, force_terminal=True, width=80, color_system="standard")
    terminal.print(Text(ODD, style="red"))
    table = Table("name")
    table.add_row(ODD)
    terminal.print(table)
    told = out.getvalue()
    assert "\x1b[31m" in told, "styles stay"
    assert "\u202e" not in told
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", told)


@pytest.mark.parametrize("error", [click.ClickException, click.UsageError, click.BadParameter])
def test_errors_of_click_are_escaped(error: type[click.ClickException]) -> None:
    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    def fails() -> None:
        raise error(f"no {ODD}")

    for arguments in (["fails"], [f"--{ODD}"], ["fails", f"--{ODD}"], [ODD]):
        told = CliRunner().invoke(group, arguments, color=True).output
        assert "\x1b" not in told
        assert "\u202e" not in told


def test_the_console_gateway_shows_what_steers(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(
        ConsoleGateway().send(message_of(reminder(1, text=ODD), Origin("t", 0, 0, START_MS), 0, 1))
    )
    assert printable_lines(ODD) in capsys.readouterr().out


def test_a_missing_file_with_an_odd_name_is_told_in_one_line() -> None:
    result = CliRunner().invoke(main, ["rules", "check", "no\x1b[31m\u202efile.yaml"])
    assert result.exit_code != 0
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
