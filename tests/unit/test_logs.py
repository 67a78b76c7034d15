"""Log lines have one form and show no subscriber."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streamproc.cli.logs import configure

NUMBER = "8613800001234"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_the_libraries_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger("streamproc.x").info("partition opened", partition=3)
    logging.getLogger("elsewhere").warning("odd: %s", "thing")
    logging.getLogger("faust.app").info("Starting...")

    ours, theirs = lines(capsys)
    assert (ours["event"], ours["level"], ours["partition"]) == ("partition opened", "info", 3)
    assert (theirs["event"], theirs["level"]) == ("odd: thing", "warning")


def test_debug_lets_the_libraries_speak(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "json")
    logging.getLogger("faust.app").info("Starting...")

    assert [line["event"] for line in lines(capsys)] == ["Starting..."]


def test_a_subscriber_is_masked_wherever_it_slips_in(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    log = structlog.get_logger("streamproc.x")
    try:
        raise KeyError(NUMBER)
    except KeyError:
        log.exception(f"no account {NUMBER}", key=f"+{NUMBER}", offset=1_767_225_600_000)
    logging.getLogger("aiokafka").error("bad key b'%s'", NUMBER)

    first, second = lines(capsys)
    assert NUMBER not in json.dumps([first, second])
    assert first["event"] == "no account 861********34"
    assert first["offset"] == 1_767_225_600_000
    assert "KeyError" in str(first["exception"])
