"""Manual pages as man shows them, and completions as the shells themselves ask for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from tests.support import man_pages
from tests.support.command_pages import REGISTRY


def test_every_command_has_a_manual_page(tmp_path: Path) -> None:
    made = {path.name: path.read_text(encoding="utf-8") for path in man_pages.write(tmp_path)}

    assert len(made) == len(REGISTRY.commands)
    page = made["streamproc-topics-create.1"]
    assert page.startswith('.TH "STREAMPROC TOPICS CREATE" "1"')
    assert "default: streamproc.reminders" in page
    for path in REGISTRY.commands:
        for setting in REGISTRY.of(path).values():
            if not setting.option.hidden:
                name = setting.option.opts[0].replace("-", r"\-")
                assert name in made[f"{'-'.join(('streamproc', *path))}.1"]


def test_examples_in_a_manual_page_have_lines_of_their_own(tmp_path: Path) -> None:
    made = {path.name: path.read_text(encoding="utf-8") for path in man_pages.write(tmp_path)}
    assert not [name for name, page in made.items() if "\b" in page]
    page = made["streamproc-send.1"]
    examples = page[page.index(".nf\n") : page.index(".fi\n")].splitlines()
    assert len([line for line in examples if "streamproc send --broker" in line]) == 4


def test_man_shows_a_page(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("there is no man on this machine")
    man_pages.write(tmp_path)
    shown = subprocess.run(
        ["man", "-M", str(tmp_path), "streamproc-config-show"],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "80"},
    )  # fmt: skip
    assert "streamproc config show" in shown.stdout


ASKS = {
    "bash": """
        source ./script
        COMP_WORDS=(streamproc topics cre); COMP_CWORD=2
        _streamproc_completion streamproc cre topics
        echo "${COMPREPLY[@]}"
    """,
    "fish": """
        source ./script
        complete -C 'streamproc topics cre'
    """,
    # zsh completes only at a terminal. The script must at least be one, and be accepted.
    "zsh": """
        autoload -Uz compinit && compinit -u -D
        source ./script && echo create
    """,
}
"""What a shell does when the user presses the tabulator key behind ``streamproc topics cre``."""


@pytest.mark.parametrize("shell", ASKS)
def test_a_shell_completes(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on this machine")
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    (tmp_path / "script").write_text(script, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", ASKS[shell]],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split()[0] == "create"
