"""``streamproc.toml``: what is wrong in it is said at once, a line each; nothing else happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main
from streamproc.cli.configuration.reading import LONGEST_LINE, MOST_BYTES, read_document

# A command with settings that ends at once without a broker.
COMMAND = ["simulate", "--from", "nosuch.ndjson"]
GOOD = 'app_id = "a"\n[simulate]\nrules = "pack:china"\n'


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(main, words or COMMAND, env=variables)


def said_of(content: str | bytes, mode: int = 0o600) -> list[str]:
    """The lines that a command ends with because of this file."""
    file = Path("streamproc.toml")
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    result = run()
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return [line.removeprefix("streamproc.toml:") for line in result.stderr.splitlines()]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[workers]", "1: workers: there is no such table; did you mean worker?"),
        ("[kafka.tls]\nca = 'x'", "1: kafka.tls: there is no such table; its keys stand in "
         "[kafka], such as tls_ca"),
        ("[log]\nlevel = 'x'", "1: log: there is no such table; its keys stand at the top of the "
         "file, such as log_format"),
        ("[dead_letters]", "1: dead_letters: there is no such table; did you mean dead-letters?"),
        ("[worker]\nstandbies = 1", "2: worker.standbies: there is no such key; did you mean "
         "standbys?"),
        ("[worker]\ncommit-interval-seconds = 1.0", "2: worker.commit-interval-seconds: there is "
         "no such key; did you mean commit_interval_seconds?"),
        ("[worker]\ngateways = 'g'", "2: worker.gateways: there is no such key here; did you mean "
         "[dispatch] gateways?"),
        ("[worker]\napp_id = 'g'", "2: worker.app_id: has one value for all commands; write it as "
         "app_id at the top of the file"),
        ("[worker]\nreminders = 'g'", "2: worker.reminders: has one value for all commands; write "
         "it as [topics] reminders"),
        ("[send]\ntopic = 'g'", "2: send.topic: has one value for all commands; write it as "
         "[topics] events"),
        ("broker = 'b:1'", "1: broker: there is no such key here; did you mean [kafka] broker?"),
        ("[demo]\nbroker = 'b:1'", "2: demo.broker: only the command line may say this"),
        ("[rules.pack]\nname = 'x'", "2: rules.pack.name: there is no such key; [rules.pack] has "
         "none"),
        ("[worker]\nhelp = true", "2: worker.help: there is no such key"),
        ("worker = 1", "1: worker: must be a table: [worker]"),
        ("[[worker]]", "1: worker: must be a table: [worker]"),
        ("[worker]\nstandbys = '1'", "2: worker.standbys: must be a whole number, not text"),
        ("[worker]\nstandbys = 1.0", "2: worker.standbys: must be a whole number, not a number"),
        ("[worker]\nstandbys = true", "2: worker.standbys: must be a whole number, not true or "
         "false"),
        ("[worker.standbys]", "1: worker.standbys: must be a whole number, not a table"),
        ("[worker]\nstart_empty = 1", "2: worker.start_empty: must be true or false, not a whole"),
        ("[send]\nsettle = 2", "2: send.settle: must be text, in quotes"),
        ("[send]\nsettle = 2026-01-05", "2: send.settle: must be text, not a time"),
        ("[topics]\ninput = 'a'", "2: topics.input: must be a list: [...]"),
        ("[topics]\ninput = ['a', 1]", "2: topics.input[1]: must be text, in quotes"),
        ("[kafka]\nsasl_password = 123", "2: kafka.sasl_password: must be text, in quotes"),
        ("[kafka]\nsasl_password = ''", "2: kafka.sasl_password: is empty"),
        ("[kafka]\nsasl_password = 'x'\nsasl_password_file = 'y'", "2: kafka.sasl_password: "
         "kafka.sasl_password_file is given, too"),
        # Values of the command that runs.
        ("[simulate]\nshow = -1", "2: simulate.show: -1 is not in the range"),
        ("[simulate]\nrules = 'pack:nosuch'", "2: simulate.rules: "),
        ("[simulate]\nfrom_time = 2026-01-05T08:00:00", "2: simulate.from_time: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(content: str, says: str) -> None:
    (line,) = said_of(content)
    assert line.startswith(says)


def test_all_problems_are_said_at_once_in_the_order_of_the_file() -> None:
    lines = said_of("[worker]\nx = 1\n\n[nosuch]\n[send]\nsettle = 2\n[simulate]\nshow = []\n")
    assert [line.partition(": ")[0] for line in lines] == ["2", "4", "6", "8"]


DEEP = "x = " + "[\n" * 20_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("app_id = 'a'\napp_id = 'b'", "2: not TOML: Cannot overwrite a value"),
        ("[worker]\n[worker]", "2: not TOML: Cannot declare ('worker',) twice"),
        (b"app_id = 'a\0b'", "1: not TOML: Found invalid character"),
        ("app_id: a", "1: not TOML: "),
        (b"app_id = 'a'\n\xff\xfe", "2: is not UTF-8 text"),
        ("a" * (LONGEST_LINE + 1), "1: is longer than 2,000 characters"),
        ("\n" * (MOST_BYTES + 1), " is larger than 64 KiB"),
        (b"\n" * 10_000_000, " is larger than 64 KiB"),
        (DEEP, "1: not TOML: it is nested too deeply"),
        ("x = " + "9" * 1_990, "1: x: there is no such key"),
        ("[simulate]\nshow = " + "9" * 1_900, "2: simulate.show: "),
        ("\n".join(f"[{'a.' * 900}b{i}]" for i in range(10)), "1: nested too deeply"),
        ('app_id = "\\ud800"', "1: not TOML: "),
        ("[topics]\nretention = [[]]", "2: topics.retention[0]: must be text, not a list"),
        ("\x1b[31mx = 1", "1: not TOML: "),
        ('"\\u001b[31m" = 1', '1: "\\u001b[31m": there is no such key'),
        ("'' = 1", '1: "": there is no such key'),
    ],
)  # fmt: skip
def test_hostile_files_end_in_one_line(content: str | bytes, says: str) -> None:
    (line,) = said_of(content)
    assert line.startswith(says)
    assert "\x1b" not in line
    assert len(line) < 400


@pytest.mark.parametrize("kind", ["directory", "dangling link", "pipe", "unreadable", "loop"])
def test_what_is_no_file_ends_in_one_line(kind: str) -> None:
    path = Path("odd.toml")
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to("odd.toml")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path.chmod(0)
    # As root, everything can be read.
    is_wrong = kind != "unreadable" or os.geteuid() != 0
    for result in (run("--config", "odd.toml", *COMMAND), run(STREAMPROC_CONFIG="odd.toml")):
        assert ("odd.toml" in result.stderr) == is_wrong
        assert "Traceback" not in result.output
        assert [line for line in result.stderr.splitlines() if "odd.toml" in line][1:] == []


def test_a_byte_order_mark_and_line_ends_of_windows_are_fine() -> None:
    Path("streamproc.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert "nosuch.ndjson" in run().stderr


@pytest.mark.parametrize("content", ["", "\n# nothing\n", "[worker]\n[kafka]\n[topics.create]\n"])
def test_a_file_may_be_empty(content: str) -> None:
    Path("streamproc.toml").write_text(content)
    assert "Missing option '--rules'" in run().stderr


def test_a_group_with_options_takes_the_file_before_its_command() -> None:
    Path("a.toml").write_text("[kafka]\nbroker = 'a:b:c'\n")
    wrong = run("dead-letters", "--config", "a.toml", "list").stderr
    assert "a.toml:2: kafka.broker: " in wrong
    late = run("dead-letters", "--broker", "b:1", "list", "--config", "a.toml")
    assert late.exit_code == 2
    assert "--config stands before list: dead-letters --config a.toml" in late.stderr


def test_where_the_file_is_looked_for() -> None:
    for name, rules in (("a.toml", "pack:a"), ("b.toml", "pack:b"), ("c.toml", "pack:c")):
        Path(name).write_text(f"[simulate]\nrules = '{rules}'\n")
    Path("streamproc.toml").write_text("[simulate]\nrules = 'pack:d'\n")

    def used(*words: str, **variables: str) -> str:
        return run(*words, **variables).stderr.split(":")[0]

    assert used() == "streamproc.toml"
    assert used(STREAMPROC_CONFIG="") == "streamproc.toml"
    assert used(STREAMPROC_CONFIG="a.toml") == "a.toml"
    assert used("--config", "b.toml", *COMMAND, STREAMPROC_CONFIG="a.toml") == "b.toml"
    assert used("--config", "b.toml", *COMMAND, "--config", "c.toml") == "c.toml"
    assert "--rules" in run("--config", os.devnull, *COMMAND).stderr
    assert "--rules" in run(STREAMPROC_CONFIG=os.devnull).stderr


def test_the_file_counts_however_the_program_is_called() -> None:
    Path("streamproc.toml").write_text("[simulate]\nrules = 'pack:nosuch'\n")
    for name in ("streamproc", "python -m streamproc", "/usr/bin/stream proc"):
        for words in (COMMAND, [*COMMAND, "--config", "streamproc.toml"]):
            result = CliRunner().invoke(main, words, prog_name=name)
            assert result.stderr.startswith("streamproc.toml:2: simulate.rules: ")


def test_a_file_of_another_user_counts_only_if_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("streamproc.toml").write_text(GOOD)
    uid = os.geteuid() + 1
    os.chown("streamproc.toml", uid, -1) if os.geteuid() == 0 else None
    monkeypatch.setattr("os.geteuid", lambda: uid + 1)
    (line,) = run().stderr.splitlines()
    assert "belongs to another user" in line
    assert "nosuch.ndjson" in run("--config", "streamproc.toml", *COMMAND).stderr


def test_help_does_not_depend_on_the_file() -> None:
    Path("streamproc.toml").write_text("[[[")
    for words in (["--help"], ["worker", "--help"], ["topics", "create", "--help"], ["--version"]):
        assert run(*words).exit_code == 0
    assert run("worker", "--kafka-help").exit_code == 0
    assert run("dead-letters", "list", "--help").exit_code == 0
    assert run("--help", STREAMPROC_CONFIG="nosuch").exit_code == 0


@pytest.mark.parametrize("key", ["sasl_password", "tls_key_password", "oauth_client_secret"])
def test_a_public_file_with_a_secret_is_refused(key: str) -> None:
    content = f"[kafka]\n{key} = 'hidden'\n"
    (line,) = said_of(content, 0o604)
    assert line.startswith(f"2: kafka.{key}: everybody on this machine may read this file")
    assert "chmod o-r streamproc.toml" in line
    Path("streamproc.toml").chmod(0o640)
    assert "Missing option '--rules'" in run().stderr
    (line,) = said_of(f"[worker]\nkafka_{key} = 'hidden'\n", 0o644)
    assert "everybody" in line


def test_no_message_shows_a_secret() -> None:
    Path("secret.toml").write_text("[kafka]\nsasl_password = 'hidden'\n")
    assert "hidden" not in repr(read_document(Path("secret.toml")))
    for content in (
        "sasl_password = ['hidden']",
        "sasl_pasword = 'hidden'",
        "sasl_password = 'hidden",
    ):
        assert "hidden" not in "".join(said_of(f"[kafka]\n{content}\n", 0o644))


def test_a_command_is_not_stopped_by_values_of_another() -> None:
    """A file that a form of files needs may be on another machine."""
    Path("streamproc.toml").write_text(GOOD + "\n[send]\nmapping = 'nosuch.yaml'\n")
    assert "nosuch.ndjson" in run().stderr
