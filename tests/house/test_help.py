"""Help of the edges' commands: there for each, whole, and of every option."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main

COMMANDS = tuple(main.commands)
SPEAK_FOR_THEMSELVES = {"compression", "log_level", "log_format"}
"""Their choices say all."""


def _all() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        yield (name,)
        command = main.commands[name]
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield name, inner


def _command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", list(_all()), ids=" ".join)
def test_help_is_shown_and_speaks_of_every_option(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*path, "--help"])

    assert shown.exit_code == 0, shown.output
    for param in _command(path).params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.opts[0] in shown.output
            assert param.help or param.name in SPEAK_FOR_THEMSELVES, param.opts
    # Each option stands under one heading, once.
    listed = [line.split()[0] for line in shown.output.splitlines() if line.startswith("  --")]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("path", [(), ("dead-letters",)], ids=["streamproc", "dead-letters"])
def test_a_list_of_commands_cuts_no_line(path: tuple[str, ...]) -> None:
    lines = CliRunner().invoke(main, [*path, "--help"]).output.splitlines()
    named = [line for line in lines if line.split()[:1] and line.split()[0] in (*COMMANDS, "list")]

    assert named
    assert not [line for line in named if line.endswith("...")]


def test_what_is_missing_is_still_asked_for() -> None:
    said = CliRunner().invoke(main, ["dead-letters", "list"])

    assert said.exit_code == 2
    assert "Missing option '--broker'" in said.output
