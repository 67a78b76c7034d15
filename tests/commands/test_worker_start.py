"""What a worker says before it asks the broker for anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from streamproc import __version__
from streamproc.cli import main
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.errors import StreamprocError
from streamproc.worker import topics
from streamproc.worker.native_bridge import loading
from tests.support.compiled import IS_NATIVE


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def no_broker(_: Any) -> int:
        raise StreamprocError("no broker")

    monkeypatch.setattr(topics, "prepare_topics", no_broker)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level


def said(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """The lines of a worker that finds no broker."""
    words = ["worker", "--broker", "127.0.0.1:1", "--log-format", "json", *options]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def test_the_first_line_says_what_starts(capsys: pytest.CaptureFixture[str]) -> None:
    first = said(capsys, "--instance-id", "w-7", "--app-id", "mine", "--native", "off")[0]

    assert first["event"] == "worker starts"
    assert first["worker"] == "w-7"
    assert first["app_id"] == "mine"
    assert first["version"] == __version__
    assert first["native"] == "no"
    assert first["rules"] == default_rulebook().fingerprint


@pytest.mark.parametrize(("native", "is_told"), [("auto", True), ("off", False)])
def test_the_absence_of_the_compiled_part_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, native: str, is_told: bool
) -> None:
    monkeypatch.setattr(loading, "streamproc_native", None)
    lines = said(capsys, "--native", native)
    warned = [one for one in lines if "compiled part is not installed" in one["event"]]

    assert lines[0]["native"] == "no"
    assert [one["level"] for one in warned] == (["warning"] if is_told else [])


@pytest.mark.skipif(not IS_NATIVE, reason="needs the compiled part (make setup with cargo)")
def test_where_it_is_installed_nothing_is_lamented(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys)

    assert [one["event"] for one in lines] == ["worker starts"]
    assert lines[0]["native"] == "yes"
