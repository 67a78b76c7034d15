"""Commands of pages that need no broker and no time are run as they are written.

Those of other pages are run by the tests about these pages.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from tests.faults.__main__ import main as laboratory
from tests.faults.kind import KINDS
from tests.support.shell_words import commands_of

ROOT = Path(__file__).parents[2]


def commands(page: str, *begin: str) -> list[list[str]]:
    """The whole commands of a page that begin so."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = [list(one.words) for one in commands_of(text) if one.is_whole]
    return [words for words in found if words[: len(begin)] == list(begin)]


def test_the_workload_of_the_page_about_two_way_sms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the rules of the first example and the switch that the page names."""
    monkeypatch.chdir(tmp_path)
    rules = (ROOT / "examples/first/rules.yaml").read_text(encoding="utf-8")
    Path("rules.yaml").write_text(f"{rules}\ncommands: {{}}\n", encoding="utf-8")
    (words,) = commands("two-way-sms.md", "streamproc", "workload")

    result = CliRunner().invoke(main, words[1:])

    assert result.exit_code == 0, result.output
    written = Path(words[words.index("--out") + 1]).read_text(encoding="utf-8")
    assert "sms.received" in written


def test_the_laboratory_lists_its_kinds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs/fault-lab.md").read_text(encoding="utf-8")
    command = re.search(r"`(python -m tests\.faults .*)` shows all of them, except `mixed`", text)
    assert command is not None
    monkeypatch.setattr("sys.argv", command[1].split()[2:])

    laboratory()

    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(KINDS)
    assert "mixed" not in KINDS
