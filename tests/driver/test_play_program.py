"""``streamproc play`` as a program of its own, and its pictures: too slow for the unit tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.producing.readers.files import FileReading, InputFile
from streamproc.tools.play.playing import Play, Played
from streamproc.tools.play.reading import EventFiles
from tests.commands.test_play import ROOT, RULES, WHO, activated, play, used


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path


def test_the_command_runs_by_itself_from_an_empty_folder(tmp_path: Path) -> None:
    example = ROOT / "examples" / "first"
    command = [sys.executable, "-m", "streamproc", "play"]
    done = subprocess.run(
        [*command, str(example / "rules.yaml"), str(example / "events.ndjson")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "SMS from" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_hold_a_text_ends_nothing(tmp_path: Path) -> None:
    example = ROOT / "examples" / "first"
    done = subprocess.run(
        [sys.executable, "-m", "streamproc", "play", str(example / "events.ndjson"),
         "--locale", "zh-CN"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )  # fmt: skip
    assert "UnicodeEncodeError" not in done.stderr


def test_a_picture_has_what_is_left_and_what_was_said(folder: Path) -> None:
    events = [activated(), used(5.5, 600_000), used(5.97, 250_000), used(6, 1, who="34600000002")]
    result = play(events, "--picture", "lives.png")
    assert result.exit_code == 1  # the second subscriber is unknown
    assert Path("lives.png").read_bytes().startswith(b"\x89PNG")

    from streamproc.tools.play import picture

    first, second = picture.lives(_played(), [WHO, "34600000002"])
    assert [left for _, left in first.left["data"]] == [1e6, 4e5, 1.5e5, 1e6]
    assert [(row, sign.words) for _, row, sign in first.signs] == [
        ("low", "SMS"), ("low", "held back"), ("low", "SMS"),
    ]  # fmt: skip
    assert [(row, sign.words) for _, row, sign in second.signs] == [
        ("held", "held back"), ("rejected", "rejected"),
    ]  # fmt: skip


def _played() -> Played:
    from streamproc.cli.play import _Engine
    from streamproc.worker.virtual import VirtualWorker

    rules = load_rulebook(RULES, "rules.yaml")
    run = Play(rules)
    worker = VirtualWorker(rules, lambda _topic, _key, value: run.take(value), "off")
    files = EventFiles([InputFile(Path("events.ndjson"))], FileReading())
    return run.run(_Engine(worker), files.lines(), None)


def test_a_kind_of_picture_that_there_is_not_is_told(folder: Path) -> None:
    result = play([activated()], "--picture", "x.bmp.x")
    assert result.exit_code == 1, result.output
    assert "x.bmp.x: " in result.stderr
