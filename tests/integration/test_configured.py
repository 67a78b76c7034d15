"""The chain of the README with one ``streamproc.toml``, which all commands find by a variable: on a
broker with TLS and logins that denies by default, each command as the user of its role."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.integration.test_rights import (
    LIMIT_SECONDS,
    SUBSCRIBER,
    activation,
    ends,
    rules_of,
    stop,
    usage,
)
from tests.support.cast import Cast
from tests.support.commands import run, start
from tests.support.secured_broker import SecuredAddresses
from tests.support.waiting import wait_until

USERS = {
    "topics.create": "operator",
    "topics.plan": "operator",
    "dead-letters": "operator",
    "worker": "worker",
    "dispatch": "dispatcher",
    "send": "billing",
    "replay": "replay",
}
"""The role of a command with a table of its own; the others are a reader."""


ALL = ("--start", "earliest", "--to-end")
TOPICS = ("--reminders", "--receipts", "--input", "--rejects")


class Site:
    """A directory with ``streamproc.toml``. Commands run elsewhere, and get no option about Kafka,
    topics, rules or groups."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.file = cast.directory / "streamproc.toml"
        rules_of(cast)
        topics = {**cast.worker.by_field(), **cast.dispatch.by_field()}
        events, commands = cast.worker.inputs
        named = {**topics, "events": events, "commands": commands}
        own = {
            "dispatch": [f'group = "{cast.group}"'],
            "worker": ["start_empty = true"],
            "send": [f'spool = "{cast.directory / "spool"}"'],
        }
        lines = [f'app_id = "{cast.app_id}"', 'rules = "rules.yaml"', 'log_level = "info"']
        lines += ["[kafka]", f'broker = "{cast.broker.sasl}"', 'tls_ca = "ca.pem"']
        lines += ['sasl_mechanism = "SCRAM-SHA-512"', 'sasl_password_file = "word"']
        lines += ['sasl_username = "streamproc-reader"']
        lines += ["[topics]", "partitions = 1"]
        lines += [f'{field} = "{name}"' for field, name in named.items()]
        for table, role in USERS.items():
            lines += [f"[{table}]", f'kafka_sasl_username = "streamproc-{role}"']
            lines += own.get(table, [])
        lines += ["[simulate]", 'present = "rules.yaml"']
        self.file.write_text("\n".join(lines) + "\n")
        self.elsewhere = cast.directory / "elsewhere"
        self.elsewhere.mkdir()
        self.variables = {"STREAMPROC_CONFIG": str(self.file)}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """``streamproc WORDS`` as a process."""
        return start(*words, cwd=self.elsewhere, env={**os.environ, **self.variables})

    def run(self, *words: str, given: str = "") -> str:
        """The same in this process, to its end."""
        with patch.dict(os.environ, self.variables), contextlib.chdir(self.elsewhere):
            return run(*words, given=given.encode())


@pytest.fixture
def site(secured: SecuredAddresses, tmp_path: Path) -> Iterator[Site]:
    cast = Cast(secured, tmp_path)
    cast.grant_all()
    yield Site(cast)
    cast.admin.close()


def test_the_chain_runs_from_one_file(site: Site, processes: list[subprocess.Popen[bytes]]) -> None:
    cast = site.cast
    site.run("config", "check")
    assert site.run("topics", "create").count(" made") == len(cast.topics())
    lines = (activation(), usage("1"))
    said = site.run("send", "-", "--format", "ndjson", given="".join(f"{one}\n" for one in lines))
    assert "2 events" in said
    processes += [site.start("worker"), site.start("dispatch")]
    wait_until(lambda: ends(cast, cast.dispatch.receipts) > 0, LIMIT_SECONDS)

    # The options of topics have no names: they take those of the file.
    said = site.run("explain", "-", *TOPICS, given=SUBSCRIBER)
    assert "the message was written for the dispatcher" in said
    assert "accepted by console" in said
    assert "1 subscribers equal" in site.run("verify", "--quiet")
    assert "console" in site.run("receipts")
    site.run("dead-letters", "list")
    recording = str(site.elsewhere / "events.ndjson.zst")
    assert "2 records" in site.run("record", cast.events, "--out", recording, *ALL)
    site.run("simulate", "--from", recording, "--rules", str(rules_of(cast)))
    words = ("--to", cast.again, "--create-topics", "--partitions", "1", "--quiet")
    assert "2 records" in site.run("replay", f"topic:{cast.events}", *words)
    for process in processes:
        assert "has no right" not in stop(process)
