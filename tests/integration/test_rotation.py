"""Running processes take over changed certificates, authorities and passwords, on a real broker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from tests.integration.test_rights import RULES, activation, usage
from tests.integration.test_secured_kafka import LIMIT_SECONDS, count
from tests.support.certificates import Authority, secret_file
from tests.support.commands import run
from tests.support.secured_broker import CLIENT_NAME, PASSWORD, USER, SecuredBroker
from tests.support.signals import stop_in_order
from tests.support.waiting import wait_until

PARTITIONS, SUBSCRIBERS = 2, 12


class Files:
    """The files of the clients. A change replaces them, as everything that rotates files does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, authority: Authority, password: str) -> None:
        client = authority.issue(CLIENT_NAME)
        contents: dict[str, bytes | str] = {
            "ca.pem": authority.certificate,
            "client.pem": client.certificate,
            "client.key": client.encrypted_key(password.encode()),
            "password": password,
        }
        for name, content in contents.items():
            secret_file(self.directory / f"{name}.new", content).replace(self.directory / name)

    def login(self, broker: SecuredBroker, mechanism: str) -> list[str | Path]:
        """By user and password, over TLS."""
        return [
            *("--broker", broker.addresses.sasl, "--kafka-tls-ca", self.directory / "ca.pem"),
            *("--kafka-sasl-mechanism", mechanism, "--kafka-sasl-username", USER),
            *("--kafka-sasl-password-file", self.directory / "password"),
        ]

    def certificate(self, broker: SecuredBroker) -> list[str | Path]:
        """By a certificate, whose key has the same password."""
        return [
            *("--broker", broker.addresses.mutual, "--kafka-tls-ca", self.directory / "ca.pem"),
            *("--kafka-tls-cert", self.directory / "client.pem"),
            *("--kafka-tls-key", self.directory / "client.key"),
            *("--kafka-tls-key-password-file", self.directory / "password"),
        ]


@pytest.fixture
def own() -> Iterator[SecuredBroker]:
    """A broker that no other test uses: its certificates and users change."""
    with SecuredBroker() as broker:
        yield broker


class Running:
    """Processes that write into files: a pipe that nobody reads would stop them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, *arguments: str | Path) -> None:
        """``streamproc ARGUMENTS``."""
        log = self._directory / f"{len(self._started)}-{arguments[0]}.log"
        command = [sys.executable, "-m", "streamproc", *map(str, arguments)]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        self._started[log] = process

    def end(self) -> dict[str, tuple[int, str]]:
        """End all in order; what each returned and said."""
        for process in self._started.values():
            stop_in_order(process)
        return {
            log.name: (process.wait(LIMIT_SECONDS), log.read_text())
            for log, process in self._started.items()
        }

    def kill(self) -> None:
        """End what still runs."""
        for process in self._started.values():
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.kill()


def replace_all(broker: SecuredBroker, files: Files, authority: Authority, password: str) -> None:
    """New passwords, and certificates of another authority on both sides; all connections end."""
    admin: Any = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    for one in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        changed = UserScramCredentialUpsertion(USER, one, password)
        assert admin.alter_user_scram_credentials([changed]) == {USER: None}
    admin.close()
    files.put(authority, password)
    assert broker.directory is not None
    server = authority.issue("broker", "localhost")
    store = server.key + server.certificate + authority.certificate
    (broker.directory / "broker.pem").write_bytes(store)
    (broker.directory / "trusted.pem").write_bytes(authority.certificate)
    broker.restart()


def test_running_processes_take_over_what_rotates(
    own: SecuredBroker, tmp_path: Path, running: Running
) -> None:
    """Workers (the engine's clients and aiokafka), dispatchers (kafka-python) and a producer, each
    once by password and once by certificate."""
    files = Files(tmp_path)
    files.put(own.authority, PASSWORD)
    ways = (files.login(own, "SCRAM-SHA-512"), files.certificate(own))
    run("topics", "create", *ways[0], "--partitions", str(PARTITIONS))
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, way in enumerate(ways):
        options = ("--rules", rules, "--instance-id", str(number), "--start-empty")
        running.start("worker", *way, *options)
        running.start("dispatch", *way)
    watch = ("--watch", folder, "--settle", "0s", "--state", tmp_path / "state")
    running.start("send", *files.login(own, "SCRAM-SHA-256"), *watch)

    def work(begin: int) -> None:
        """Events of new subscribers, in both partitions, go the whole way to a receipt."""
        made = tmp_path / f"{begin}.ndjson"
        named = [str(begin + number) for number in range(SUBSCRIBERS)]
        lines = [line for one in named for line in (activation(one), usage(f"u{one}", one))]
        made.write_text("".join(f"{line}\n" for line in lines))
        wanted = count(own.bootstrap, "streamproc.receipts") + SUBSCRIBERS
        made.rename(folder / made.name)
        wait_until(lambda: count(own.bootstrap, "streamproc.receipts") >= wanted, LIMIT_SECONDS)

    work(34600000001)
    replace_all(own, files, Authority("the next one"), "the next password")
    work(34600000101)
    for name, (code, said) in running.end().items():
        assert code == 0, f"{name}: {said}"
        assert "Traceback" not in said, f"{name}: {said}"
        assert PASSWORD not in said
        assert "the next password" not in said
