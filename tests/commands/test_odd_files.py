"""Odd names of files and odd files, for every option that takes one: each ends in one line."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from streamproc import input_files
from streamproc.cli import main
from streamproc.cli.failing import CommandGroup
from streamproc.cli.regions import Subscriber, Subscribers
from streamproc.cli.values import FilePath

EXAMPLE = Path(__file__).parents[2] / "examples/first"
RULES, EVENTS = str(EXAMPLE / "rules.yaml"), str(EXAMPLE / "events.ndjson")
KAFKA = ("--broker", "127.0.0.1:1")

TOPICS = ("topics", "plan", *KAFKA)
CASES = {
    ("play", "files"): ["play", "FILE"],
    ("play", "mapping"): ["play", "--format", "csv", EVENTS, "--mapping", "FILE"],
    ("play", "sessions"): ["play", RULES, EVENTS, "--sessions", "FILE"],
    ("play", "subscribers"): ["play", RULES, EVENTS, "--subscriber", "@FILE"],
    ("rules check", "file"): ["rules", "check", "FILE"],
    ("rules check", "replaces"): ["rules", "check", RULES, "--replaces", "FILE"],
    ("texts lint", "rules"): ["texts", "lint", "FILE"],
    ("texts preview", "rules"): ["texts", "preview", "FILE"],
    ("config check", "file"): ["config", "check", "FILE"],
    ("simulate", "rules"): ["simulate", "--rules", "FILE", "--from", EVENTS],
    ("simulate", "present"): ["simulate", "--rules", RULES, "--present", "FILE", "--from", EVENTS],
    ("simulate", "mapping"): [
        *("simulate", "--rules", RULES, "--from", EVENTS, "--format", "csv", "--mapping", "FILE")
    ],
    ("simulate", "sessions"): [
        "simulate",
        "--rules",
        RULES,
        "--from",
        EVENTS,
        "--sessions",
        "FILE",
    ],
    ("explain", "subscriber"): ["explain", "@FILE", "--from", EVENTS],
    ("explain", "files"): ["explain", "5", "--from", "FILE"],
    ("explain", "rules"): ["explain", "5", "--from", EVENTS, "--recompute", "--rules", "FILE"],
    ("workload", "rules"): ["workload", "--events", "9", "--out", "o", "--rules", "FILE"],
    ("workload", "out"): ["workload", "--events", "9", "--out", "FILE/x"],
    ("replay", "sources"): ["replay", "FILE", "--dry-run"],
    ("replay", "subscribers"): ["replay", EVENTS, "--dry-run", "--subscriber", "@FILE"],
    ("replay", "pseudonymise"): ["replay", EVENTS, "--dry-run", "--pseudonymise", "FILE"],
    ("send", "files"): ["send", *KAFKA, "FILE"],
    ("send", "mapping"): ["send", *KAFKA, "--mapping", "FILE", "--format", "csv", EVENTS],
    ("send", "subscriber"): ["send", *KAFKA, "--total-bytes", "5", "--subscriber", "@FILE"],
    ("send", "member"): ["send", *KAFKA, "--subscriber", "5", "--member", "@FILE"],
    ("worker", "rules"): ["worker", *KAFKA, "--rules", "FILE"],
    ("worker", "id_key"): ["worker", *KAFKA, "--rules", RULES, "--id-key-file", "FILE"],
    ("worker", "kafka_properties"): ["worker", *KAFKA, "--kafka-properties", "FILE"],
    ("dispatch", "gateways"): ["dispatch", *KAFKA, "--gateways", "FILE"],
    ("dispatch", "number_key"): ["dispatch", *KAFKA, "--number-key-file", "FILE"],
    ("verify", "rules"): ["verify", *KAFKA, "--rules", "FILE"],
    ("verify", "subscribers"): ["verify", *KAFKA, "--subscriber", "@FILE"],
    ("verify-outputs", "rules"): ["verify-outputs", "t", *KAFKA, "--rules", "FILE"],
    ("record", "pseudonymise"): [
        *("record", "live", *KAFKA, "--out", "o.zst", "--pseudonymise", "FILE")
    ],
    ("topics plan", "kafka_tls_ca"): [*TOPICS, "--kafka-tls-ca", "FILE"],
    ("topics plan", "kafka_tls_cert"): [
        *(*TOPICS, "--kafka-tls-cert", "FILE", "--kafka-tls-key", "FILE")
    ],
    ("topics plan", "kafka_sasl_password_file"): [
        *(*TOPICS, "--kafka-sasl-mechanism", "PLAIN", "--kafka-sasl-username", "u"),
        *("--kafka-sasl-password-file", "FILE"),
    ],
    ("demo", "rules"): ["demo", "--rules", "FILE"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(args: list[str], name: str) -> Result:
    return CliRunner().invoke(main, [one.replace("FILE", name) for one in args], input="")


def assert_told(ended: Result, shown: str) -> None:
    """The command ends with a line about the file, and the name has not broken that line."""
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code in (1, 2), ended.output
    assert shown in ended.output.rstrip("\n").split("\n")[-1]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_name_with_a_line_end_stays_in_its_line(case: tuple[str, str]) -> None:
    ended = run(CASES[case], "two\nlines")

    is_of_click = "does not exist" in ended.output  # click writes names as Python does
    assert_told(ended, "two\\nlines" if is_of_click else "two\\u000alines")


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_file_that_cannot_be_read_to_its_end_is_named(
    case: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes at 0 are no memory: it opens, and reading fails."""
    monkeypatch.setattr(input_files, "_devices_of_kernel", frozenset)  # which would refuse it

    assert_told(run(CASES[case], "/proc/self/mem"), "/proc/self/mem")


@pytest.mark.parametrize(
    "case", [one for one in CASES if one[1] not in ("out", "sessions")], ids=" ".join
)
def test_a_file_that_the_kernel_makes_is_refused(case: tuple[str, str]) -> None:
    """The reading of ``/proc/kmsg`` never ends; ``/proc/self/pagemap`` has 256 GiB."""
    assert_told(run(CASES[case], "/proc/self/pagemap"), "made by the kernel; give a file of a disk")


def test_tls_files_of_a_gateway_are_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSC", "x")
    gateway = "{name: one, kind: smpp, host: h, system_id: s, source: '5', tls: true, "
    gateway += "password_env: SMSC, tls_ca_file: /proc/self/pagemap}"
    (folder / "g.yaml").write_text(f"version: 1\ngateways: [{gateway}]\n")

    assert_told(run(["dispatch", *KAFKA, "--gateways", "FILE"], "g.yaml"), "made by the kernel")


def test_a_socket_is_named(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "sock"))
        assert_told(
            run(["rules", "check", "FILE"], "sock"), "sock:1: cannot be read: No such device"
        )


UNTRIED = {"config", "watch", "state", "spool", "checkpoints", "datadir", "report", "picture"}
UNTRIED |= {"alarm_webhook_key"}  # it is read when the broker has answered
"""Folders, and files that are written: tests of their own."""


def file_parameters() -> Iterator[tuple[str, str]]:
    """Every parameter of every command that takes a file, by its command."""

    def of(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(command, click.Group):
            for word, inner in command.commands.items():
                yield from of(inner, f"{name} {word}".lstrip())
        for one in command.params:
            if isinstance(one.type, FilePath | Subscriber | Subscribers) and one.name is not None:
                yield name, one.name

    yield from of(main, "")


def test_every_file_is_tried() -> None:
    """An option of many commands is tried with one of them."""
    tried = {name for _, name in CASES} | UNTRIED

    assert {name for _, name in file_parameters() if not name.startswith("kafka_")} <= tried


def failing_group(error: OSError) -> click.Group:
    @click.group(cls=CommandGroup)
    def program() -> None: ...

    @program.command()
    def fail() -> None:
        raise error

    return program


def test_an_error_of_the_system_without_a_name_has_its_place() -> None:
    ended = CliRunner().invoke(failing_group(OSError(errno.EIO, os.strerror(errno.EIO))), ["fail"])

    assert ended.exit_code == 1
    said = r"Error: reading or writing failed in failing\.py:\d+: Input/output error\n"
    assert re.fullmatch(said, ended.output)


def test_an_error_that_is_not_of_the_system_is_a_fault_of_the_program() -> None:
    ended = CliRunner().invoke(failing_group(TimeoutError("no answer")), ["fail"])

    assert isinstance(ended.exception, TimeoutError)


@pytest.mark.parametrize("args", [["play", "-"], ["explain", "-", "--from", EVENTS]], ids=" ".join)
def test_standard_input_that_cannot_be_read_is_named(args: list[str]) -> None:
    """``streamproc play - < /proc/self/mem``"""
    descriptor = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "streamproc", *args],
            stdin=descriptor,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        os.close(descriptor)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Error: standard input: Input/output error\n"


def test_a_file_of_subscribers_without_an_end_is_refused() -> None:
    ended = run(["explain", "@FILE", "--from", EVENTS], "/dev/zero")

    assert "cannot read /dev/zero: it is larger than 64 MiB" in ended.output


@pytest.mark.parametrize("command", ["replay", "play"])
def test_a_pipe_without_a_writer_holds_no_command_up(command: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    given = {
        "replay": ["replay", "FILE", "--dry-run"],
        "play": ["play", RULES, EVENTS, "--sessions", "FILE"],
    }[command]

    assert_told(run(given, "pipe"), "pipe")
