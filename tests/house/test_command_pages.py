"""The pages of docs/commands are those of the commands, and every shell gets its completions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.cli.completion import SHELLS, VARIABLE
from tests.support.command_pages import FOLDER, REGISTRY, pages

PAGES = pages()


def test_no_page_is_stale() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    stale = [name for name in {*PAGES, *found} if PAGES.get(name) != found.get(name)]
    assert stale == [], "run: make tables"


@pytest.mark.parametrize("name", main.commands)
def test_a_page_has_every_command_and_every_option_with_its_key(name: str) -> None:
    page = PAGES[f"{name}.md"]
    for setting in REGISTRY.settings:
        if setting.command[:1] == (name,) and not setting.option.hidden:
            assert f"| `{setting.option.opts[0]}" in page
    for path in REGISTRY.commands:
        if path[:1] == (name,):
            assert f"streamproc {' '.join(path)} [" in page.replace("streamproc completion {", "[")


def test_the_environment_page_has_every_variable() -> None:
    page = PAGES["environment.md"]
    named = set(re.findall(r"`(STREAMPROC_\w+)`", page))
    for setting in REGISTRY.settings:
        own = setting.variables if setting.shared is None else setting.variables[-1:]
        assert set(own) <= named


def completed(shell: str, words: str, at: int) -> str:
    """What click answers when the shell asks."""
    variables = {
        VARIABLE: f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": words.split()[-1] if shell == "fish" else str(at),
    }
    result = CliRunner().invoke(main, [], env=variables, prog_name="streamproc")
    return result.output


@pytest.mark.parametrize("shell", SHELLS)
def test_completions(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("streamproc.toml").write_text("[[[")  # a wrong file must not disturb

    assert "worker" in completed(shell, "streamproc wor", 1)
    assert "--standbys" in completed(shell, "streamproc worker --stand", 2)
    assert "--config" in completed(shell, "streamproc worker --conf", 2)
    if shell != "fish":
        assert "create" in completed(shell, "streamproc topics ", 2)
        assert "debug" in completed(shell, "streamproc worker --log-level ", 3)
    script = CliRunner().invoke(main, ["completion", shell])
    assert script.exit_code == 0
    assert VARIABLE in script.stdout
    assert "streamproc" in script.stdout


def test_another_shell_is_refused() -> None:
    assert (
        "'tcsh' is not one of 'bash', 'zsh', 'fish'"
        in CliRunner().invoke(main, ["completion", "tcsh"]).output
    )
