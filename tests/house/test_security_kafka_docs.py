"""docs/security-kafka.md says what is so: its commands, files and Python are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from streamproc.cli import kafka_options, main
from streamproc.kafka.logins import LOGINS
from streamproc.kafka.properties import read_properties
from streamproc.kafka.settings import KafkaSettings
from tests.support.certificates import Authority, secret_file
from tests.support.kafka_settings_table import PAGE, in_page, settings_table

TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Path:
    """The files that the page names, in the current directory."""
    client = authority.issue("client")
    for name, content in {
        "ca.pem": authority.certificate,
        "client.pem": client.certificate,
        "client.key": client.key,
        "client.enc.key": client.encrypted_key(b"word"),
        "key-password": b"word\n",
        "password": b"secret\n",
        "secret": b"secret\n",
        "token": b"a token\n",
        "number.txt": b"8613800000001\n",
        "client.properties": blocks("properties")[0].encode(),
    }.items():
        secret_file(tmp_path / name, content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings_of_command(line: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """How a command of the page would reach Kafka."""
    _, name, *arguments = shlex.split(line)
    command = main.commands[name]
    got: list[KafkaSettings] = []

    def connect(values: dict[str, Any], flags: tuple[str, ...]) -> dict[str, Any]:
        got.append(original(values, flags)["broker"])
        raise click.exceptions.Exit

    original = kafka_options._with_settings
    with monkeypatch.context() as patched:
        patched.setattr(kafka_options, "_with_settings", connect)
        context = command.make_context(name, arguments, auto_envvar_prefix="STREAMPROC")
        with pytest.raises(click.exceptions.Exit), context:
            command.invoke(context)
    return got[0]


def test_every_command_of_the_page_gets_in(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for block in blocks("sh"):
        for line in block.splitlines():
            if line.startswith("export "):
                variable, _, value = line.removeprefix("export ").partition("=")
                monkeypatch.setenv(variable, value)
                continue
            settings = settings_of_command(line, monkeypatch)
            assert settings.bootstrap == "kafka:9093"
            assert settings.tls is not None
            seen.append(settings)
        for variable in re.findall(r"export (\w+)=", block):
            monkeypatch.delenv(variable)
    by_option, by_variable, too, by_file = seen[:4]
    assert by_option == by_variable == too
    assert by_file.client_options()["sasl_plain_password"] == "secret"
    assert by_option.client_options()["sasl_plain_password"] == "secret"
    assert by_option.tls == by_file.tls


def test_the_python_of_the_page_runs(files: Path) -> None:
    (example,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), names)
    names["producer"].close(0)
    assert isinstance(names["kafka"], KafkaSettings)


def test_the_table_of_settings_is_whole() -> None:
    assert in_page() == settings_table(), "run: python -m tests.support.kafka_settings_table"


def test_every_login_has_a_row() -> None:
    (table,) = re.findall(r"^\| Login \| Needs \|\n(.*?)\n\n", TEXT, re.M | re.S)
    rows = [row.split("|")[1] for row in table.splitlines()[1:]]
    assert sorted(re.findall(r"`([^`]+)`", "".join(rows))) == sorted(LOGINS)


def test_every_message_of_the_table_is_said() -> None:
    """What a row begins with stands in a source file that makes the message."""
    folder = Path(read_properties.__code__.co_filename).parent
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    source = re.sub(r'"\s+f?"', "", source)
    (table,) = re.findall(r"^\| It says \| What to do \|\n(.*?)\n\n", TEXT, re.M | re.S)
    for row in table.splitlines()[1:]:
        for message in re.findall(r"`([^`]+)`", row.split("|")[1]):
            for part in re.split(r"\.\.\.|kafka:9093|\(connection refused\)", message):
                assert part.strip(" ()") in source, message
