"""docs/tutorial.md is followed step by step, in a copy of the examples."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEP = re.compile(r"^```(console|yaml|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RULES, EVENTS = Path("mine/rules.yaml"), Path("mine/events.ndjson")
GAP = "...\n"
"""A line that stands for any number of lines."""


def put_rule(rule: str) -> None:
    """Write a rule of the page into the file: in place of the one with its id, or at the end."""
    name = rule.split("\n", 1)[0]
    blocks = RULES.read_text().rstrip("\n").split("\n\n")
    found = [number for number, block in enumerate(blocks) if name in block.splitlines()]
    if found:
        (number,) = found
        before = blocks[number].partition(name)[0]
        blocks[number] = before + rule.rstrip("\n")
    else:
        blocks.append(rule.rstrip("\n"))
    RULES.write_text("\n\n".join(blocks) + "\n")


def run(block: str) -> int:
    """Run the commands of a console block and compare what they show; returns how many."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    for part in parts:
        command, _, shown = part.partition("\n")
        program, *arguments = shlex.split(command)
        if program == "cp":
            shutil.copytree(arguments[-2], arguments[-1])
            continue
        assert program == "streamproc", command
        ended = CliRunner().invoke(main, arguments)
        expected = "(?s:.*\n)?".join(re.escape(one) for one in shown.split(GAP))
        assert re.fullmatch(expected, ended.output), f"{command}\n{ended.output}"
    return len(parts)


def test_each_step_shows_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = 0
    for kind, block in STEP.findall(PAGE):
        if kind == "yaml":
            put_rule(block)
        elif kind == "json":
            EVENTS.write_text(EVENTS.read_text() + block)
        else:
            commands += run(block)

    assert commands >= 7


def test_it_begins_with_a_target_of_the_makefile() -> None:
    (first,) = re.findall(r"^```\nmake (\w+)\n```", PAGE, re.MULTILINE)

    assert re.search(rf"^{first}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
