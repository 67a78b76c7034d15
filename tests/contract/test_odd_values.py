"""Whatever is given for an option: no traceback, one line that says what is wrong.

Each option of each command is tried with each odd value. No broker answers: the clients of both
libraries fail at once, so a value that is refused before that is refused by the command itself.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import aiokafka
import click
import kafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError as AioConnectionError
from click.testing import CliRunner, Result
from kafka.errors import KafkaConnectionError

from streamproc.cli import main, replay_options
from streamproc.cli.values import Addresses, Count, FilePath, Number, TopicName
from streamproc.lab import demo as demo_package

BROKER = ["--broker", "127.0.0.1:1"]
EVENTS = "events.ndjson"
VALID: dict[tuple[str, ...], list[str]] = {
    ("acls",): ["--role", "worker"],
    ("canary",): [*BROKER, "--once"],
    ("completion",): [],
    ("config", "check"): [],
    ("config", "show"): [],
    ("dead-letters", "list"): [],
    ("dead-letters", "show"): [],
    ("dead-letters", "resend"): [],
    ("demo",): BROKER,
    ("dispatch",): BROKER,
    ("explain",): BROKER,
    ("play",): [],
    ("receipts",): BROKER,
    ("record",): [*BROKER, "--out", "out.zst"],
    ("replay",): [*BROKER, "--to", "x"],
    ("retract",): [
        *(*BROKER, "--source", "s"),
        *("--from-time", "2026-01-05T00:00:00Z", "--to-time", "2026-01-06T00:00:00Z"),
    ],
    ("rules", "approve"): BROKER,
    ("rules", "check"): [],
    ("rules", "diff"): BROKER,
    ("rules", "list"): BROKER,
    ("rules", "pack"): [],
    ("rules", "publish"): BROKER,
    ("rules", "revert"): BROKER,
    ("rules", "show"): BROKER,
    ("rules", "status"): BROKER,
    ("send",): BROKER,
    ("simulate",): ["--rules", "pack:china", "--from", EVENTS],
    ("texts", "preview"): [],
    ("texts", "lint"): [],
    ("top",): ["--once"],
    ("topics", "create"): BROKER,
    ("topics", "plan"): BROKER,
    ("verify",): BROKER,
    ("verify-outputs",): BROKER,
    ("worker",): BROKER,
    ("workload",): ["--events", "10", "--out", "out.ndjson"],
}
"""Options with which a command gets as far as it can."""
ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("dead-letters", "show"): ["0:1"],
    ("dead-letters", "resend"): ["0:1"],
    ("explain",): ["8613800000001"],
    ("play",): ["rules.yaml", EVENTS],
    ("record",): ["live"],
    ("top",): ["127.0.0.1:1"],
    ("replay",): ["recording.ndjson"],
    ("rules", "approve"): ["1"],
    ("rules", "check"): ["rules.yaml"],
    ("rules", "diff"): ["1", "rules.yaml"],
    ("rules", "pack"): ["china"],
    ("rules", "publish"): ["rules.yaml"],
    ("rules", "revert"): ["1"],
    ("rules", "show"): ["1"],
    ("send",): [EVENTS],
    ("texts", "preview"): ["rules.yaml"],
    ("texts", "lint"): ["rules.yaml"],
    ("verify-outputs",): ["usage"],
}
ODD = (
    *("", " ", "-1", "0", "9", "99999999999999999999", "1e400", "nan", "inf", "-inf"),
    *("nosuch", "a:b:c", "+8613800000001", "a\0b", "ü💥", "/", "/nosuch/dir/file", ".", "../.."),
    *("1.5h", "9999999d", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "x" * 300, "%s{0}$x"),
    *("0001-01-01T00:00:00+14:00", "-", "٣", "\udcff"),
)
TRACEBACK = "Traceback (most recent call last)"


def _leaves(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, command


LEAVES = dict(_leaves())


def _parameters() -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    for path, command in LEAVES.items():
        for one in command.params:
            # The hidden ones of the connection, and --config, are the same in every command.
            is_everywhere = getattr(one, "hidden", False) or one.name == "config"
            is_tried = not is_everywhere or path == ("verify",)
            if not getattr(one, "is_flag", False) and is_tried:
                yield path, one


PARAMETERS = list(_parameters())
IDS = [f"{' '.join(path)} {one.opts[0]}" for path, one in PARAMETERS]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the commands read, by name of the file."""
    recording = tmp_path_factory.mktemp("inputs") / "recording.ndjson"
    runner = CliRunner()
    pack = runner.invoke(main, ["rules", "pack", "china"]).stdout
    made = runner.invoke(main, ["workload", "--events", "20", "--out", str(recording)])
    assert made.exit_code == 0, made.output
    event = (
        '{"type":"account.activated","id":"a-1","source":"crm","subscriber":"8613800000001",'
        '"time":"2026-01-05T00:00:00Z","plan":"basic","time_zone":"UTC","anchor_day":1}\n'
    )
    return {
        "rules.yaml": pack.encode(),
        EVENTS: event.encode(),
        recording.name: recording.read_bytes(),
    }


@pytest.fixture(autouse=True)
def alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inputs: dict[str, bytes]
) -> Iterator[None]:
    """An empty folder but for the inputs, no broker, no demo; logging as it was."""

    def fail(*_: Any, **__: Any) -> None:
        raise KafkaConnectionError("nobody is there")

    async def fail_later(*_: Any, **__: Any) -> None:
        raise AioConnectionError("nobody is there")

    for client in (kafka.KafkaAdminClient, kafka.KafkaConsumer, kafka.KafkaProducer):
        monkeypatch.setattr(client, "__init__", fail)
        monkeypatch.setattr(client, "__del__", lambda _: None, raising=False)
    for later in (aiokafka.AIOKafkaConsumer, aiokafka.AIOKafkaProducer, AIOKafkaAdminClient):
        monkeypatch.setattr(later, "start", fail_later)
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)  # no server is asked for its certificate
    monkeypatch.setattr(demo_package, "run_demo", lambda *_, **__: 0)
    monkeypatch.setattr(replay_options, "SLOWNESS", 2)  # nobody guesses these numbers
    monkeypatch.chdir(tmp_path)
    for name, content in inputs.items():
        Path(name).write_bytes(content)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level


def run(path: tuple[str, ...], *words: str) -> Result:
    whole = list(path)
    if path[0] == "dead-letters":
        whole[1:1] = BROKER
    return CliRunner().invoke(main, [*whole, *VALID[path], *words])


def given(path: tuple[str, ...], one: click.Parameter, value: str) -> list[str]:
    """The words that give a parameter the value."""
    if isinstance(one, click.Argument):
        return ["--", value]
    return [f"{one.opts[0]}={value}", *(["--", *ARGUMENTS[path]] if path in ARGUMENTS else [])]


def trouble_with(result: Result) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"traceback: {result.exception!r}"
    if TRACEBACK in result.output:
        return "traceback in its output"
    if result.exit_code not in (0, 1, 2, 3):
        return f"exit status {result.exit_code}"
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if result.exit_code and not lines and not result.stdout:
        return "it says nothing"
    errors = [at for at, line in enumerate(lines) if line.startswith("Error: ")]
    if errors and errors != [len(lines) - 1]:
        return f"more than one line: {lines[errors[0] :]}"
    return ""


def test_every_command_is_tried() -> None:
    assert set(LEAVES) == set(VALID)


@pytest.mark.parametrize(("path", "one"), PARAMETERS, ids=IDS)
def test_odd_values_are_refused_in_one_line(path: tuple[str, ...], one: click.Parameter) -> None:
    troubles = {}
    for value in ODD:
        trouble = trouble_with(run(path, *given(path, one, value)))
        if trouble:
            troubles[value] = trouble

    assert troubles == {}


SANE = (
    *("1", "2", "100", "8613800000001", "86*", "auto", "rules.yaml", EVENTS, "recording.ndjson"),
    *("out.x", "pack:china", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", "1h", "+31d", "now"),
    *("streamproc.events", "x:1", "100%", "0.5", "crm", "usage.recorded", "topic:x", "0-0", "0:1"),
    *("a=b", "urgent", "0,1", "CN", "UTC", "en"),
)
"""Right for one option or another."""
COMBINATIONS = 15


def combination(random: Random, path: tuple[str, ...]) -> list[str]:
    """Several parameters at once: contradictory, repeated, odd, or right."""
    known = [one for one in LEAVES[path].params if one.name != "config"]
    words, arguments = [], ARGUMENTS.get(path, [])
    for one in random.sample(known, min(random.randint(2, 6), len(known))):
        values = [random.choice(SANE if random.random() < 0.75 else ODD) for _ in range(3)]
        if isinstance(one, click.Argument):
            arguments = values[: random.randint(0, 3)]
        elif getattr(one, "is_flag", False):
            words.append(random.choice([*one.opts, *one.secondary_opts]))
        else:
            if isinstance(one.type, click.Choice):
                values[0] = random.choice(list(one.type.choices))
            repeated = values[: 1 + (random.random() < 0.2)]
            words += [f"{random.choice(one.opts)}={value}" for value in repeated]
    return [*words, "--", *arguments]


# faust cannot be stopped before its start.
@pytest.mark.filterwarnings("ignore:coroutine 'BoundedWorker.stop' was never awaited")
@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_options_that_contradict_each_other_are_refused_in_one_line(path: tuple[str, ...]) -> None:
    random = Random(" ".join(path))
    troubles = {}
    for _ in range(COMBINATIONS):
        words = combination(random, path)
        trouble = trouble_with(run(path, *words))
        if trouble:
            troubles[tuple(words)] = trouble

    assert troubles == {}


@pytest.mark.parametrize("words", [["acls"], ["completion"], ["demo", "--clock"]])
def test_what_is_missing_is_one_line(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)

    assert result.exit_code == 2
    assert trouble_with(result) == ""


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "streamproc", "rules", "pack", "china"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", [["explain", "-"], ["verify", "--subscriber", "-"]])
def test_standard_input_that_is_not_text_is_one_line(words: list[str]) -> None:
    # So it is read where the locale is C: the bytes pass as halves of characters.
    broken = b"\xff\xfe".decode("utf-8", "surrogateescape").encode("utf-8", "surrogatepass")
    for given in (b"\xff\xfe", broken):
        result = CliRunner().invoke(main, [*words, *BROKER], input=given)
        assert result.exit_code == 2, result.output
        assert "it has bytes that are not UTF-8" in result.output.splitlines()[-1]


# Values that would do harm where a broker answers are refused before one is asked.


def test_numbers_have_bounds() -> None:
    # The fields of a usage event have the bounds of the contract.
    unbounded = (click.types.IntParamType, click.types.FloatParamType)
    found = [
        f"{' '.join(path)} {one.opts[0]}"
        for path, one in PARAMETERS
        if isinstance(one.type, unbounded) and not isinstance(one.type, Count | Number)
    ]
    assert [name for name in found if not name.startswith("send ")] == []


REFUSED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Number | Count, ("nan", "-1", "inf", "", "1e400")),
    (TopicName, ("", "a b", "ü", "..", "x" * 250)),
    (Addresses, ("", " ", "a:b:c", ":9092", "h:0", "h:99999", "h:9092,", "u ser:1", "h:٣")),
    (FilePath, ("", "a\0b", "x" * 300)),
)
"""By type of option: what is none of them, whichever the option."""


@pytest.mark.parametrize(
    ("path", "one", "values"),
    [
        pytest.param(path, one, values, id=name)
        for (path, one), name in zip(PARAMETERS, IDS, strict=True)
        for kinds, values in REFUSED
        if isinstance(one.type, kinds)
    ],
)
def test_values_out_of_bounds_are_errors_of_usage(
    path: tuple[str, ...], one: click.Parameter, values: tuple[str, ...]
) -> None:
    for value in values:
        result = run(path, *given(path, one, value))
        assert result.exit_code == 2, (value, result.output)
        assert "Invalid value" in result.output, (value, result.output)


TOPICS = {
    *("--audit", "--reminders", "--receipts", "--rejects", "--orders", "--policy", "--topic"),
    *("--resends", "--journal", "--dead-letters", "--reports", "--recorded-topic", "--to"),
}


def test_names_of_topics_are_held_to_kafkas_rule() -> None:
    free = [
        f"{' '.join(path)} {one.opts[0]}"
        for path, one in PARAMETERS
        if one.opts[0] in TOPICS and not isinstance(one.type, TopicName)
    ]
    assert free == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worker", "--partitions", "0"], "0 is not in the range"),
        (["worker", "--commit-interval-seconds", "nan"], "'nan' is no number"),
        (["worker", "--app-id", "my app"], "'my app' is no name of a topic"),
        (["worker", "--rules", "."], "'.' is a directory"),
        (["worker", "--broker", "a:b:c"], "write HOST:PORT, or several"),
        (["dispatch", "--group", "ü"], "'ü' is no name"),
        (["replay", "recording.ndjson", "--to", "x", "--type", "usage"], "usage.recorded"),
        (["send", EVENTS, "--settle", "9999999d"], "longer than a hundred years"),
        (["replay", "x", "--record", "y.zst"], "streamproc record TOPIC --broker"),
        (["dispatch", "--stats"], "streamproc receipts --broker"),
        (["replay", "topic:x", "--verify"], "streamproc verify-outputs TOPIC --broker"),
        (["explain", "1", "--from-time", "0001-01-01T00:00:00Z"], "is not between 1970 and"),
    ],
)
def test_the_line_says_what_to_write(words: list[str], said: str) -> None:
    broker = [] if "--broker" in words else BROKER
    result = CliRunner().invoke(main, [*words, *broker])

    assert result.exit_code == 2, result.output
    assert said in result.stderr.splitlines()[-1]
