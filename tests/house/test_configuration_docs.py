"""docs/configuration.md and examples/streamproc.toml say what is so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import kafka_options, main
from streamproc.cli.configuration.settings import Registry
from streamproc.kafka.settings import KafkaSettings
from tests.support.certificates import Authority, secret_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that both name."""
    rules = CliRunner().invoke(main, ["rules", "pack", "china"]).stdout
    (tmp_path / "rules.yaml").write_text(rules, encoding="utf-8")
    gateways = "version: 1\ngateways: [{name: c, kind: console}]\n"
    (tmp_path / "gateways.yaml").write_text(gateways, encoding="utf-8")
    secret_file(tmp_path / "password", b"secret\n")
    secret_file(tmp_path / "dispatcher-password", b"secret\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_is_good(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(Authority().certificate)
    shutil.copy(ROOT / "examples" / "streamproc.toml", folder)

    checked = CliRunner().invoke(main, ["config", "check"])
    assert (checked.exit_code, checked.stderr) == (0, "")
    shown = CliRunner().invoke(main, ["config", "show", "dispatch"]).stdout
    assert re.search(r'^kafka_sasl_username +"dispatcher" +file .*dispatch\.kafka_', shown, re.M)
    assert re.search(r'^receipts +"carrier.receipts" +file ', shown, re.M)


def test_the_first_file_is_good_and_its_commands_need_nothing_more(folder: Path) -> None:
    (first,) = blocks("toml")
    (folder / "streamproc.toml").write_text(first, encoding="utf-8")
    commands = blocks("sh")[0]

    for line in commands.splitlines():
        words = line.split()[1:]
        if words[0] == "config":
            assert CliRunner().invoke(main, words).exit_code == 0
        else:
            shown = CliRunner().invoke(main, ["config", "show", *words])
            assert "kafka:9092" in shown.stdout
            assert shown.exit_code == 0


def test_the_problems_of_the_page_are_said_like_that(folder: Path) -> None:
    wrong = [
        "[kafka]\n" + "\n" * 6,
        "[worker]\nstandbies = 1\n\n\n",
        "reminders = 'x'\n\n[send]\nsettle = 2\n",
    ]
    (folder / "streamproc.toml").write_text("".join(wrong), encoding="utf-8")
    lines = CliRunner().invoke(main, ["config", "check"]).stderr.splitlines()
    (folder / "streamproc.toml").write_text("[kafka]\nsasl_mechanism = 'PLAIN'\n", encoding="utf-8")
    lines += CliRunner().invoke(main, ["config", "check"]).stderr.splitlines()
    assert lines == blocks("text")[0].splitlines()


def test_every_variable_of_the_page_exists() -> None:
    known = {name for one in Registry(main).settings for name in one.variables}
    named = set(re.findall(r"\bSTREAMPROC_[A-Z_]+", PAGE)) - {"STREAMPROC_", "STREAMPROC_CONFIG"}
    assert named <= known
    assert len(named) > 5


def test_the_connection_is_the_same_by_file_and_by_flags(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "ca.pem").write_bytes(Authority().certificate)
    shutil.copy(ROOT / "examples" / "streamproc.toml", folder)
    got: list[KafkaSettings] = []

    def connect(values: dict[str, Any], flags: tuple[str, ...]) -> dict[str, Any]:
        got.append(original(values, flags)["broker"])
        raise click.exceptions.Exit

    original = kafka_options._with_settings
    monkeypatch.setattr(kafka_options, "_with_settings", connect)
    flags = [
        *("--broker", "kafka-1:9093,kafka-2:9093", "--kafka-tls-ca", str(folder / "ca.pem")),
        *("--kafka-sasl-mechanism", "SCRAM-SHA-512", "--kafka-sasl-username", "streamproc"),
        *("--kafka-sasl-password-file", str(folder / "password")),
    ]
    CliRunner().invoke(main, ["--config", "/dev/null", "worker", *flags], catch_exceptions=False)
    for command in ("worker", "send", "verify", "dispatch"):
        CliRunner().invoke(main, [command], catch_exceptions=False)
    by_flags, *by_file, dispatcher = got
    assert by_file == [by_flags] * 3
    assert dispatcher != by_flags
    assert dispatcher.client_options()["sasl_plain_username"] == "dispatcher"
    assert "secret" not in repr(got)
