"""``streamproc config check`` and ``config show``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main
from tests.support.certificates import secret_file


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(main, words, env=variables)


def write(content: str) -> None:
    secret_file(Path("streamproc.toml"), content)


def check(content: str, **variables: str) -> list[str]:
    """What the check says about a file; empty if it is good."""
    write(content)
    result = run("config", "check", **variables)
    assert result.exit_code == bool(result.stderr)
    assert bool(result.stdout) != bool(result.stderr)
    return result.stderr.splitlines()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "content",
    [
        "rules = 'pipe'",
        "[dispatch]\ngateways = 'pipe'",
        "[send]\nmapping = 'pipe'",
        "[kafka]\nproperties = 'pipe'",
        "[kafka]\ntls_ca = 'pipe'",
        "[kafka]\ntls_cert = 'pipe'",
        "[worker]\nid_key_file = 'pipe'",
        "[kafka]\nsasl_mechanism = 'PLAIN'\nsasl_username = 'u'\nsasl_password_file = 'pipe'",
    ],
)
def test_a_pipe_does_not_hold_the_check_up(content: str) -> None:
    os.mkfifo("pipe", 0o600)
    (line,) = check(content)
    assert line.endswith("is not a regular file")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[kafka]\nsasl_username = 'u'", "--kafka-sasl-username would have no effect"),
        ("[kafka]\ntls_ca = 'ca'\nsecurity_protocol = 'PLAINTEXT'", "--kafka-tls-ca would have"),
        ("[kafka]\nsasl_mechanism = 'PLAIN'\nsasl_username = 'u'", "needs --kafka-sasl-password"),
        ("[kafka]\ntls_key = 'k'", "--kafka-tls-key needs --kafka-tls-cert"),
        ("[kafka]\ntls_ca = 'nosuch.pem'", "nosuch.pem"),
        ("[dispatch]\nkafka_tls_ca = 'nosuch.pem'", "nosuch.pem"),
        ("[kafka]\nproperties = 'nosuch'", "nosuch"),
        ("[dispatch]\nkafka_properties = 'nosuch'", "nosuch"),
        ("rules = 'nosuch.yaml'", "streamproc.toml:1: rules: "),
        ("[dispatch]\ngateways = 'no.yaml'", "streamproc.toml:2: dispatch.gateways: "),
        ("[worker]\nid_key = 'short'", "worker.id_key: the key of ids must be one line of at"),
        ("[dispatch]\nnumber_key = 'short'", "dispatch.number_key: the key of number hashes"),
        (
            "[worker]\nalarm_webhook = 'https://u:p@h/'\nalarm_webhook_key = 'whsec_a2V5'",
            "--alarm-webhook: must have no user and no password",
        ),
        (
            "[worker]\nalarm_webhook = 'ftp://h/'\nalarm_webhook_key = 'whsec_a2V5'",
            "--alarm-webhook: must be an https:// or http:// URL",
        ),
        ("[worker]\nalarm_webhook_key = 'whsec_a2V5'", "belong together"),
        ("[send]\nsettle = '-2s'", "streamproc.toml:2: send.settle: '-2s' is negative"),
        ("[send]\nsettle = '2x'", "streamproc.toml:2: send.settle: '2x' is not a duration"),
        ("[topics.plan]\nfor = ['x']", "streamproc.toml:2: topics.plan.for: 'x' is not one of"),
    ],
)
def test_check_finds_what_commands_would_refuse(content: str, says: str) -> None:
    (line,) = check(content)
    assert says in line


def test_check_says_all_at_once() -> None:
    lines = check("[send]\nsettle = '2x'\nx = 1\n[worker]\nstandbys = -1\n")
    assert [line.split(":")[1] for line in lines] == ["2", "3", "5"]


def test_check_says_what_follows_a_wrong_key_too() -> None:
    lines = check(
        "[kafka]\ntls_key = 'k'\n[worker]\nstandbys = -1\nwroker = 1\nrules = 'nosuch.yaml'\n",
        STREAMPROC_SEND_SETTLE="2x",
    )
    told = "\n".join(lines)
    assert len(lines) == 5, told
    for says in ("standbys", "wroker", "nosuch.yaml", "--kafka-tls-key needs", "$STREAMPROC_SEND"):
        assert says in told
    # What would only follow from a wrong setting of the connection is not said.
    (line,) = check("[kafka]\nsecurity_protocol = 'SLL'\nsasl_username = 'u'\n")
    assert "security_protocol" in line


def test_check_reads_the_files_that_are_named() -> None:
    Path("rules.yaml").write_text("version: 1\nplans: 3\n")
    Path("gateways.yaml").write_text("version: 1\ngateways: [{name: X, kind: pigeon}]\n")
    Path("columns.yaml").write_text("source: s\nfields: {subscriber: 7}\n")
    settings = (
        "rules = 'rules.yaml'\n[dispatch]\ngateways = 'gateways.yaml'\n"
        "[send]\nmapping = 'columns.yaml'\n[worker]\nrules = 'rules.yaml'\n"
    )
    told = check(settings)
    assert any("rules.yaml:2: plans: " in line for line in told)
    assert any("gateways.yaml:2: gateways[0]" in line for line in told), told
    assert any("columns.yaml:2: fields.subscriber" in line for line in told)
    assert len(set(told)) == len(told)
    assert check("rules = 'pack:nosuch'\n")
    os.mkfifo("pipe.yaml")
    (line,) = check("rules = 'pipe.yaml'\n")
    assert "it is not a regular file" in line


def test_check_looks_at_variables() -> None:
    (line,) = check("", STREAMPROC_WORKER_STANDBYS="x")
    assert line == "$STREAMPROC_WORKER_STANDBYS: 'x' is no whole number; write for instance 5"
    (line,) = check("", STREAMPROC_KAFKA_SASL_USERNAME="u")
    assert "would have no effect" in line
    write("")
    result = run("config", "check", STREAMPROC_WORKER_STANDBIES="1", STREAMPROC_PORT="tcp://1")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: no command reads the variable STREAMPROC_WORKER_STANDBIES; did you mean "
        "STREAMPROC_WORKER_STANDBYS?\n"
    )


def test_check_notes_input_that_nobody_reads() -> None:
    write("[topics]\ninput = ['a']\n")
    result = run("config", "check")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: topics.input lacks topics.events (streamproc.events), to which `send` writes\n"
    )
    write("[topics]\ninput = ['a']\nevents = 'a'\n")
    assert run("config", "check").stderr == ""


def test_check_needs_a_file() -> None:
    assert run("config", "check").exit_code == 2
    assert "--config" in run("config", "check", "--help").output
    write("[x]")
    assert run("config", "check").exit_code == 1
    Path("other.toml").write_text("")
    assert run("config", "check", "other.toml").exit_code == 0
    assert run("config", "check", "--config", "other.toml").exit_code == 0
    assert run("--config", "/dev/null", "config", "check").exit_code == 0
    assert run("config", "check", "nosuch.toml").exit_code == 2
    assert run("config", "check", STREAMPROC_CONFIG="nosuch.toml").exit_code == 1


def test_a_wrong_variable_is_named_when_a_command_runs() -> None:
    result = run("worker", STREAMPROC_WORKER_STANDBYS="x", STREAMPROC_BROKER="b:1")
    assert "Invalid value for $STREAMPROC_WORKER_STANDBYS" in result.stderr
    result = run("worker", STREAMPROC_BROKER="a:b:c")
    assert "Invalid value for $STREAMPROC_BROKER" in result.stderr
    result = run("worker", "--broker", "a:b:c", STREAMPROC_BROKER="b:1")
    assert "Invalid value for '--broker'" in result.stderr


def shown(*words: str, **variables: str) -> dict[str, tuple[Any, str, str]]:
    """Value, origin and place by key."""
    result = run("config", "show", *words, "--json", **variables)
    assert result.exit_code == 0, result.output
    settings = json.loads(result.stdout)["settings"]
    return {one["key"]: (one["value"], one["origin"], one["at"]) for one in settings}


def test_show_says_where_each_value_comes_from() -> None:
    write("[kafka]\nbroker = 'f:1'\nproperties = 'p'\n[worker]\nstandbys = 2\nstart_empty = true\n")
    Path("p").write_text("client.id=mine\nbootstrap.servers=p:1\n")
    found = shown("worker", "--native", "off", STREAMPROC_LOG_LEVEL="debug")

    assert found["kafka.broker"] == ("f:1", "file", "streamproc.toml kafka.broker")
    assert found["worker.standbys"] == (2, "file", "streamproc.toml worker.standbys")
    assert found["worker.start_empty"] == (True, "file", "streamproc.toml worker.start_empty")
    assert found["log_level"] == ("debug", "variable", "STREAMPROC_LOG_LEVEL")
    assert found["worker.native"] == ("off", "flag", "--native")
    assert found["kafka.client_id"][:2] == ("mine", "client.properties")
    assert found["clock"] == ("wall", "default", "")
    assert found["rules"] == (None, "default", "")
    found = shown("worker", STREAMPROC_WORKER_BROKER="v:1", STREAMPROC_BROKER="w:1")
    assert found["kafka.broker"] == ("v:1", "variable", "STREAMPROC_WORKER_BROKER")
    write("[kafka]\nproperties = 'p'\n")
    assert shown("worker")["kafka.broker"][:2] == ("p:1", "client.properties")


def test_show_without_a_command_has_what_is_set() -> None:
    write("app_id = 'mine'\n[topics]\nevents = 'e'\n[send]\nwait = '5s'\n")
    assert set(shown()) == {"app_id", "topics.events", "send.wait"}
    lines = run("config", "show").stdout.splitlines()
    assert lines[0] == "file: streamproc.toml"
    assert len(lines) == 4


def test_show_of_a_command_in_a_group_has_the_options_of_both() -> None:
    assert {"kafka.broker", "dead-letters.list.reason"} <= set(shown("dead-letters", "list"))
    assert "topics.create.for" in shown("topics", "create")


@pytest.mark.parametrize("words", [["nosuch"], ["topics"], ["worker", "--nosuch"], ["worker", "x"]])
def test_show_refuses_what_there_is_not(words: list[str]) -> None:
    result = run("config", "show", *words)
    assert result.exit_code == 2
    assert "Error: " in result.stderr.splitlines()[-1]


def test_show_has_no_secret() -> None:
    write("[kafka]\nsasl_password = 'hidden'\ntls_key_password_file = 'hid'\n")
    for words in ([], ["worker"], ["worker", "--json"], ["--json"]):
        result = run(
            *("config", "show", *words),
            STREAMPROC_KAFKA_OAUTH_CLIENT_SECRET="hidden",
            STREAMPROC_KAFKA_OAUTH_TOKEN_URL="https://u:hidden@idp/token",
        )
        assert result.exit_code == 0
        assert "hidden" not in result.output
        assert result.output.count("***") >= 3
        assert "/hid" in result.output


def test_the_rights_of_a_dispatcher_are_for_its_group() -> None:
    write("[dispatch]\ngroup = 'mine'\n")
    printed = run("acls", "--role", "dispatcher").stdout
    assert "mine" in printed
    assert "streamproc-dispatch " not in printed
    assert "yours" in run("acls", "--role", "dispatcher", STREAMPROC_DISPATCH_GROUP="yours").stdout
    assert "typed" in run("acls", "--role", "dispatcher", "--group", "typed").stdout
    assert run("acls", "--role", "worker").exit_code == 0
