"""docs/play.md, docs/rules.md and the README say what is so: their commands are run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.producing.events import checked_value, subscriber_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "play.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
GAP = "...\n"
"""A line that stands for any number of lines."""


def shown() -> list[tuple[str, str, str]]:
    """Document, command and output of every console block that plays something."""
    found = []
    for name in ("README.md", "docs/rules.md", "docs/play.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
            for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                if command.startswith(("streamproc play", "streamproc rules check examples")):
                    found.append((name, command, output))
    return found


@pytest.mark.parametrize(("name", "command", "output"), shown())
def test_what_a_command_shows_is_what_is_written(
    name: str, command: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    parts = [re.escape(part) for part in output.split(GAP)]
    assert re.fullmatch("(?s:.*\n)?".join(parts), result.output), result.output


def test_both_readme_and_rules_begin_with_it() -> None:
    for name in ("README.md", "docs/rules.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert 0 < text.index("streamproc play examples/first/rules.yaml") < 3000, name


def rows(heading: str) -> list[tuple[str, str]]:
    return ROW.findall(PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0])


def test_the_options_are_those_of_the_command() -> None:
    params = [
        one
        for one in main.commands["play"].params
        if isinstance(one, click.Option) and one.expose_value
    ]
    assert [name.split()[0] for name, _ in rows("Options")] == [one.opts[0] for one in params]


def test_every_kind_of_line_of_json_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    described = dict(rows("For programs"))
    seen: set[str] = set()
    for name in ("first", "night"):
        files = [f"examples/{name}/{one}" for one in ("rules.yaml", "events.ndjson")]
        result = CliRunner().invoke(main, ["play", *files, "--json"])
        for line in result.stdout.splitlines():
            document: dict[str, Any] = json.loads(line)
            kind = document.pop("type")
            seen.add(kind)
            fields = set(re.findall(r"`(\w+)`", described[kind]))
            assert document.keys() - {"moment"} <= fields, (kind, document.keys() - fields)
    assert seen >= {"event", "time_passed", "sms", "decision", "end"}
    assert described.keys() == seen | {"bad_line", "reject", "order", "policy", "record"}


def test_the_lines_of_events_are_taken_by_send() -> None:
    block = PAGE.split("```json\n", 1)[1].split("```", 1)[0]
    lines = [line for line in block.splitlines() if line]
    assert len(lines) >= 10
    for line in lines:
        value = line.encode()
        assert checked_value(subscriber_of(value), value) == value
