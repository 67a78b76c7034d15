"""No number of a subscriber need be an argument, which all users of a machine can see."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.cli.regions import Subscriber, Subscribers, each_once, refuse_second_reader

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NUMBER = "8613800000001"
AS_ARGUMENT = re.compile(r"streamproc [^\n]*?\b[0-9]{9,15}\b")


@click.command()
@click.argument("one", type=Subscriber())
@click.option("--member", type=Subscriber())
@click.option("--of", type=Subscribers(), multiple=True, callback=each_once)
@click.argument("file", required=False)
@click.pass_context
def show(context: click.Context, one: str, member: str, of: tuple[str, ...], file: str) -> None:
    if file == "-":
        refuse_second_reader(context, "FILE")
    click.echo(repr((one, member, of)))


def said(*arguments: str, given: str | bytes = "", code: int = 0) -> str:
    done = CliRunner().invoke(show, arguments, input=given)
    assert done.exit_code == code, done.output
    return done.output.strip()


def test_a_dash_is_standard_input_and_a_name_after_an_at_sign_a_file(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_text(f"{NUMBER}\n")
    several = tmp_path / "several"
    several.write_text(f"{NUMBER}\r\n\n8613800000002\n")

    assert said("-", given=f" {NUMBER}\n") == f"('{NUMBER}', None, ())"
    assert said(f"@{file}", "--member", "-", given="a\n") == f"('{NUMBER}', 'a', ())"
    assert (
        said(NUMBER, "--of", "-", "--of", "b", given="b\na\n") == f"('{NUMBER}', None, ('b', 'a'))"
    )
    file.write_bytes(NUMBER.encode("utf-8-sig"))
    assert said(f"@{file}") == said("-", given=f"\ufeff{NUMBER}") == f"('{NUMBER}', None, ())"
    assert said("x", "--of", f"@{several}") == f"('x', None, ('{NUMBER}', '8613800000002'))"


@pytest.mark.parametrize(
    ("arguments", "given", "problem"),
    [
        (("-",), "", "0 lines instead of one"),
        (("-",), "a\nb\n", "2 lines instead of one"),
        (("-", "--member", "-"), "a\n", "standard input is read for"),
        (("-", "-"), "a\n", "cannot both be standard input; use @FILE"),
        (("-",), b"\xff\xfe", "it has bytes that are not UTF-8"),
        (("@/no/such/file",), "", "cannot read /no/such/file: No such file"),
    ],
)
def test_a_wrong_use_is_one_line(
    arguments: tuple[str, ...], given: str | bytes, problem: str
) -> None:
    assert problem in said(*arguments, given=given, code=2)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_gives_a_number_as_an_argument(page: Path) -> None:
    assert AS_ARGUMENT.findall(page.read_text(encoding="utf-8")) == []


def _commands(group: click.Group) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, one in group.commands.items():
        found.append((name, one))
        if isinstance(one, click.Group):
            found += _commands(one)
    return found


def test_no_help_gives_a_number_as_an_argument_and_every_subscriber_may_be_a_dash() -> None:
    for name, command in _commands(main):
        assert AS_ARGUMENT.findall(command.help or "") == [], name
        for one in command.params:
            if {one.name} & {"subscriber", "member"} or one.opts == ["--subscriber"]:
                assert isinstance(one.type, Subscriber | Subscribers), (name, one.name)
