"""The workflows by actionlint, which knows expressions, actions and what shells are given."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.go_parts import go_tool

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"


def test_actionlint_finds_nothing_to_say() -> None:
    program = go_tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint")
    files = [str(one) for one in sorted(FOLDER.glob("*.yml"))]
    # Not with shellcheck, which is not on every machine.
    command = [str(program), "-no-color", "-shellcheck=", "-pyflakes=", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
