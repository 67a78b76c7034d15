"""Log lines have one form and show no subscriber."""

from __future__ import annotations

import inspect
import json
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from aiokafka.consumer import group_coordinator
from kafka import cluster
from kafka.coordinator import base
from kafka.errors import Cancelled, KafkaTimeoutError
from kafka.net import selector
from structlog.testing import capture_logs

from streamproc import __version__
from streamproc.cli.expected import EXPECTED
from streamproc.cli.identity import process_name, tell_who_starts
from streamproc.cli.logs import Format, configure
from streamproc.contracts.numbers import Address
from streamproc.dispatch.model import IncomingSms
from streamproc.dispatch.smpp.inbound import Inbound, Written
from streamproc.dispatch.sms_memory import PartHeard

NUMBER = "8613800001234"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("error", "is_shown"),
    [(ssl.SSLEOFError(8, "EOF"), False), (BrokenPipeError("EOF"), False), (KeyError("EOF"), True)],
)
def test_a_connection_that_a_broker_ends_has_no_traceback(
    error: Exception, is_shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", "json")
    try:
        raise error
    except (OSError, KeyError):
        transport = logging.getLogger("kafka.net.transport")
        transport.exception("%s: Error sending request data: %s", "b", error)

    (line,) = lines(capsys)
    assert "EOF" in str(line["event"])
    assert ("exception" in line) == is_shown


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


@pytest.mark.parametrize("setting", ["retention.ms=7776000000", "retention.bytes=1000000000"])
def test_a_command_that_sets_a_topic_can_be_copied(
    capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    configure("info", "json")
    structlog.get_logger("streamproc.x").critical(f"{NUMBER}: set {setting}", why=f"set {setting}")

    (line,) = lines(capsys)
    assert line["event"] == f"861********34: set {setting}"
    assert line["why"] == f"set {setting}"


class Point(NamedTuple):
    key: str


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "value",
    [
        NUMBER, f"u{NUMBER}x", f"key-{NUMBER}-7", f"{NUMBER}.7", "+86 138 0000 1234",
        NUMBER.encode(), [NUMBER], {NUMBER: {"of": (NUMBER,)}}, {1: b"key " + NUMBER.encode()},
        Point(NUMBER),
        ValueError(NUMBER), Path(f"/{NUMBER}.csv"), IncomingSms("smsc", NUMBER, "1", "I love you"),
        PartHeard("a", "smsc", NUMBER, "1", "I love you", 1), Address(1, 1, NUMBER),
        frozenset({NUMBER}), bytearray(NUMBER.encode()),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_nothing_that_a_line_can_hold_shows_a_number_or_a_text(
    value: object, form: Format, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug", form)
    structlog.get_logger("streamproc.x").debug("it is", value=value)
    logging.getLogger("elsewhere").warning("it is %s and %r", value, [value])
    try:
        raise LookupError(value)
    except LookupError:
        logging.getLogger("elsewhere").exception("no")

    said = capsys.readouterr().err
    digits = "".join(one for one in said.replace("*", "x") if one.isdecimal() or one == "x")
    assert NUMBER[3:] not in digits
    first, *others = said.splitlines()
    assert "it is" in first
    assert "love" not in first
    assert others


@pytest.mark.parametrize(
    "text",
    [
        "0123456789abcdef0123456789abcdef", "550e8400-e29b-41d4-a716-446655440000",
        "at 1767225600.123", "192.168.100.101:9092", "2026-01-05T12:00:00.123456Z",
        "offset 12345678",
    ],
)  # fmt: skip
def test_ids_times_and_addresses_stay_readable(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", "json")
    logging.getLogger("elsewhere").warning(text)
    assert lines(capsys)[0]["event"] == text


def test_objects_of_the_dispatcher_show_neither_numbers_nor_texts() -> None:
    sms = IncomingSms("smsc", NUMBER, "10086", "I love you")
    inbound = Inbound(Address(1, 1, NUMBER), Address(0, 1, "10086"), 0, 0, b"I love you", {})
    for one in (sms, inbound, Written("I love you", None)):
        assert NUMBER not in repr(one)
        assert "love" not in repr(one)


# The first line, and fields of every line.


def test_the_first_line_says_who_starts_and_json_lines_repeat_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules = {"rules": 1}
    configure("info", "json")
    tell_who_starts("worker", "w-1", lambda: {"native": "yes", **rules}, app_id="app")
    rules["rules"] = 2
    structlog.get_logger("streamproc.x").info("changed rules taken over", worker="not this")
    logging.getLogger("elsewhere").warning("odd")

    first, ours, theirs = lines(capsys)
    assert (first["event"], first["app_id"]) == ("worker starts", "app")
    who = {"worker": "w-1", "host": socket.gethostname(), "version": __version__, "native": "yes"}
    assert first.items() >= {**who, "rules": 1}.items()
    assert ours.items() >= {**who, "rules": 2, "worker": "not this"}.items(), "its own count more"
    assert theirs.items() >= {**who, "rules": 2}.items()
    assert "app_id" not in theirs


def test_text_lines_stay_short(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    tell_who_starts("dispatcher", "d-1", group="g")
    structlog.get_logger("streamproc.x").info("input flows")

    first, second = capsys.readouterr().err.splitlines()
    assert "dispatcher starts" in first
    assert "dispatcher=d-1" in first
    assert "group=g" in first
    assert "d-1" not in second


def test_no_text_of_others_begins_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    forged = "x\n2026-01-01T00:00:00Z [error    ] input was deleted"
    configure("info", "text")
    try:
        raise ValueError(forged)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("a field %s", forged)
    structlog.get_logger("streamproc.x").warning(forged, **{forged: forged})

    shown = capsys.readouterr().err.splitlines()
    first, second = (one for one in shown if not one.startswith("    "))
    assert first.endswith("a field x")
    assert second.endswith("] x")
    assert "    Traceback (most recent call last):" in shown
    assert sum("input was deleted" in one for one in shown) == 4


def test_a_process_has_its_fixed_name_or_one_of_its_own() -> None:
    assert process_name("w-7") == "w-7"
    assert process_name(None) == f"{socket.gethostname()}-{os.getpid()}"


# Noise of libraries.

NOISE = (
    ("aiokafka.consumer.group_coordinator", group_coordinator, "because it is rebalancing"),
    ("aiokafka.consumer.group_coordinator", group_coordinator, "generation id is not  current."),
    ("kafka.coordinator.heartbeat", base, "generation id is not"),
    ("kafka.net.selector", selector, "left RUNNING after step"),
    ("kafka.net.selector", selector, "Task %r ran for"),
    ("kafka.net.selector", selector, "Wakeup socket returned empty"),
    ("kafka.net.selector", selector, "Error reading wakeup socket"),
    ("kafka.net.selector", selector, "Selector got WRITE event without writer"),
    ("kafka.net.selector", selector, "Selector got READ event without reader"),
)


@pytest.mark.parametrize(("name", "module", "words"), NOISE)
def test_expected_lines_of_libraries_still_have_these_words(
    name: str, module: Any, words: str
) -> None:
    assert words in inspect.getsource(module)
    assert any(words in one or one == "Task " for one in EXPECTED[name])


def test_expected_lines_are_debug_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def speak() -> None:
        coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
        coordinator.warning("Heartbeat failed for group %s because it is rebalancing", "g")
        coordinator.warning("Heartbeat failed: local member_id was not recognized;")
        logging.getLogger("kafka.net.selector").warning("Task <T 1> ran for 0.2s (>0.1s threshold)")

    configure("info", "json")
    speak()
    assert [line["event"] for line in lines(capsys)] == [
        "Heartbeat failed: local member_id was not recognized;"
    ]
    configure("debug", "json")
    speak()
    found = {str(line["event"])[:24]: line["level"] for line in lines(capsys)}
    assert found == {
        "Heartbeat failed for gro": "debug",
        "Heartbeat failed: local ": "warning",
        "Task <T 1> ran for 0.2s ": "debug",
    }


def test_a_client_that_is_closed_in_the_midst_of_something_is_no_news(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Other errors of the same places are."""

    def fail(error: BaseException) -> None:
        try:
            raise error
        except BaseException:
            logging.getLogger("kafka.net.selector").exception(
                "Unhandled exception in task %s:", "T"
            )

    for module, words in ((selector, "Unhandled exception in task"), (cluster, "refresh: failed")):
        assert words in inspect.getsource(module)
    configure("info", "json")
    fail(ValueError("Invalid file descriptor: -1"))
    logging.getLogger("kafka.cluster").error("Metadata refresh: failed %s", Cancelled())
    assert lines(capsys) == []

    fail(ValueError("another"))
    logging.getLogger("kafka.cluster").error("Metadata refresh: failed %s", KafkaTimeoutError())
    assert [str(one["event"])[:24] for one in lines(capsys)] == [
        "Unhandled exception in t",
        "Metadata refresh: failed",
    ]


_ONE_OF_OURS = structlog.get_logger("a logger of this test")


def test_a_logger_used_once_under_our_configuration() -> None:
    configure("info", "json")
    _ONE_OF_OURS.info("written")


def test_is_seen_by_the_next_tests_capture() -> None:
    """The tests' own part: it failed for whichever test came after one that configured logging."""
    with capture_logs() as logs:
        _ONE_OF_OURS.info("captured")
    assert [line["event"] for line in logs] == ["captured"]
