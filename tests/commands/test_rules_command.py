"""``streamproc rules check``, and what the other commands do with a wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from tests.support.rules import TOML, YAML, edited


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_a_right_file_is_ok_with_a_summary(runner: CliRunner, tmp_path: Path) -> None:
    for name, text in (("r.yaml", YAML), ("r.toml", TOML)):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        result = runner.invoke(main, ["rules", "check", str(path)])
        assert result.stdout == (f"{path}: OK: 1 plan, 1 pack, 1 rule, texts in en\n")
        assert (result.exit_code, result.stderr) == (0, "")


def test_a_wrong_file_is_told_line_by_line_on_stderr(runner: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(edited(YAML, ("EUR", "eur"), ("[80, 100]", "[0]")), encoding="utf-8")
    result = runner.invoke(main, ["rules", "check", str(path)])
    assert result.stderr == (
        f"{path}:2: currency: must be a currency code such as CNY, not 'eur'\n"
        f"{path}:14: rules[0].thresholds[0]: must be at least 1, not 0\n"
    )
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_missing_file_is_a_problem(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(main, ["rules", "check", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path}/none.yaml:1: cannot be read: No such file or directory\n"


def test_a_file_is_held_against_the_one_it_replaces(runner: CliRunner, tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(YAML, encoding="utf-8")
    new.write_text(edited(YAML, ("id: basic", "id: other")), encoding="utf-8")
    assert runner.invoke(main, ["rules", "check", str(new)]).exit_code == 0
    result = runner.invoke(main, ["rules", "check", str(new), "--replaces", str(old)])
    assert result.exit_code == 1
    assert result.stderr == f"{new}:1: plan 'basic' is gone, but subscribers may have it\n"


def test_a_worker_with_a_wrong_file_starts_nothing(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> int:
        pytest.fail("the broker was asked before the rules were read")

    monkeypatch.setattr("streamproc.worker.topics.prepare_topics", prepare)
    path = tmp_path / "r.yaml"
    path.write_text(edited(YAML, ("EUR", "eur")), encoding="utf-8")
    result = runner.invoke(main, ["worker", "--broker", "127.0.0.1:1", "--rules", str(path)])
    assert result.exit_code == 1
    assert f"{path}:2: currency: must be a currency code" in result.stderr
    assert result.stdout == ""
